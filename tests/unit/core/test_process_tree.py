"""Process trees: descendants, and the end of all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise

import psutil
import pytest

from sageloop.local_cloud.core.supervision import tree

# Three generations, each in its own session; the last one prints that it runs.
NESTED = """
import os, signal, sys
def live(depth):
    os.setsid() if depth < 2 else None
    if depth and os.fork() == 0:
        live(depth - 1)
    os.write(1, f"{os.getpid()}\\n".encode())  # in one piece, beside those of the others
    signal.pause()
live(2)
"""
# Each process forks a child that continues in its place.
RUNAWAY = """
import os, sys
os.setsid()
print(os.getpid(), flush=True)
while True:
    if os.fork():
        os._exit(0)
"""


@pytest.fixture
def nested() -> Iterator[list[int]]:
    """Process ids of three generations, the eldest first."""
    with running_tree() as (root, pids):
        yield [root, *sorted(pids - {root})]


@contextmanager
def running_tree() -> Iterator[tuple[int, set[int]]]:
    """The id of the eldest process of :data:`NESTED`, and those of all three."""
    pids: set[int] = set()
    with subprocess.Popen([sys.executable, "-c", NESTED], stdout=subprocess.PIPE) as root:
        try:
            assert root.stdout is not None
            pids |= {int(root.stdout.readline()) for _ in range(3)}
            yield root.pid, pids
        finally:
            for pid in (root.pid, *pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)


def test_tree_is_killed_in_all_sessions(nested: list[int]) -> None:
    processes = [psutil.Process(pid) for pid in nested]

    tree.kill_tree(nested[0])

    gone, alive = psutil.wait_procs(processes, timeout=10)
    assert [p.pid for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    assert len(gone) + len(alive) == 3


def test_other_tree_is_not_killed(nested: list[int]) -> None:
    with running_tree() as (other, _):
        tree.kill_tree(other)

        assert [psutil.Process(pid).status() for pid in nested] == ["sleeping"] * 3


def test_children_are_listed_by_both_methods(nested: list[int]) -> None:
    for parent, child in pairwise(nested):
        assert tree.children_of(parent) == tree._searched_children(parent) == [child]
        assert tree.parent_of(child) == parent


def test_ended_process_has_no_parent_and_no_children() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()

    assert tree.children_of(ended.pid) == []
    assert tree.parent_of(ended.pid) is None
    tree.kill_tree(ended.pid)


def test_process_that_forks_continuously_is_killed() -> None:
    code = (
        "import subprocess, sys\nfrom sageloop.local_cloud.core.supervision import tree\n"
        "tree.become_subreaper()\n"
        f"with subprocess.Popen([sys.executable, '-c', {RUNAWAY!r}], stdout=-1) as away:\n"
        "    away.stdout.readline()\n    away.returncode = 0\n    tree.end_all_children()\n"
        "    print(tree.children_of(__import__('os').getpid()))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )

    assert ended.stdout == "[]\n", ended.stderr
