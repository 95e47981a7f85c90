"""Process trees on Linux: descendants, and how a whole tree is ended.

The supervisor and the fork server use it and run without site-packages, so it imports the standard
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
    """Adopt every orphan among this process's descendants; kept by ``exec``, not by a fork.

    Raises ``OSError`` if the kernel refuses.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Make the kernel kill this process when its parent ends. Raises ``OSError``."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children, zombies included; empty if it has ended."""
    return _listed_children(pid) if _LISTED else _searched_children(pid)


def parent_of(pid: int) -> int | None:
    """Process id of a process's parent, or ``None`` if the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # The command in parentheses may contain anything, parentheses and spaces included.
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def kill_tree(root: int) -> None:
    """End a process and all its descendants in any session.

    Each process is stopped before its children are listed, so that none is forked in between: a
    fork fails in a process with a pending signal. Processes orphaned meanwhile are children of a
    subreaper above.
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
    """End this process's children and their trees, except ``apart_from``; whether any existed."""
    children = [pid for pid in children_of(os.getpid()) if pid not in apart_from]
    for pid in children:
        kill_tree(pid)
    return bool(children)


def end_all_children() -> None:
    """End every descendant of this process, a subreaper, and wait until none is left."""
    while True:
        kill_children()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _listed_children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as listed:
                children += map(int, listed.read().split())
    except OSError:
        return children
    return children


def _searched_children(pid: int) -> list[int]:
    numbers = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [number for number in numbers if parent_of(number) == pid]


def _signal(pid: int, number: signal.Signals) -> None:
    # Listing and signalling are microseconds apart: no process id is reused in between.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
