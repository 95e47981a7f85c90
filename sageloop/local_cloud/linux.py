"""Refuses the import of the local cloud on other platforms than Linux."""

from __future__ import annotations

import sys


class UnsupportedPlatformError(ImportError):
    """The local cloud was imported on an unsupported platform."""


def require_linux(platform: str = sys.platform) -> None:
    """Raise :class:`UnsupportedPlatformError` unless ``platform`` is Linux.

    Processes are isolated by user namespaces, ended by process groups and listed in ``/proc``.
    Constructs, the command line and clients of a running cloud import on every platform.
    """
    if platform != "linux":
        raise UnsupportedPlatformError(
            f"the local cloud runs on Linux only, this is {platform}; use a Linux machine, "
            "virtual machine or container (WSL 2 on Windows)"
        )
