"""Operations that create, update and delete stacks."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.context import Context
from sageloop.local_cloud.cloudformation.errors import ResourceFailed, invalid, refused
from sageloop.local_cloud.cloudformation.planning import plan
from sageloop.local_cloud.cloudformation.stack_orchestrator import OnFailure, StackOrchestrator
from sageloop.local_cloud.cloudformation.stack_request import (
    refuse_unsupported_members,
    requested_blueprint,
)
from sageloop.local_cloud.cloudformation.state import Stack
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_ON_FAILURE: dict[str, OnFailure] = {
    "ROLLBACK": "ROLLBACK", "DELETE": "DELETE", "DO_NOTHING": "DO_NOTHING",
}  # fmt: skip


class StackApi:
    """The API of stacks, whose operations run in the background."""

    def __init__(self, context: Context, orchestrator: StackOrchestrator) -> None:
        self._context = context
        self._orchestrator = orchestrator

    @operation("CreateStack")
    def create_stack(self, call: Call) -> dict[str, Any]:
        """Create a stack in the background."""
        params = call.params
        refuse_unsupported_members(params)
        name = params["StackName"]
        _check_name(name)
        if self._context.store.find(name, call.region):
            raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
        stack = self._context.store.add(name, call.region, call.account_id, self._context.now())
        try:
            self._create(stack, call)
        except BaseException:  # after any error, no stack must remain
            self._context.store.forget(stack)
            raise
        return {"StackId": stack.stack_id}

    @operation("UpdateStack")
    def update_stack(self, call: Call) -> dict[str, Any]:
        """Update a stack in the background. Raises ``AwsError`` if nothing would change."""
        params = call.params
        refuse_unsupported_members(params)
        stack = self._get(call, "Stack [{}] does not exist")
        if not stack.status.endswith(("_COMPLETE", "UPDATE_FAILED", "CREATE_FAILED")) or (
            stack.status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE")
        ):
            raise invalid(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
            )
        blueprint = requested_blueprint(self._context, call, stack)
        try:
            if plan(blueprint).is_empty:
                raise invalid("No updates are to be performed.")
        except ResourceFailed as failure:
            raise invalid(failure.reason) from None
        self._configure(stack, call)
        self._orchestrator.start_update(
            stack, blueprint, disable_rollback=stack.disable_rollback,
            keep_new=params.get("RetainExceptOnCreate") is not True,
            token=params.get("ClientRequestToken"),
        )  # fmt: skip
        return {"StackId": stack.stack_id}

    @operation("DeleteStack")
    def delete_stack(self, call: Call) -> None:
        """Delete a stack in the background; no error if it does not exist."""
        stack = self._context.store.find(call.params["StackName"], call.region)
        if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
            return
        if stack.termination_protection:
            raise invalid(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        retain = call.params.get("RetainResources") or []
        if retain and stack.status != "DELETE_FAILED":
            raise invalid(
                "Invalid operation on stack. RetainResources can only be given for a stack in "
                f"DELETE_FAILED state, this one is in {stack.status}"
            )
        if stack.status == "REVIEW_IN_PROGRESS":
            stack.change_sets.clear()
            stack.set_status("DELETE_COMPLETE", self._context.now(), "User Initiated")
            return
        stack.role_arn = call.params.get("RoleARN") or stack.role_arn
        stack.principal = call.principal
        self._orchestrator.start_delete(
            stack, retain=retain, token=call.params.get("ClientRequestToken"),
            force=call.params.get("DeletionMode") == "FORCE_DELETE_STACK",
        )  # fmt: skip

    @operation("RollbackStack")
    def rollback_stack(self, call: Call) -> dict[str, Any]:
        """Roll back a failed create or update whose resources were preserved."""
        stack = self._get(call)
        if stack.status not in ("CREATE_FAILED", "UPDATE_FAILED"):
            raise invalid(f"Stack:{stack.stack_id} is in {stack.status} state and cannot be rolled back; it must be CREATE_FAILED or UPDATE_FAILED")  # fmt: skip # noqa: E501
        stack.role_arn = call.params.get("RoleARN") or stack.role_arn
        self._orchestrator.start_rollback(
            stack, keep_new=call.params.get("RetainExceptOnCreate") is not True,
            token=call.params.get("ClientRequestToken"),
        )  # fmt: skip
        return {"StackId": stack.stack_id, "OperationId": stack.operation_id}

    @operation("ContinueUpdateRollback")
    def continue_update_rollback(self, call: Call) -> None:
        """Retry a failed rollback, skipping the resources that the request names."""
        stack = self._get(call)
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise invalid(f"Stack:{stack.stack_id} is in {stack.status} state; only a stack in UPDATE_ROLLBACK_FAILED can continue its rollback")  # fmt: skip # noqa: E501
        stack.role_arn = call.params.get("RoleARN") or stack.role_arn
        self._orchestrator.start_rollback(
            stack, skip=call.params.get("ResourcesToSkip") or (),
            token=call.params.get("ClientRequestToken"),
        )  # fmt: skip

    @operation("CancelUpdateStack")
    def cancel_update_stack(self, call: Call) -> None:
        """Cancel a running update; it rolls back."""
        stack = self._get(call)
        if stack.status != "UPDATE_IN_PROGRESS":
            raise invalid(
                "CancelUpdateStack cannot be called from current stack status "
                f"({stack.status}); it must be UPDATE_IN_PROGRESS"
            )
        self._orchestrator.cancel(stack, "User Initiated")

    @operation("UpdateTerminationProtection")
    def update_termination_protection(self, call: Call) -> dict[str, Any]:
        """Enable or disable termination protection."""
        stack = self._get(call)
        stack.termination_protection = call.params["EnableTerminationProtection"] is True
        return {"StackId": stack.stack_id}

    @operation("SetStackPolicy")
    def set_stack_policy(self, call: Call) -> None:
        """Store a stack policy. A policy with a Deny is refused: it would not be enforced."""
        refuse_unsupported_members(call.params)
        stack = self._get(call)
        text = call.params.get("StackPolicyBody")
        try:
            statements = json.loads(text or "{}").get("Statement", [])
        except (ValueError, AttributeError):
            raise invalid("Error validating stack policy: Invalid stack policy") from None
        if any(statement.get("Effect") == "Deny" for statement in statements):
            raise refused("a stack policy that denies")
        stack.policy = text

    @operation("GetStackPolicy")
    def get_stack_policy(self, call: Call) -> dict[str, Any]:
        """The stored stack policy."""
        return {"StackPolicyBody": self._get(call).policy}

    def _create(self, stack: Stack, call: Call) -> None:
        params = call.params
        on_failure = _on_failure(params)
        self._configure(stack, call)
        blueprint = requested_blueprint(self._context, call, stack)
        try:
            plan(blueprint)
        except ResourceFailed as failure:
            # A missing import fails the creation itself, as on AWS.
            log.debug("stack %s will fail: %s", stack.name, failure.reason)
        stack.termination_protection = params.get("EnableTerminationProtection") is True
        self._orchestrator.start_create(
            stack, blueprint, token=params.get("ClientRequestToken"), on_failure=on_failure,
            keep_new=params.get("RetainExceptOnCreate") is not True,
        )  # fmt: skip

    def _get(self, call: Call, message: str = "Stack [{}] does not exist") -> Stack:
        return self._context.store.get(call.params["StackName"], call.region, message=message)

    def _configure(self, stack: Stack, call: Call) -> None:
        stack.role_arn = call.params.get("RoleARN") or stack.role_arn
        stack.principal = call.principal
        stack.disable_rollback = call.params.get("DisableRollback") is True
        stack.timeout_minutes = call.params.get("TimeoutInMinutes", stack.timeout_minutes)


def _on_failure(params: Mapping[str, Any]) -> OnFailure:
    requested, disabled = params.get("OnFailure"), params.get("DisableRollback") is True
    if requested is None:
        return "DO_NOTHING" if disabled else "ROLLBACK"
    if disabled:
        raise invalid("You can specify either DisableRollback or OnFailure, but not both.")
    if requested not in _ON_FAILURE:
        raise invalid(
            f"1 validation error detected: Value '{requested}' at 'onFailure' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(_ON_FAILURE)}]"
        )
    return _ON_FAILURE[requested]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*, "
            "at most 128 characters"
        )
