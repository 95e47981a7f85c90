"""The local cloud that ``sageloop local up`` started in a folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from urllib.parse import urlsplit

from sageloop.cli.report import fail
from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.client import LocalCloud, LocalCloudError
from sageloop.local_cloud.process_end import end_process, started_at

FOLDER = Path(".sageloop")
_START = "start one: sageloop local up"
_LISTEN = "0A"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class NoCloudError(RuntimeError):
    """No local cloud of this user runs in this folder; the message has the reason.

    Attributes:
        fact: The message without advice.

    """

    def __init__(self, reason: str | None = None, *, advice: str = _START) -> None:
        why = "" if reason is None else f": {reason}"
        self.fact = f"no local cloud runs in this folder{why}"
        super().__init__(f"{self.fact}; {advice}")


def facts_file() -> Path:
    """The file with the address, keys and token of this folder's cloud."""
    return FOLDER / "local.json"


def log_file() -> Path:
    """The log file of this folder's cloud."""
    return FOLDER / "local.log"


def cloud_of_folder() -> LocalCloud:
    """The cloud of this folder, if it responds and belongs to this user.

    Raises:
        NoCloudError: If there is no access file, it cannot be trusted or read, or its cloud has
        ended.

    """
    cloud = LocalCloud.from_access(access_of_folder())
    try:
        cloud.health()
    except LocalCloudError as error:
        raise NoCloudError(_first_line(error)) from error
    return cloud


def access_of_folder() -> CloudAccess:
    """The address and keys of this folder's cloud, whose port belongs to this user.

    Raises:
        NoCloudError: As above, except that the cloud may not respond.

    """
    path = facts_file()
    if not path.exists():
        raise NoCloudError
    _require_private(FOLDER, _WRITABLE_BY_OTHERS)
    _require_private(path, _OPEN_TO_OTHERS)
    try:
        access = CloudAccess.read(path)
    except (OSError, ValueError, RecursionError) as error:
        raise NoCloudError(f"{path} is unreadable ({_first_line(error)})") from error
    _require_own_listener(access.endpoint_url)
    return access


def end_cloud(access: CloudAccess) -> bool:
    """End the process of a cloud, whether or not it responds; False if it has ended."""
    import psutil

    port = urlsplit(access.endpoint_url).port
    try:
        sockets = psutil.Process(access.pid).net_connections("tcp4") if access.pid else []
        serves = any(s.status == psutil.CONN_LISTEN and s.laddr.port == port for s in sockets)
        # The process id may be reused; the process that listens at the cloud's port is the cloud.
        return serves and access.pid is not None and end_process(access.pid, started_at(access.pid))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def found_cloud() -> LocalCloud | None:
    """The cloud of this folder, or None."""
    try:
        return cloud_of_folder()
    except NoCloudError:
        return None


def needed_cloud() -> LocalCloud:
    """The cloud of this folder; exits the command if there is none."""
    try:
        return cloud_of_folder()
    except NoCloudError as error:
        fail(str(error))


def listeners(table: str) -> dict[tuple[str, int], int]:
    r"""The user ids of listening sockets by address and port, from a ``/proc/net/tcp`` table.

    >>> listeners("  sl  local_address ...\n"
    ...           "  0: 0100007F:128B 00000000:0000 0A 00000000:00000000 00:0 0 1000 0 1")
    {('127.0.0.1', 4747): 1000}
    """
    found = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[3] == _LISTEN:
            address, _, port = fields[1].partition(":")
            octets = [str(octet) for octet in reversed(bytes.fromhex(address))]
            found[".".join(octets), int(port, 16)] = int(fields[7])
    return found


def _require_private(path: Path, forbidden: int) -> None:
    """Refuse a file that another user could have written: it could name that user's server."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise NoCloudError(f"{path} is a symbolic link", advice="remove it")
    if status.st_uid != os.getuid():
        raise NoCloudError(f"{path} belongs to user {status.st_uid}", advice="remove it")
    if status.st_mode & forbidden:
        mode = stat.S_IMODE(status.st_mode)
        raise NoCloudError(
            f"{path} is open to other users (mode {mode:o})", advice=f"chmod go= {path}"
        )


def _require_own_listener(endpoint_url: str) -> None:
    """Refuse a port of another user, who must not receive the token of an ended cloud."""
    port = urlsplit(endpoint_url).port or 0
    owner = listeners(Path("/proc/net/tcp").read_text()).get(("127.0.0.1", port))
    if owner is None:
        raise NoCloudError(f"the one at {endpoint_url} has ended")
    if owner != os.getuid():
        raise NoCloudError(f"{endpoint_url} is served by user {owner}")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
