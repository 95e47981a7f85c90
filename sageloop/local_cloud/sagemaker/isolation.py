"""Private ``/opt/ml``, ``/etc/hosts``, host name and network for a container's process."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# The rest of /opt stays visible because the program's interpreter may be installed in it.
_PRIVATE_OPT = """\
set -e
mkdir -p "$hold"
mount --rbind /opt "$hold"
mount -t tmpfs none /opt
for entry in "$hold"/*; do
  name=${entry##*/}
  if [ "$name" != ml ] && [ -d "$entry" ]; then
    mkdir "/opt/$name"; mount --rbind "$entry" "/opt/$name"
  fi
done
mkdir /opt/ml
mount --bind "$base" /opt/ml
"""
_FLAGS = {
    os.ST_NOSUID: "nosuid", os.ST_NODEV: "nodev", os.ST_NOEXEC: "noexec",
    os.ST_NOATIME: "noatime", os.ST_NODIRATIME: "nodiratime", os.ST_RELATIME: "relatime",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mount:
    """A host directory that is mounted at ``inside``, a path under ``/opt/ml``."""

    source: Path
    inside: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class IsolationSettings:
    """What a container gets in addition to a private ``/opt/ml``; nothing by default.

    ``network`` is the process id of the process whose user and network namespaces are joined.
    """

    host_name: str | None = None
    hosts_file: Path | None = None
    mounts: tuple[Mount, ...] = ()
    network: int | None = None


_NO_SETTINGS = IsolationSettings()


@cache
def available() -> bool:
    """Whether this kernel supports mount namespaces for unprivileged processes."""
    tool = shutil.which("unshare")
    if tool is None or not Path("/opt").is_dir():
        return False
    probe = [tool, "-Urmu", "sh", "-c", "mount -t tmpfs none /opt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@cache
def networks_available() -> bool:
    """Whether several processes can share a private network namespace on this machine."""
    if not available() or shutil.which("nsenter") is None:
        return False
    probe = ["unshare", "-Urn", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def possible_for(base: Path) -> bool:
    """Whether ``base`` can be mounted as a private ``/opt/ml``."""
    return available() and Path("/opt") not in base.parents


def with_private_opt_ml(
    command: Sequence[str], base: Path, settings: IsolationSettings = _NO_SETTINGS
) -> list[str]:
    """Return ``command`` wrapped to run with ``base`` as its ``/opt/ml``.

    Returns ``command`` unchanged where the kernel does not support this; the program then finds its
    directory in ``SAGEMAKER_BASE_DIR``. The process keeps its process id.
    """
    if not possible_for(base):
        return list(command)
    script = "\n".join(_script(base, settings))
    return [*_unshare_command(settings.network), "sh", "-c", script, "sh", *command]


def remove(base: Path) -> None:
    """Remove the directory of a container and the mount point beside it."""
    shutil.rmtree(base, ignore_errors=True)
    with suppress(OSError):
        _mount_point(base).rmdir()


def _mount_point(base: Path) -> Path:
    return base.parent / f".{base.name}.opt"


def _unshare_command(network: int | None) -> list[str]:
    if network is None:
        return ["unshare", "-Urmu"]
    # Only members of the user namespace that owns a network namespace may enter it.
    entered = ["nsenter", "-t", str(network), "-U", "-n", "--preserve-credentials"]
    return [*entered, "unshare", "-mu"]


def _script(base: Path, settings: IsolationSettings) -> Iterator[str]:
    yield f"base={shlex.quote(str(base))}"
    yield f"hold={shlex.quote(str(_mount_point(base)))}"
    yield _PRIVATE_OPT
    for mount in settings.mounts:
        yield from _mounted(mount)
    if settings.hosts_file is not None and Path("/etc/hosts").exists():
        yield f"mount --bind {shlex.quote(str(settings.hosts_file))} /etc/hosts"
    if settings.host_name is not None and shutil.which("hostname"):
        yield f"hostname {shlex.quote(settings.host_name)}"
    yield 'cd /opt/ml\nexec "$@"'


def _mounted(mount: Mount) -> Iterator[str]:
    inside = shlex.quote(mount.inside)
    yield f"mount --bind {shlex.quote(str(mount.source))} {inside}"
    if mount.read_only:
        # A namespace may add flags to a mount that it inherits; it may not remove any.
        flags = os.statvfs(mount.source).f_flag
        flags_kept = [name for flag, name in _FLAGS.items() if flags & flag]
        yield f"mount -o {','.join(['remount', 'bind', 'ro', *flags_kept])} {inside}"
