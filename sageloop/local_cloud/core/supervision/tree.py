"""Process trees on Linux: who descends from whom, and how a whole tree is ended.

Used by the supervisor and by the fork server, which run without site-packages: the standard
library only. See decision 10.
"""

# ruff: noqa: PTH110, PTH123, PTH208
# These processes are small and start often: pathlib is left out of them.

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Collection
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LISTED = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Adopt every orphan among this process's descendants; an ``exec`` keeps that, a fork does not.

    Raises ``OSError`` if the kernel refuses.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends. Raises ``OSError``."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children, zombies included; none if it is gone."""
    return _listed_children(pid) if _LISTED else _searched_children(pid)


def parent_of(pid: int) -> int | None:
    """Process id of a process's parent, or ``None`` if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # The command in parentheses may hold anything, parentheses and spaces too.
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def kill_tree(root: int) -> None:
    """End a process and all its descendants, whatever sessions they made.

    Each is stopped before its children are listed, so that none is forked unseen: a fork
    fails in a process that a signal waits for. What was orphaned meanwhile is a child of a
    subreaper above, and found by whoever looks there.
    """
    stopped: list[int] = []
    fresh = [root]
    while fresh:
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped += fresh
        known = set(stopped)
        fresh = [child for pid in stopped for child in children_of(pid) if child not in known]
    for pid in stopped:
        _signal(pid, signal.SIGKILL)


def kill_children(*, apart_from: Collection[int] = ()) -> bool:
    """End this process's children with their trees, but the named ones; whether there were any."""
    found = [pid for pid in children_of(os.getpid()) if pid not in apart_from]
    for pid in found:
        kill_tree(pid)
    return bool(found)


def end_all_children() -> None:
    """End every descendant of this process, a subreaper, and wait until none is left."""
    while True:
        kill_children()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _listed_children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as listed:
                found += map(int, listed.read().split())
    except OSError:
        return found
    return found


def _searched_children(pid: int) -> list[int]:
    numbers = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [number for number in numbers if parent_of(number) == pid]


def _signal(pid: int, number: signal.Signals) -> None:
    # Between listing and signalling lie microseconds: no process id comes round again in them.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
