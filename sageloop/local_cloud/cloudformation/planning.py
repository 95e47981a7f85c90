"""Computes the changes of a change set without deploying it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.cloudformation.context import Context, attribute_of
from sageloop.local_cloud.cloudformation.custom_resources import is_custom
from sageloop.local_cloud.cloudformation.deployment import Blueprint
from sageloop.local_cloud.cloudformation.differences import Difference, compare
from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.graph import in_order
from sageloop.local_cloud.cloudformation.intrinsics import (
    MAYBE,
    UNKNOWN,
    Unknown,
    unknown_inside,
)
from sageloop.local_cloud.cloudformation.scalars import text_of
from sageloop.local_cloud.cloudformation.state import Record, Stack


@dataclass(frozen=True, slots=True)
class Plan:
    """The resource changes, and whether the stack changes."""

    changes: list[dict[str, Any]]
    is_empty: bool


class _PlannedResources:
    """References for a change set: kept resources resolve, new and replaced ones are unknown."""

    def __init__(self, context: Context, stack: Stack) -> None:
        self._context = context
        self._stack = stack
        self.fresh: set[str] = set()
        self.unsure: set[str] = set()
        self.changed_custom: set[str] = set()

    def ref(self, logical_id: str) -> Any:
        """The physical id if the resource is kept."""
        if logical_id in self.fresh:
            return UNKNOWN
        if logical_id in self.unsure:
            return MAYBE
        return self._record(logical_id).physical_id

    def get_att(self, logical_id: str, attribute: str) -> Any:
        """The attribute if the resource is unchanged."""
        if logical_id in self.fresh:
            return UNKNOWN
        if logical_id in self.unsure | self.changed_custom:
            return MAYBE
        record = self._record(logical_id)
        stored = self._context.is_stored_only(record.type_name)
        return attribute_of(record, attribute, stored=stored)

    def _record(self, logical_id: str) -> Record:
        record = self._stack.records.get(logical_id)
        if record is None:
            raise invalid(f"Template error: unresolved reference to resource {logical_id}")
        return record


def plan(blueprint: Blueprint) -> Plan:
    """The changes that a deployment of the blueprint would make.

    Raises:
        AwsError: An expression cannot be resolved or a resource would change its type.
        ResourceFailed: An import does not exist.

    """
    context, stack = blueprint.context, blueprint.stack
    _refuse_new_types(blueprint)
    resources = _PlannedResources(context, stack)
    resolver = blueprint.resolver(resources)
    changes = []
    for logical_id in in_order(blueprint.graph):
        draft = blueprint.draft(logical_id, resolver)
        old = stack.records.get(logical_id)
        if old is None or old.failed == "create":
            resources.fresh.add(logical_id)
            changes.append(_addition(draft))
            continue
        difference = _difference(blueprint, old, draft)
        if difference or old.failed:
            _mark(resources, draft, difference)
            changes.append(_modification(old, draft, difference))
    changes += [
        _removal(record)
        for logical_id, record in stack.records.items()
        if logical_id not in blueprint.resources
    ]
    outputs = blueprint.outputs(resolver)
    same_outputs = not _outputs_differ(stack, outputs)
    same_tags = dict(stack.desired.tags) == dict(blueprint.desired.tags)
    return Plan(changes, not changes and same_outputs and same_tags)


def _refuse_new_types(blueprint: Blueprint) -> None:
    changed = [
        logical_id
        for logical_id, resource in blueprint.resources.items()
        if (old := blueprint.stack.records.get(logical_id)) is not None
        and old.type_name != resource["Type"]
    ]
    if changed:
        raise invalid(
            "Update of resource type is not permitted. The new template modifies resource type "
            f"of the following resources: [{', '.join(changed)}]"
        )


def _difference(blueprint: Blueprint, old: Record, draft: Record) -> Difference:
    schema = blueprint.context.schema_of(draft.type_name)
    properties = compare(old.properties, draft.properties, schema)
    if old.tags != draft.tags and blueprint.takes_tags(draft.type_name):
        properties.setdefault("Tags", "Never")
    members = {
        "Metadata": bool(compare(old.metadata, draft.metadata, None)),
        "DeletionPolicy": old.deletion_policy != draft.deletion_policy,
        "UpdateReplacePolicy": old.replace_policy != draft.replace_policy,
    }
    return Difference(properties, tuple(name for name, changed in members.items() if changed))


def _mark(resources: _PlannedResources, draft: Record, difference: Difference) -> None:
    if is_custom(draft.type_name):
        resources.changed_custom.add(draft.logical_id)
    elif difference.replacement == "True":
        resources.fresh.add(draft.logical_id)
    elif difference.replacement == "Conditional":
        resources.unsure.add(draft.logical_id)


def _addition(draft: Record) -> dict[str, Any]:
    return _change(
        {
            "Action": "Add",
            "LogicalResourceId": draft.logical_id,
            "ResourceType": draft.type_name,
            "Scope": [],
            "Details": [],
            "AfterContext": _context_of(draft),
        }
    )


def _removal(record: Record) -> dict[str, Any]:
    policy = {"RetainExceptOnCreate": "Retain"}.get(record.deletion_policy, record.deletion_policy)
    return _change(
        {
            "Action": "Remove",
            "PolicyAction": policy,
            "LogicalResourceId": record.logical_id,
            "PhysicalResourceId": record.physical_id,
            "ResourceType": record.type_name,
            "Scope": [],
            "Details": [],
            "BeforeContext": _context_of(record),
        }
    )


def _modification(old: Record, draft: Record, difference: Difference) -> dict[str, Any]:
    replacement = "Conditional" if is_custom(draft.type_name) else difference.replacement
    change = {
        "Action": "Modify",
        "LogicalResourceId": old.logical_id,
        "PhysicalResourceId": old.physical_id,
        "ResourceType": draft.type_name,
        "Replacement": replacement,
        "Scope": [*(["Properties"] if difference.properties else []), *difference.members],
        "Details": [
            *(_property_detail(name, old, draft, difference) for name in difference.properties),
            *(_member_detail(name) for name in difference.members),
        ],
        "BeforeContext": _context_of(old),
        "AfterContext": _context_of(draft),
    }
    if replacement == "True":
        change["PolicyAction"] = f"ReplaceAnd{old.replace_policy}"
    return _change(change)


def _property_detail(
    name: str, old: Record, draft: Record, difference: Difference
) -> dict[str, Any]:
    before, after = old.visible.get(name), draft.visible.get(name)
    kind = "Add" if name not in old.properties else "Modify"
    if name not in draft.properties:
        kind = "Remove"
    target = {
        "Attribute": "Properties",
        "Name": name,
        "RequiresRecreation": difference.properties[name],
        "Path": f"/Properties/{name}",
        "AttributeChangeType": kind,
        "BeforeValue": None if before is None else _shown(before),
        "AfterValue": None if after is None else _shown(after),
    }
    dynamic = unknown_inside(draft.properties.get(name)) is not None
    return {
        "Target": target,
        "Evaluation": "Dynamic" if dynamic else "Static",
        "ChangeSource": "ResourceReference" if dynamic else "DirectModification",
    }


def _member_detail(name: str) -> dict[str, Any]:
    return {
        "Target": {"Attribute": name, "RequiresRecreation": "Never"},
        "Evaluation": "Static",
        "ChangeSource": "DirectModification",
    }


def _change(resource_change: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "Resource", "ResourceChange": resource_change}


def _context_of(record: Record) -> str:
    shown: dict[str, Any] = {"Properties": record.visible}
    if record.metadata:
        shown["Metadata"] = record.metadata
    return json.dumps(shown, default=repr)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=repr)


def _outputs_differ(stack: Stack, outputs: list[tuple[str, Mapping[str, Any], Any, Any]]) -> bool:
    if any(isinstance(part, Unknown) for output in outputs for part in output[2:]):
        return True
    now = {o.key: (o.value, o.description, o.export) for o in stack.outputs}
    desired = {
        key: (text_of(value), entry.get("Description"), None if name is None else text_of(name))
        for key, entry, value, name in outputs
    }
    return now != desired
