"""Visits a dependency graph in parallel: a node starts when its last dependency is completed."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

_THREADS = 24


@dataclass(frozen=True, slots=True)
class WalkResult:
    """Result of a walk: nodes completed, nodes that failed, nodes never started."""

    completed: frozenset[str]
    failed: tuple[str, ...]
    untouched: frozenset[str]


def walk(
    graph: Mapping[str, frozenset[str]],
    visit: Callable[[str], bool],
    *,
    label: str,
    on_first_failure: Callable[[], None] | None = None,
) -> WalkResult:
    """Visit every node after its dependencies, as many at once as the graph allows.

    ``visit`` returns whether it succeeded and does not raise. A node with a failed dependency is
    never visited. With ``on_first_failure`` no new node starts after a failure, and the callback
    cancels running ones; without it, unrelated nodes continue.
    """
    waiting = {node: set(needs & graph.keys()) for node, needs in graph.items()}
    ended: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
    completed: set[str] = set()
    failed: list[str] = []
    running = 0

    def body(node: str) -> None:
        good = False
        try:
            good = visit(node)
        finally:
            ended.put((node, good))

    with ThreadPoolExecutor(_THREADS, thread_name_prefix=label) as pool:
        while True:
            if not (failed and on_first_failure):
                for node in [n for n, needs in waiting.items() if not needs]:
                    del waiting[node]
                    running += 1
                    pool.submit(body, node)
            if not running:
                return WalkResult(frozenset(completed), tuple(failed), frozenset(waiting))
            node, good = ended.get()
            running -= 1
            if good:
                completed.add(node)
                for needs in waiting.values():
                    needs.discard(node)
                continue
            if not failed and on_first_failure:
                on_first_failure()
            failed.append(node)
