"""The local cloud runs on Linux only; other platforms are refused at import."""

from __future__ import annotations

import sys


class UnsupportedPlatformError(ImportError):
    """The local cloud was imported on a platform that it does not run on."""


def require_linux(platform: str = sys.platform) -> None:
    """Raise :class:`UnsupportedPlatformError` unless ``platform`` is Linux.

    Processes are isolated by user namespaces, ended by process groups and found in ``/proc``.
    Constructs, the command line and clients of a running cloud import everywhere.
    """
    if platform != "linux":
        raise UnsupportedPlatformError(
            f"the local cloud runs on Linux only, this is {platform}; use a Linux machine, "
            "virtual machine or container (WSL 2 on Windows)"
        )
