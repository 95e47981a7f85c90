"""Read-only operations: stacks, resources, events, templates, exports."""

from __future__ import annotations

import json
from typing import Any

from sageloop.local_cloud.cloudformation.context import Context
from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.exports import exported, importers
from sageloop.local_cloud.cloudformation.parameters import MASK
from sageloop.local_cloud.cloudformation.scalars import is_true, scalar_text
from sageloop.local_cloud.cloudformation.stack_request import (
    needed_capabilities,
    requested_template,
)
from sageloop.local_cloud.cloudformation.state import Stack
from sageloop.local_cloud.cloudformation.template import Template
from sageloop.local_cloud.cloudformation.views import (
    event_view,
    metadata_of,
    operation_event_view,
    resource_summary,
    resource_view,
    stack_view,
    summary_view,
)
from sageloop.local_cloud.core.service import Call, operation

_PAGE = 100


class ReadApi:
    """Operations that do not change stacks."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @operation("DescribeStacks")
    def describe_stacks(self, call: Call) -> dict[str, Any]:
        """One stack by name or id, or every stack that is not deleted."""
        named = call.params.get("StackName")
        if named:
            return {"Stacks": [stack_view(self._context.store.get(named, call.region))]}
        live = self._context.store.all(call.region, lambda s: s.status != "DELETE_COMPLETE")
        return {"Stacks": [stack_view(stack) for stack in live]}

    @operation("ListStacks")
    def list_stacks(self, call: Call) -> dict[str, Any]:
        """Every stack, including deleted ones."""
        statuses = call.params.get("StackStatusFilter")
        stacks = self._context.store.all(
            call.region, lambda s: not statuses or s.status in statuses
        )
        return {"StackSummaries": [summary_view(stack) for stack in stacks]}

    @operation("DescribeStackResource")
    def describe_stack_resource(self, call: Call) -> dict[str, Any]:
        """One resource of a stack."""
        stack = self._stack(call)
        logical_id = call.params["LogicalResourceId"]
        line = stack.statuses.get(logical_id)
        if line is None:
            raise invalid(f"Resource {logical_id} does not exist for stack {stack.name}")
        metadata = metadata_of(stack.records.get(logical_id))
        return {
            "StackResourceDetail": {
                "StackName": stack.name,
                "StackId": stack.stack_id,
                **resource_summary(line),
                "Metadata": json.dumps(metadata),
            }
        }

    @operation("DescribeStackResources")
    def describe_stack_resources(self, call: Call) -> dict[str, Any]:
        """The resources of a stack, or of the stack with a physical id."""
        physical_id = call.params.get("PhysicalResourceId")
        if call.params.get("StackName"):
            stack = self._stack(call)
        else:
            stack = self._holder_of(str(physical_id), call.region)
        logical_id = call.params.get("LogicalResourceId")
        lines = [
            line
            for line in list(stack.statuses.values())
            if logical_id in (None, line.logical_id) and physical_id in (None, line.physical_id)
        ]
        return {"StackResources": [resource_view(stack, line) for line in lines]}

    @operation("ListStackResources")
    def list_stack_resources(self, call: Call) -> dict[str, Any]:
        """The resources of a stack, paginated."""
        lines = list(self._stack(call).statuses.values())
        page, token = _page(lines, call)
        return {
            "StackResourceSummaries": [resource_summary(line) for line in page],
            "NextToken": token,
        }

    @operation("DescribeStackEvents")
    def describe_stack_events(self, call: Call) -> dict[str, Any]:
        """A stack's events, newest first, paginated."""
        stack = self._stack(call, "Stack [{}] does not exist")
        page, token = _page(stack.events[::-1], call)
        return {"StackEvents": [event_view(stack, e) for e in page], "NextToken": token}

    @operation("DescribeEvents")
    def describe_events(self, call: Call) -> dict[str, Any]:
        """A stack's events by operation; change sets of the local cloud have none."""
        if call.params.get("ChangeSetName"):
            return {"OperationEvents": []}
        operation_id = call.params.get("OperationId")
        stack = self._stack_of_events(call, operation_id)
        if stack is None:
            return {"OperationEvents": []}
        failed_only = (call.params.get("Filters") or {}).get("FailedEvents") is True
        events = [
            event
            for event in stack.events[::-1]
            if operation_id in (None, event.operation_id)
            and (not failed_only or event.status.endswith("_FAILED"))
        ]
        page, token = _page(events, call)
        return {
            "OperationEvents": [operation_event_view(stack, e) for e in page],
            "NextToken": token,
        }

    @operation("ListHookResults")
    def list_hook_results(self, call: Call) -> dict[str, Any]:
        """Empty: the local cloud has no hooks."""
        return {"HookResults": []}

    @operation("GetTemplate")
    def get_template(self, call: Call) -> dict[str, Any]:
        """The template, byte for byte as it was submitted."""
        stack_name, change_set = call.params.get("StackName"), call.params.get("ChangeSetName")
        if change_set:
            if stack_name is not None:
                self._stack(call)
            _, requested = self._context.store.change_set(change_set, stack_name, call.region)
            template = requested.desired.template
        elif stack_name is None:
            raise invalid("StackName is required if ChangeSetName is not specified.")
        else:
            template = self._stack(call).desired.template
        return {"TemplateBody": template.text, "StagesAvailable": ["Original", "Processed"]}

    @operation("GetTemplateSummary")
    def get_template_summary(self, call: Call) -> dict[str, Any]:
        """The declarations of a template."""
        if call.params.get("StackName"):
            template = self._stack(call).desired.template
        else:
            template = requested_template(self._context, call)
        return {
            **_capabilities(template),
            "Description": template.description,
            "Parameters": _declarations(template),
            "ResourceTypes": sorted({r["Type"] for r in template.resources.values()}),
            "Version": template.body.get("AWSTemplateFormatVersion"),
            "Metadata": json.dumps(template.section("Metadata")),
            "ResourceIdentifierSummaries": self._identifiers(template),
        }

    @operation("ValidateTemplate")
    def validate_template(self, call: Call) -> dict[str, Any]:
        """Check a template's form."""
        template = requested_template(self._context, call)
        keys = ("ParameterKey", "DefaultValue", "NoEcho", "Description")
        return {
            **_capabilities(template),
            "Description": template.description,
            "Parameters": [{k: d[k] for k in keys if k in d} for d in _declarations(template)],
        }

    @operation("ListExports")
    def list_exports(self, call: Call) -> dict[str, Any]:
        """Every export of the region."""
        return {
            "Exports": [
                {"ExportingStackId": stack.stack_id, "Name": name, "Value": output.value}
                for name, (stack, output) in sorted(
                    exported(self._context.store, call.region).items()
                )
            ]
        }

    @operation("ListImports")
    def list_imports(self, call: Call) -> dict[str, Any]:
        """The stacks that import an export."""
        name = call.params["ExportName"]
        users = importers(self._context.store, call.region, name)
        if not users:
            raise invalid(f"Export '{name}' is not imported by any stack.")
        return {"Imports": users}

    def _stack(self, call: Call, message: str = "Stack with id {} does not exist") -> Stack:
        return self._context.store.get(call.params["StackName"], call.region, message=message)

    def _stack_of_events(self, call: Call, operation_id: str | None) -> Stack | None:
        """The stack of a request for events; None for an operation that no stack had."""
        if call.params.get("StackName"):
            return self._stack(call, "Stack [{}] does not exist")
        if operation_id is None:
            raise invalid("One of ChangeSetName, OperationId or StackName must be specified")
        stacks = self._context.store.all(
            call.region, lambda s: any(e.operation_id == operation_id for e in s.events)
        )
        return stacks[0] if stacks else None

    def _holder_of(self, physical_id: str, region: str) -> Stack:
        for stack in self._context.store.all(region, lambda s: s.status != "DELETE_COMPLETE"):
            if any(r.physical_id == physical_id for r in stack.records.values()):
                return stack
        raise invalid(f"Stack for {physical_id} does not exist")

    def _identifiers(self, template: Template) -> list[dict[str, Any]]:
        by_type: dict[str, list[str]] = {}
        for logical_id, resource in template.resources.items():
            by_type.setdefault(resource["Type"], []).append(logical_id)
        return [
            {
                "ResourceType": type_name,
                "LogicalResourceIds": logical_ids,
                "ResourceIdentifiers": list(schema.primary_identifier),
            }
            for type_name, logical_ids in by_type.items()
            if (schema := self._context.schema_of(type_name)) is not None
        ]


def _page(items: list[Any], call: Call) -> tuple[list[Any], str | None]:
    token = call.params.get("NextToken", "0")
    if not token.isdigit():
        raise invalid(f"Invalid NextToken: {token}")
    start = int(token)
    # Events are listed newest first while new ones arrive: the token counts from the oldest.
    first = len(items) - start if start else 0
    page = items[first : first + _PAGE]
    left = len(items) - first - len(page)
    return page, str(left) if left > 0 else None


def _declarations(template: Template) -> list[dict[str, Any]]:
    return [_declaration(*one) for one in template.section("Parameters").items()]


def _declaration(name: str, declared: dict[str, Any]) -> dict[str, Any]:
    no_echo = is_true(declared.get("NoEcho"))
    shown = {
        "ParameterKey": name,
        "ParameterType": declared["Type"],
        "NoEcho": no_echo,
        "Description": declared.get("Description"),
    }
    if "Default" in declared:
        # Whether AWS masks a default with NoEcho here is unverified; it masks the values.
        shown["DefaultValue"] = MASK if no_echo else scalar_text(declared["Default"])
    return shown


def _capabilities(template: Template) -> dict[str, Any]:
    needed = needed_capabilities(template.resources)
    if not needed:
        return {"Capabilities": []}
    types = sorted({r["Type"] for r in template.resources.values() if "::IAM::" in r["Type"]})
    reason = f"The following resource(s) require capabilities: [{', '.join(types)}]"
    return {"Capabilities": needed, "CapabilitiesReason": reason}
