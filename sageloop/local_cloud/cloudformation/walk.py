"""Visiting a graph in parallel: a node starts the moment its last prerequisite is done."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

_THREADS = 24


@dataclass(frozen=True, slots=True)
class Walked:
    """How a walk ended: nodes done, nodes that failed, nodes never started."""

    done: frozenset[str]
    failed: tuple[str, ...]
    untouched: frozenset[str]


def walk(
    graph: Mapping[str, frozenset[str]],
    visit: Callable[[str], bool],
    *,
    label: str,
    on_first_failure: Callable[[], None] | None = None,
) -> Walked:
    """Visit every node after those it needs, as many at once as the graph allows.

    ``visit`` says whether it went well and does not raise. A node whose prerequisite failed
    is never visited. With ``on_first_failure`` no new node starts once one has failed, and
    the callback tells those under way; without it, unrelated nodes go on.
    """
    waiting = {node: set(needs & graph.keys()) for node, needs in graph.items()}
    ended: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
    done: set[str] = set()
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
                return Walked(frozenset(done), tuple(failed), frozenset(waiting))
            node, good = ended.get()
            running -= 1
            if good:
                done.add(node)
                for needs in waiting.values():
                    needs.discard(node)
                continue
            if not failed and on_first_failure:
                on_first_failure()
            failed.append(node)
