"""Parts that every local service uses: request handling, clock, call record, faults, processes.

Raises :class:`UnsupportedPlatformError` when it is imported on another platform than Linux.
"""

from sageloop.local_cloud.linux import require_linux

require_linux()
