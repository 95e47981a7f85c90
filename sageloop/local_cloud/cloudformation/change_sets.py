"""The API of change sets."""

from __future__ import annotations

import re
import uuid
from typing import Any

from sageloop.local_cloud.cloudformation.asking import (
    checked_blueprint,
    desired_of,
    refuse_unsupported_members,
    template_asked,
)
from sageloop.local_cloud.cloudformation.conductor import Conductor, OnFailure
from sageloop.local_cloud.cloudformation.context import Context
from sageloop.local_cloud.cloudformation.errors import ResourceFailed, invalid
from sageloop.local_cloud.cloudformation.planning import plan
from sageloop.local_cloud.cloudformation.state import ChangeSet, Stack
from sageloop.local_cloud.cloudformation.views import parameters_view, tags_view
from sageloop.local_cloud.core.errors import AwsError
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
    """Operations on change sets; they are computed at once, so never seen in progress."""

    def __init__(self, context: Context, conductor: Conductor) -> None:
        self._context = context
        self._conductor = conductor

    @operation("CreateChangeSet")
    def create_change_set(self, call: Call) -> dict[str, Any]:
        """Compute a change set; a stack that is not there yet comes in review."""
        refuse_unsupported_members(call.params)
        name, kind = call.params["ChangeSetName"], call.params.get("ChangeSetType", "UPDATE")
        if not _NAME.fullmatch(name):
            raise invalid(
                f"1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy "
                "constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
            )
        stack, is_new = self._stack_for(call, kind)
        try:
            change_set = self._computed(call, stack, name, kind)
        except BaseException:  # whatever it is, no stack is there that was not created
            if is_new:
                self._context.store.forget(stack)
            raise
        stack.change_sets[name] = change_set
        return {"Id": change_set.change_set_id, "StackId": stack.stack_id}

    @operation("DescribeChangeSet")
    def describe_change_set(self, call: Call) -> dict[str, Any]:
        """A change set with its changes; values only if asked for."""
        stack, found = self._find(call)
        with_values = call.params.get("IncludePropertyValues") is True
        return {
            **_summary(stack, found),
            "Parameters": parameters_view(found.desired.parameters),
            "Tags": tags_view(found.desired.tags),
            "Capabilities": list(found.desired.capabilities),
            "NotificationARNs": [],
            "RollbackConfiguration": {},
            "OnStackFailure": found.on_failure,
            "Changes": found.changes if with_values else [_bare(c) for c in found.changes],
        }

    @operation("ExecuteChangeSet")
    def execute_change_set(self, call: Call) -> None:
        """Carry a change set out in the background."""
        stack, found = self._find(call)
        if found.status != "CREATE_COMPLETE" or found.execution_status != "AVAILABLE":
            raise AwsError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{found.change_set_id}] cannot be executed in its current status of "
                f"[{found.status}, {found.execution_status}]",
            )
        blueprint = checked_blueprint(self._context, stack, found.desired)
        no_rollback = call.params.get("DisableRollback") is True
        keep_new = call.params.get("RetainExceptOnCreate") is not True
        token = call.params.get("ClientRequestToken")
        self._adopt(stack, found, call, no_rollback=no_rollback)
        if found.kind == "CREATE":
            on_failure: OnFailure = "DO_NOTHING" if no_rollback else _on_failure(found.on_failure)
            self._conductor.start_create(
                stack, blueprint, on_failure=on_failure, keep_new=keep_new, token=token
            )
        else:
            self._conductor.start_update(
                stack, blueprint, disable_rollback=no_rollback, keep_new=keep_new, token=token
            )

    @operation("DeleteChangeSet")
    def delete_change_set(self, call: Call) -> None:
        """Delete a change set; one that is not there is no error."""
        stack = self._stack_of(call)
        if stack is None:
            raise invalid(f"Stack [{call.params.get('StackName')}] does not exist")
        wanted = call.params["ChangeSetName"]
        for name, found in list(stack.change_sets.items()):
            if wanted in (name, found.change_set_id):
                del stack.change_sets[name]

    @operation("ListChangeSets")
    def list_change_sets(self, call: Call) -> dict[str, Any]:
        """The change sets of a stack that were not executed."""
        stack = self._context.store.get(call.params["StackName"], call.region)
        return {"Summaries": [_summary(stack, c) for c in stack.change_sets.values()]}

    def _computed(self, call: Call, stack: Stack, name: str, kind: str) -> ChangeSet:
        template = template_asked(self._context, call, stack)
        desired = desired_of(self._context, call, stack, template)
        blueprint = checked_blueprint(self._context, stack, desired)
        change_set = ChangeSet(
            change_set_id=f"arn:aws:cloudformation:{stack.region}:{stack.account_id}:changeSet/"
            f"{name}/{uuid.uuid4()}",
            name=name, kind=kind, desired=desired, role_arn=call.params.get("RoleARN"),
            created=self._context.now(), description=call.params.get("Description"),
            on_failure=call.params.get("OnStackFailure", "ROLLBACK"),
        )  # fmt: skip
        try:
            planned = plan(blueprint)
        except ResourceFailed as failure:
            _fail(change_set, failure.reason)
            return change_set
        change_set.changes = planned.changes
        if planned.is_empty:
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

    def _adopt(self, stack: Stack, found: ChangeSet, call: Call, *, no_rollback: bool) -> None:
        stack.role_arn = found.role_arn if found.role_arn else stack.role_arn
        stack.principal = call.principal
        stack.disable_rollback = no_rollback
        stack.last_change_set = found.change_set_id
        stack.change_sets.clear()  # the others were computed against what is no longer so

    def _stack_of(self, call: Call) -> Stack | None:
        named = call.params.get("StackName")
        if named:
            return self._context.store.find(named, call.region)
        wanted = call.params["ChangeSetName"]
        having = self._context.store.all(
            call.region, lambda s: any(c.change_set_id == wanted for c in s.change_sets.values())
        )
        return having[0] if having else None

    def _find(self, call: Call) -> tuple[Stack, ChangeSet]:
        wanted = call.params["ChangeSetName"]
        stack = self._stack_of(call)
        for found in stack.change_sets.values() if stack else ():
            if stack and wanted in (found.name, found.change_set_id):
                return stack, found
        raise AwsError("ChangeSetNotFound", f"ChangeSet [{wanted}] does not exist", 404)


def _fail(change_set: ChangeSet, reason: str) -> None:
    change_set.status, change_set.reason = "FAILED", reason
    change_set.execution_status = "UNAVAILABLE"


def _on_failure(given: str) -> OnFailure:
    if given == "DELETE":
        return "DELETE"
    return "DO_NOTHING" if given == "DO_NOTHING" else "ROLLBACK"


def _summary(stack: Stack, found: ChangeSet) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "ChangeSetId": found.change_set_id,
        "ChangeSetName": found.name,
        "Description": found.description,
        "CreationTime": found.created,
        "Status": found.status,
        "StatusReason": found.reason,
        "ExecutionStatus": found.execution_status,
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
