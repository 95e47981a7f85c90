"""Rolls a stack back to its last good state."""

from __future__ import annotations

from collections.abc import Collection

from sageloop.local_cloud.cloudformation.cancellation import Cancellation
from sageloop.local_cloud.cloudformation.context import Context
from sageloop.local_cloud.cloudformation.custom_resources import is_custom
from sageloop.local_cloud.cloudformation.deletion import failure_text
from sageloop.local_cloud.cloudformation.differences import compare
from sageloop.local_cloud.cloudformation.graph_walk import walk
from sageloop.local_cloud.cloudformation.resource_operations import ResourceOperations
from sageloop.local_cloud.cloudformation.state import Record, Snapshot, Stack


class Rollback:
    """Restores every resource of a snapshot; the clean-up deletes the new ones.

    An updated resource is updated back. The original of a replaced resource still exists and
    becomes current again. A custom resource gets an Update with its former properties in both
    cases.
    """

    def __init__(self, context: Context, stack: Stack, snapshot: Snapshot) -> None:
        self._context = context
        self._stack = stack
        self._snapshot = snapshot
        self._work = ResourceOperations(
            context, stack, tags=snapshot.desired.tags, cancel=Cancellation()
        )

    def run(self, *, skip: Collection[str] = (), keep_new: bool = True) -> str | None:
        """Roll back; returns the reason of a failure.

        Args:
            skip: Logical ids to leave as they are (ContinueUpdateRollback).
            keep_new: Whether the request's ``RetainExceptOnCreate`` is off, so that a new
                resource's own deletion policy applies.

        """
        before = self._snapshot.records
        graph = {logical_id: record.needs for logical_id, record in before.items()}

        def visit(logical_id: str) -> bool:
            return logical_id in skip or self._restore(before[logical_id])

        walked = walk(graph, visit, label=f"rollback-{self._stack.name}")
        if walked.failed:
            return failure_text(walked.failed, "update")
        for logical_id, record in list(self._stack.records.items()):
            if logical_id not in before:
                self._discard(record, keep_new=keep_new)
        with self._stack.lock:
            self._stack.desired = self._snapshot.desired
            self._stack.outputs = self._snapshot.outputs
            self._stack.imports = self._snapshot.imports
        return None

    def _restore(self, before: Record) -> bool:
        now = self._stack.records.get(before.logical_id)
        if now is None:
            self._stack.keep(before)
            return True
        if now.physical_id == before.physical_id or is_custom(before.type_name):
            if self._is_touched(now, before):
                return self._work.update(now, before)
            self._stack.keep(before)
            return True
        self._stack.supersede(now, policy="Delete")
        self._stack.readopt(before.physical_id, before.type_name)
        self._stack.keep(before)
        self._note_restored(before)
        return True

    def _is_touched(self, now: Record, before: Record) -> bool:
        if now.failed or now.physical_id != before.physical_id:
            return True
        schema = self._context.schema_of(now.type_name)
        if compare(now.properties, before.properties, schema):
            return True
        return schema is not None and "Tags" in schema.properties and now.tags != before.tags

    def _note_restored(self, record: Record) -> None:
        for status in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"):
            self._stack.note(
                record.logical_id, record.physical_id, record.type_name, status,
                self._context.now(),
            )  # fmt: skip

    def _discard(self, record: Record, *, keep_new: bool) -> None:
        policy = creation_policy(record, keep_new=keep_new)
        with self._stack.lock:
            self._stack.drop(record)
            self._stack.supersede(record, policy=policy)


def creation_policy(record: Record, *, keep_new: bool) -> str:
    """The deletion policy that applies when the creation is rolled back."""
    if record.failed == "create" or record.deletion_policy == "RetainExceptOnCreate":
        return "Delete"
    return record.deletion_policy if keep_new else "Delete"
