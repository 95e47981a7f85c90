"""Runs stack operations in the background, from the first status to the last."""

from __future__ import annotations

import logging
import threading
import time as wall
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

from sageloop.local_cloud.cloudformation.cancellation import Cancellation
from sageloop.local_cloud.cloudformation.context import Context
from sageloop.local_cloud.cloudformation.deletion import failure_text, remove
from sageloop.local_cloud.cloudformation.deployment import Blueprint, Deployment
from sageloop.local_cloud.cloudformation.errors import ResourceFailed, invalid
from sageloop.local_cloud.cloudformation.exports import check_exports
from sageloop.local_cloud.cloudformation.resource_operations import ResourceOperations
from sageloop.local_cloud.cloudformation.rollback import Rollback, creation_policy
from sageloop.local_cloud.cloudformation.state import Snapshot, Stack

log = logging.getLogger(__name__)

OnFailure = Literal["ROLLBACK", "DELETE", "DO_NOTHING"]
_BY_USER = "User Initiated"


class StackOrchestrator:
    """Starts stack operations; a ``start_*`` method sets the first status and returns."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._cancels: dict[str, Cancellation] = {}

    def start_create(
        self, stack: Stack, blueprint: Blueprint, *, on_failure: OnFailure = "ROLLBACK",
        keep_new: bool = True, token: str | None = None,
    ) -> None:  # fmt: skip
        """Create a stack's resources; see :class:`Rollback` for ``keep_new``."""
        self._open(stack, "CREATE_STACK", token, "CREATE_IN_PROGRESS")
        stack.desired = blueprint.desired
        cancel = self._cancel_of(stack)
        self._limit_time(stack, cancel)

        def body() -> None:
            problem = Deployment(blueprint, cancel).run()
            if problem is None:
                self._status(stack, "CREATE_COMPLETE")
            elif on_failure == "DO_NOTHING":
                self._status(stack, "CREATE_FAILED", problem.strip())
            elif on_failure == "DELETE":
                self._status(stack, "DELETE_IN_PROGRESS", f"{problem}Delete requested by user.")
                self._empty(
                    stack, completed="DELETE_COMPLETE", failed="DELETE_FAILED", keep=keep_new
                )
            else:
                self._roll_creation_back(stack, problem, keep_new=keep_new)

        self._spawn(stack, "CREATE", body, failed="CREATE_FAILED")

    def start_update(
        self, stack: Stack, blueprint: Blueprint, *, disable_rollback: bool = False,
        keep_new: bool = True, token: str | None = None,
    ) -> None:  # fmt: skip
        """Update a stack to a new desired state."""
        if stack.snapshot is None:  # the last update failed and was not rolled back
            stack.snapshot = stack.take_snapshot()
        snapshot = stack.snapshot
        self._open(stack, "UPDATE_STACK", token, "UPDATE_IN_PROGRESS")
        stack.desired = blueprint.desired
        cancel = self._cancel_of(stack)

        def body() -> None:
            problem = Deployment(blueprint, cancel).run()
            if problem is None:
                self._finish_update(stack, blueprint)
            elif disable_rollback:
                self._status(stack, "UPDATE_FAILED", problem.strip())
            else:
                self._roll_update_back(stack, snapshot, problem.strip(), keep_new=keep_new)

        self._spawn(stack, "UPDATE", body, failed="UPDATE_FAILED")

    def start_delete(
        self, stack: Stack, *, retain: Collection[str] = (), force: bool = False,
        token: str | None = None,
    ) -> None:  # fmt: skip
        """Delete a stack: every resource, each after its dependents."""
        self._open(stack, "DELETE_STACK", token, "DELETE_IN_PROGRESS")

        def body() -> None:
            try:
                check_exports(self._context.store, stack, (), deleting=True)
            except ResourceFailed as problem:
                self._status(stack, "DELETE_FAILED", problem.reason)
                return
            self._empty(
                stack,
                completed="DELETE_COMPLETE",
                failed="DELETE_FAILED",
                retain=retain,
                force=force,
            )

        self._spawn(stack, "DELETE", body, failed="DELETE_FAILED")

    def start_rollback(
        self, stack: Stack, *, skip: Collection[str] = (), keep_new: bool = True,
        token: str | None = None,
    ) -> None:  # fmt: skip
        """Roll back a failed create or update whose resources were preserved.

        Raises:
            AwsError: The stack has no state to return to.

        """
        snapshot = stack.snapshot
        if stack.status == "CREATE_FAILED":
            self._begin(stack, "ROLLBACK", token)
            self._status(stack, "ROLLBACK_IN_PROGRESS", _BY_USER)
            self._spawn(
                stack, "ROLLBACK", lambda: self._clear_creation(stack, keep_new=keep_new),
                failed="ROLLBACK_FAILED",
            )  # fmt: skip
        elif snapshot is not None:
            kind = "CONTINUE_ROLLBACK" if "ROLLBACK" in stack.status else "ROLLBACK"
            self._begin(stack, kind, token)
            self._status(stack, "UPDATE_ROLLBACK_IN_PROGRESS", _BY_USER)
            self._spawn(
                stack, "ROLLBACK",
                lambda: self._restore(stack, snapshot, skip=skip, keep_new=keep_new),
                failed="UPDATE_ROLLBACK_FAILED",
            )  # fmt: skip
        else:
            raise invalid(
                f"Stack:{stack.stack_id} is in {stack.status} state and cannot be rolled back."
            )

    def cancel(self, stack: Stack, reason: str) -> None:
        """Cancel the running update, which rolls back with ``reason``."""
        with self._lock:
            cancel = self._cancels.get(stack.stack_id)
        if cancel:
            cancel(reason)

    def _finish_update(self, stack: Stack, blueprint: Blueprint) -> None:
        self._status(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        for logical_id, record in list(stack.records.items()):
            if logical_id not in blueprint.resources:
                with stack.lock:
                    stack.drop(record)
                    stack.supersede(record, policy=record.deletion_policy)
        self._clean_up(stack)
        stack.snapshot = None
        self._status(stack, "UPDATE_COMPLETE")

    def _roll_update_back(
        self, stack: Stack, snapshot: Snapshot, problem: str, *, keep_new: bool
    ) -> None:
        self._status(stack, "UPDATE_ROLLBACK_IN_PROGRESS", problem)
        self._restore(stack, snapshot, keep_new=keep_new)

    def _restore(
        self, stack: Stack, snapshot: Snapshot, *, skip: Collection[str] = (), keep_new: bool
    ) -> None:
        problem = Rollback(self._context, stack, snapshot).run(skip=skip, keep_new=keep_new)
        if problem is not None:
            self._status(stack, "UPDATE_ROLLBACK_FAILED", problem.strip())
            return
        self._status(stack, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._clean_up(stack)
        stack.snapshot = None
        self._status(stack, "UPDATE_ROLLBACK_COMPLETE")

    def _clean_up(self, stack: Stack) -> None:
        # A superseded resource that cannot be deleted does not fail the stack, as on AWS.
        remove(self._work(stack), stack, list(stack.leftovers))
        with stack.lock:
            stack.leftovers.clear()
            for logical_id in stack.statuses.keys() - stack.records.keys():
                del stack.statuses[logical_id]

    def _roll_creation_back(self, stack: Stack, problem: str, *, keep_new: bool) -> None:
        self._status(
            stack, "ROLLBACK_IN_PROGRESS", f"{problem.strip()} Rollback requested by user."
        )
        self._clear_creation(stack, keep_new=keep_new)

    def _clear_creation(self, stack: Stack, *, keep_new: bool) -> None:
        self._empty(stack, completed="ROLLBACK_COMPLETE", failed="ROLLBACK_FAILED", keep=keep_new)

    def _empty(
        self, stack: Stack, *, completed: str, failed: str, retain: Collection[str] = (),
        force: bool = False, keep: bool | None = None,
    ) -> None:  # fmt: skip
        if keep is not None:  # the creation itself is rolled back
            for record in list(stack.records.values()):
                policy = creation_policy(record, keep_new=keep)
                stack.keep(replace(record, deletion_policy=policy))
        everything = [*stack.records.values(), *stack.leftovers]
        left = remove(self._work(stack), stack, everything, retain=retain)
        if left and not force:
            self._status(stack, failed, failure_text(left, "delete"))
            return
        with stack.lock:
            stack.outputs, stack.imports, stack.snapshot = (), frozenset(), None
        self._status(stack, completed)

    def _work(self, stack: Stack) -> ResourceOperations:
        return ResourceOperations(
            self._context, stack, tags=stack.desired.tags, cancel=Cancellation()
        )

    def _open(self, stack: Stack, operation: str, token: str | None, status: str) -> None:
        self._begin(stack, operation, token)
        self._status(stack, status, _BY_USER)

    def _begin(self, stack: Stack, operation: str, token: str | None) -> None:
        if stack.status.endswith("_IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
            raise invalid(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
            )
        stack.begin(operation, token)

    def _status(self, stack: Stack, status: str, reason: str | None = None) -> None:
        stack.set_status(status, self._context.now(), reason)

    def _cancel_of(self, stack: Stack) -> Cancellation:
        cancel = Cancellation()
        with self._lock:
            self._cancels[stack.stack_id] = cancel
        return cancel

    def _limit_time(self, stack: Stack, cancel: Cancellation) -> None:
        if stack.timeout_minutes is None:
            return

        def expire() -> None:
            if stack.status == "CREATE_IN_PROGRESS":
                cancel("Stack creation time exceeded the specified timeout.")

        self._context.cloud.clock.call_later(
            stack.timeout_minutes * 60, expire, label=f"time-out of stack {stack.name}"
        )

    def _spawn(
        self, stack: Stack, operation: str, body: Callable[[], None], *, failed: str
    ) -> None:
        started = wall.perf_counter()
        ended = threading.Event()

        def run() -> None:
            try:
                body()
            except Exception as error:
                log.exception("%s of stack %s failed unexpectedly", operation, stack.name)
                self._status(
                    stack,
                    failed,
                    f"Internal error of the local cloud: {type(error).__name__}: {error}",
                )
            finally:
                with self._lock:
                    self._cancels.pop(stack.stack_id, None)
                self._context.durations.append(
                    (stack.name, operation, wall.perf_counter() - started)
                )
                ended.set()

        cloud = self._context.cloud
        cloud.activity.spawn(f"cloudformation {operation} {stack.name}", run)
        # The CDK CLI polls every five seconds; a response after a short operation saves it one
        # poll.
        ended.wait(cloud.config.operation_wait)
