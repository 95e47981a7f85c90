"""Operations on change sets."""

from __future__ import annotations

import re
import uuid
from typing import Any

from sageloop.local_cloud.cloudformation.context import Context
from sageloop.local_cloud.cloudformation.errors import ResourceFailed, invalid
from sageloop.local_cloud.cloudformation.planning import plan
from sageloop.local_cloud.cloudformation.stack_orchestrator import OnFailure, StackOrchestrator
from sageloop.local_cloud.cloudformation.stack_request import (
    plain_parameters,
    refuse_unsupported_members,
    requested_blueprint,
    validated_blueprint,
)
from sageloop.local_cloud.cloudformation.state import ChangeSet, Stack, StackChangeSet
from sageloop.local_cloud.cloudformation.views import parameters_view, tags_view
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.service import Call, operation

_NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_UPDATABLE = (
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED",
    "CREATE_FAILED",
)  # fmt: skip


class ChangeSets:
    """The API of change sets, which are computed before the response is sent."""

    def __init__(self, context: Context, orchestrator: StackOrchestrator) -> None:
        self._context = context
        self._orchestrator = orchestrator

    @operation("CreateChangeSet")
    def create_change_set(self, call: Call) -> dict[str, Any]:
        """Compute a change set; a stack that does not exist is created in REVIEW_IN_PROGRESS."""
        refuse_unsupported_members(call.params)
        name, kind = call.params["ChangeSetName"], call.params.get("ChangeSetType", "UPDATE")
        if not _NAME.fullmatch(name):
            raise invalid(
                f"1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy "
                "constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
            )
        stack, is_new = self._stack_for(call, kind)
        role_before = stack.role_arn
        try:
            # The expressions are evaluated as they will be in the deployment: by the role of the
            # request, which is the stack's only once the change set is executed.
            stack.principal = call.principal
            stack.role_arn = call.params.get("RoleARN") or role_before
            change_set = self._computed(call, stack, name, kind)
        except BaseException:  # after any error, a stack without a change set must not remain
            if is_new:
                self._context.store.forget(stack)
            raise
        finally:
            stack.role_arn = role_before
        stack.change_sets[name] = change_set
        return {"Id": change_set.change_set_id, "StackId": stack.stack_id}

    @operation("DescribeChangeSet")
    def describe_change_set(self, call: Call) -> dict[str, Any]:
        """A change set with its changes, and with property values on request."""
        stack, change_set = self._find(call)
        with_values = call.params.get("IncludePropertyValues") is True
        return {
            **_summary(stack, change_set),
            "Parameters": parameters_view(change_set.desired.parameters),
            "Tags": tags_view(change_set.desired.tags),
            "Capabilities": list(change_set.desired.capabilities),
            "NotificationARNs": [],
            "RollbackConfiguration": {},
            "OnStackFailure": change_set.on_failure,
            "Changes": change_set.changes
            if with_values
            else [_bare(c) for c in change_set.changes],
        }

    @operation("ExecuteChangeSet")
    def execute_change_set(self, call: Call) -> None:
        """Execute a change set in the background."""
        stack, change_set = self._find(call)
        if change_set.status != "CREATE_COMPLETE" or change_set.execution_status != "AVAILABLE":
            raise AwsError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current "
                f"status of [{change_set.status}, {change_set.execution_status}]",
            )
        plain = plain_parameters(self._context, call, stack, change_set.role_arn)
        blueprint = validated_blueprint(self._context, stack, change_set.desired, plain)
        no_rollback = call.params.get("DisableRollback") is True
        keep_new = call.params.get("RetainExceptOnCreate") is not True
        token = call.params.get("ClientRequestToken")
        self._adopt(stack, change_set, call, no_rollback=no_rollback)
        if change_set.kind == "CREATE":
            on_failure: OnFailure = (
                "DO_NOTHING" if no_rollback else _on_failure(change_set.on_failure)
            )
            self._orchestrator.start_create(
                stack, blueprint, on_failure=on_failure, keep_new=keep_new, token=token
            )
        else:
            self._orchestrator.start_update(
                stack, blueprint, disable_rollback=no_rollback, keep_new=keep_new, token=token
            )

    @operation("DeleteChangeSet")
    def delete_change_set(self, call: Call) -> None:
        """Delete a change set; no error if it does not exist."""
        requested, stack_name = call.params["ChangeSetName"], call.params.get("StackName")
        stack = self._context.store.holder(requested, stack_name, call.region)
        if stack is None:
            raise invalid(f"Stack [{stack_name}] does not exist")
        for name, change_set in list(stack.change_sets.items()):
            if requested in (name, change_set.change_set_id):
                del stack.change_sets[name]

    @operation("ListChangeSets")
    def list_change_sets(self, call: Call) -> dict[str, Any]:
        """The change sets of a stack that are not executed."""
        stack = self._context.store.get(call.params["StackName"], call.region)
        return {"Summaries": [_summary(stack, c) for c in stack.change_sets.values()]}

    def _computed(self, call: Call, stack: Stack, name: str, kind: str) -> ChangeSet:
        blueprint = requested_blueprint(self._context, call, stack)
        change_set = ChangeSet(
            change_set_id=regional_arn(
                "cloudformation", stack.region, stack.account_id, f"changeSet/{name}/{uuid.uuid4()}"
            ),
            name=name, kind=kind, desired=blueprint.desired, role_arn=call.params.get("RoleARN"),
            created=self._context.now(), description=call.params.get("Description"),
            on_failure=call.params.get("OnStackFailure", "ROLLBACK"),
        )  # fmt: skip
        try:
            planned = plan(blueprint)
        except ResourceFailed as failure:
            _fail(change_set, failure.reason)
            return change_set
        change_set.changes = planned.changes
        if planned.is_empty and kind != "CREATE":  # a new stack may have no active resource
            _fail(change_set, _NO_CHANGES)
        return change_set

    def _stack_for(self, call: Call, kind: str) -> tuple[Stack, bool]:
        name = call.params["StackName"]
        stack = self._context.store.find(name, call.region)
        if stack is None:
            if kind != "CREATE":
                raise invalid(f"Stack [{name}] does not exist")
            stack = self._context.store.add(name, call.region, call.account_id, self._context.now())
            stack.begin("CREATE_CHANGESET", call.params.get("ClientToken"))
            stack.set_status("REVIEW_IN_PROGRESS", stack.created, "User Initiated")
            return stack, True
        if kind == "CREATE" and stack.status != "REVIEW_IN_PROGRESS":
            raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists and cannot be created again with the changeSet [{call.params['ChangeSetName']}].")  # fmt: skip # noqa: E501
        if kind == "UPDATE" and stack.status not in _UPDATABLE:
            raise invalid(
                f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
            )
        if call.params["ChangeSetName"] in stack.change_sets:
            raise AwsError(
                "AlreadyExistsException",
                f"ChangeSet {call.params['ChangeSetName']} cannot be created due to a mismatch "
                "with existing attribute Template",
            )
        return stack, False

    def _adopt(self, stack: Stack, change_set: ChangeSet, call: Call, *, no_rollback: bool) -> None:
        stack.role_arn = change_set.role_arn if change_set.role_arn else stack.role_arn
        stack.principal = call.principal
        stack.disable_rollback = no_rollback
        stack.last_change_set = change_set.change_set_id
        stack.updated = self._context.now()  # AWS shows a time even after the first change set
        stack.change_sets.clear()  # the other change sets were computed for the previous state

    def _find(self, call: Call) -> StackChangeSet:
        params = call.params
        return self._context.store.change_set(
            params["ChangeSetName"], params.get("StackName"), call.region
        )


def _fail(change_set: ChangeSet, reason: str) -> None:
    change_set.status, change_set.reason = "FAILED", reason
    change_set.execution_status = "UNAVAILABLE"


def _on_failure(value: str) -> OnFailure:
    if value == "DELETE":
        return "DELETE"
    return "DO_NOTHING" if value == "DO_NOTHING" else "ROLLBACK"


def _summary(stack: Stack, change_set: ChangeSet) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "ChangeSetId": change_set.change_set_id,
        "ChangeSetName": change_set.name,
        "Description": change_set.description,
        "CreationTime": change_set.created,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "ExecutionStatus": change_set.execution_status,
        "IncludeNestedStacks": False,
        "ImportExistingResources": False,
    }


def _bare(change: dict[str, Any]) -> dict[str, Any]:
    inner = change["ResourceChange"]
    kept = {k: v for k, v in inner.items() if k not in ("BeforeContext", "AfterContext")}
    dropped = ("BeforeValue", "AfterValue", "Path", "AttributeChangeType")
    kept["Details"] = [
        {**d, "Target": {k: v for k, v in d["Target"].items() if k not in dropped}}
        for d in inner["Details"]
    ]
    return {**change, "ResourceChange": kept}
