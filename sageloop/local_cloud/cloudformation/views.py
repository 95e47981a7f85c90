"""Stacks, resources and events in the API's response formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.parameters import Parameter
from sageloop.local_cloud.cloudformation.state import (
    STACK_TYPE,
    Event,
    Output,
    Record,
    ResourceStatus,
    Stack,
)


def stack_view(stack: Stack) -> dict[str, Any]:
    """A stack as DescribeStacks returns it."""
    with stack.lock:
        return {
            "StackId": stack.stack_id,
            "StackName": stack.name,
            "ChangeSetId": stack.last_change_set,
            "Description": stack.desired.template.description,
            "Parameters": parameters_view(stack.desired.parameters),
            "CreationTime": stack.created,
            "LastUpdatedTime": stack.updated,
            "DeletionTime": stack.deleted,
            "RollbackConfiguration": {},
            "StackStatus": stack.status,
            "StackStatusReason": stack.reason,
            "DisableRollback": stack.disable_rollback,
            "NotificationARNs": [],
            "TimeoutInMinutes": stack.timeout_minutes,
            "Capabilities": list(stack.desired.capabilities),
            "Outputs": [output_view(output) for output in stack.outputs],
            "RoleARN": stack.role_arn,
            "Tags": tags_view(stack.desired.tags),
            "EnableTerminationProtection": stack.termination_protection,
            "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
            "LastOperations": _last_operations(stack),
        }


def summary_view(stack: Stack) -> dict[str, Any]:
    """A stack as ListStacks returns it."""
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "TemplateDescription": stack.desired.template.description,
        "CreationTime": stack.created,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def output_view(output: Output) -> dict[str, Any]:
    """An output."""
    return {
        "OutputKey": output.key,
        "OutputValue": output.value,
        "Description": output.description,
        "ExportName": output.export,
    }


def parameters_view(parameters: Mapping[str, Parameter]) -> list[dict[str, Any]]:
    """Parameters; values with NoEcho are masked."""
    return [parameter.described() for parameter in parameters.values()]


def tags_view(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as a list."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def resource_view(stack: Stack, line: ResourceStatus) -> dict[str, Any]:
    """A resource as DescribeStackResources returns it."""
    return {
        "StackName": stack.name,
        "StackId": stack.stack_id,
        **resource_summary(line),
        "Timestamp": line.updated,
    }


def resource_summary(line: ResourceStatus) -> dict[str, Any]:
    """A resource as ListStackResources returns it."""
    return {
        "LogicalResourceId": line.logical_id,
        "PhysicalResourceId": line.physical_id or None,
        "ResourceType": line.type_name,
        "LastUpdatedTimestamp": line.updated,
        "ResourceStatus": line.status,
        "ResourceStatusReason": line.reason,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def metadata_of(record: Record | None) -> Mapping[str, Any]:
    """A resource's resolved metadata."""
    return record.metadata if record else {}


def event_view(stack: Stack, event: Event) -> dict[str, Any]:
    """An event as DescribeStackEvents returns it."""
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "EventId": event.event_id,
        "OperationId": event.operation_id,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id or None,
        "ResourceType": event.type_name,
        "Timestamp": event.timestamp,
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason,
        "ResourceProperties": event.properties,
        "ClientRequestToken": event.token,
    }


def operation_event_view(stack: Stack, event: Event) -> dict[str, Any]:
    """An event as DescribeEvents returns it."""
    shown = event_view(stack, event)
    del shown["StackName"]
    failed = event.status.endswith("_FAILED")
    kind = "STACK_EVENT" if event.type_name == STACK_TYPE else "PROGRESS_EVENT"
    return {**shown, "EventType": "PROVISIONING_ERROR" if failed else kind}


def _last_operations(stack: Stack) -> list[dict[str, str]]:
    if not stack.operation:
        return []
    return [{"OperationType": stack.operation, "OperationId": stack.operation_id}]
