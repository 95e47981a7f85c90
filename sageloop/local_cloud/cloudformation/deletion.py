"""Deletes resources, each after its dependents."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sageloop.local_cloud.cloudformation.graph import reversed_graph
from sageloop.local_cloud.cloudformation.graph_walk import walk
from sageloop.local_cloud.cloudformation.resource_operations import ResourceOperations
from sageloop.local_cloud.cloudformation.state import Record, Stack


def remove(
    work: ResourceOperations,
    stack: Stack,
    records: Iterable[Record],
    *,
    retain: Collection[str] = (),
) -> list[str]:
    """Delete physical resources in reverse dependency order, in parallel.

    Dependencies of a resource that cannot be deleted are kept. Several records may share a logical
    id (a replaced resource and its successor). Returns the logical ids that failed.
    """
    by_key = {f"{r.logical_id}|{r.physical_id}": r for r in records}
    keys_of: dict[str, set[str]] = {}
    for key, record in by_key.items():
        keys_of.setdefault(record.logical_id, set()).add(key)
    needs = {
        key: frozenset().union(*(keys_of.get(need, set()) for need in record.needs))
        for key, record in by_key.items()
    }

    def visit(key: str) -> bool:
        record = by_key[key]
        if record.logical_id in retain:
            stack.drop(record)
            return True
        current = stack.records.get(record.logical_id)
        return work.delete(record, listed=current is None or current is record)

    walked = walk(reversed_graph(needs), visit, label=f"remove-{stack.name}")
    return sorted({by_key[key].logical_id for key in walked.failed})


def failure_text(logical_ids: Iterable[str], verb: str) -> str:
    """The stack's reason: the resources that failed to ``verb`` (create, update, delete)."""
    return f"The following resource(s) failed to {verb}: [{', '.join(sorted(logical_ids))}]. "
