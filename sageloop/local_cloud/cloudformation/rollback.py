"""The way back: return a stack to its last good state."""

from __future__ import annotations

from collections.abc import Collection

from sageloop.local_cloud.cloudformation.cancelling import Cancel
from sageloop.local_cloud.cloudformation.context import Context
from sageloop.local_cloud.cloudformation.custom_resources import is_custom
from sageloop.local_cloud.cloudformation.differences import compare
from sageloop.local_cloud.cloudformation.removal import failure_text
from sageloop.local_cloud.cloudformation.state import Record, Snapshot, Stack
from sageloop.local_cloud.cloudformation.walk import walk
from sageloop.local_cloud.cloudformation.work import ResourceWork


class Rollback:
    """Restores every resource of a snapshot; what is new is left to the clean-up.

    An updated resource is updated back; of a replaced one the old is still there and is
    taken back; a custom resource gets an Update with its former properties either way.
    """

    def __init__(self, context: Context, stack: Stack, snapshot: Snapshot) -> None:
        self._context = context
        self._stack = stack
        self._snapshot = snapshot
        self._work = ResourceWork(context, stack, tags=snapshot.desired.tags, cancel=Cancel())

    def run(self, *, skip: Collection[str] = (), keep_new: bool = True) -> str | None:
        """Go back; the reason if that failed.

        Args:
            skip: logical ids to leave as they are (ContinueUpdateRollback).
            keep_new: whether ``RetainExceptOnCreate`` of the call is off, so that a new
                resource's own deletion policy holds.

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
                self._give_up(record, keep_new=keep_new)
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
        if compare(now.properties, before.properties, None):
            return True
        schema = self._context.schema_of(now.type_name)
        return schema is not None and "Tags" in schema.properties and now.tags != before.tags

    def _note_restored(self, record: Record) -> None:
        for status in ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"):
            self._stack.note(
                record.logical_id, record.physical_id, record.type_name, status,
                self._context.now(),
            )  # fmt: skip

    def _give_up(self, record: Record, *, keep_new: bool) -> None:
        policy = creation_policy(record, keep_new=keep_new)
        with self._stack.lock:
            self._stack.drop(record)
            self._stack.supersede(record, policy=policy)


def creation_policy(record: Record, *, keep_new: bool) -> str:
    """The deletion policy that holds when the creation itself is rolled back."""
    if record.failed == "create" or record.deletion_policy == "RetainExceptOnCreate":
        return "Delete"
    return record.deletion_policy if keep_new else "Delete"
