"""Checks that each action and ARN of a statement can match, by the authorization reference.

IAM accepts a statement whose ARN no resource type of its action has: it allows nothing, and the
first call on AWS is denied. The reference is parliament's copy.

See https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from parliament import iam_definition

from tests.security.checks.flatten import as_list

NEEDS_STAR = {"cloudwatch:describealarms"}
"""Actions that have a resource type and yet need ``*``, by AWS's documentation.

``DescribeAlarms`` returns no composite alarm to a caller whose permission has a narrower scope:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
"""
LISTED_BY_GROUP = {"sagemaker:listmodelpackages": "model-package-group"}
"""Resource types of an action that the reference lacks; not verified on AWS.

The reference has only model-package for ``ListModelPackages``, whose request names the group.
"""
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_WITHOUT_SLASH = frozenset(("BucketName",))
_SEGMENTS = 6


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type of an action: its ARN's pattern, and whether the action requires it."""

    name: str
    arn: str
    required: bool


@cache
def _services() -> Mapping[str, Mapping[str, Any]]:
    return {service["prefix"]: service for service in iam_definition}


@cache
def resource_types(action: str) -> tuple[ResourceType, ...] | None:
    """The resource types of an action; empty if it accepts ``*`` only; None if unknown."""
    prefix, _, name = action.partition(":")
    service = _services().get(prefix)
    if service is None:
        return None
    arns = {each["resource"]: each["arn"] for each in service["resources"]}
    for privilege in service["privileges"]:
        if privilege["privilege"].lower() == name.lower():
            named = [each["resource_type"] for each in privilege["resource_types"]]
            extra = LISTED_BY_GROUP.get(action.lower())
            return tuple(
                ResourceType(each.rstrip("*"), arns[each.rstrip("*")], each.endswith("*"))
                for each in [*named, *([] if extra is None else [extra])]
                if each
            )
    return None


def faults(statements: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Messages for parts of a policy's statements that can never match."""
    for statement in statements:
        if statement["Effect"] != "Allow":
            continue
        actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
        for action in actions:
            yield from _faults_of_action(action, resources)
        for resource in resources:
            if not any(_useful(action, resource) for action in actions):
                yield f"{resource} is no resource of {', '.join(actions)}"


def stars(statements: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Actions that are allowed on ``*`` although the reference has a resource type."""
    for statement in statements:
        if statement["Effect"] == "Allow" and "*" in as_list(statement["Resource"]):
            for action in as_list(statement["Action"]):
                required = [each for each in resource_types(action) or () if each.required]
                if required and action.lower() not in NEEDS_STAR:
                    yield action


def _faults_of_action(action: str, resources: list[str]) -> Iterator[str]:
    types = resource_types(action)
    if types is None:
        yield f"{action} is not in the reference"
    elif "*" in resources:
        return
    elif not types or action.lower() in NEEDS_STAR:
        yield f"{action} needs the resource *, got {', '.join(resources)}"
    else:
        required = [each for each in types if each.required]
        for each in required:
            if not any(meets(resource, each.arn) for resource in resources):
                yield f"{action} needs a resource {each.arn}, got {', '.join(resources)}"
        if not required and not any(_useful(action, resource) for resource in resources):
            yield f"{action} has none of the resources {', '.join(resources)}"


def _useful(action: str, resource: str) -> bool:
    return resource == "*" or any(
        meets(resource, each.arn) for each in resource_types(action) or ()
    )


def meets(pattern: str, reference: str) -> bool:
    """Whether an ARN can match a policy's pattern and the reference's."""
    ours, theirs = pattern.split(":", _SEGMENTS - 1), reference.split(":", _SEGMENTS - 1)
    return len(ours) == len(theirs) and all(
        _meet(tuple(ours_part), tuple(_tokens(theirs_part)))
        for ours_part, theirs_part in zip(ours, theirs, strict=True)
    )


def _tokens(part: str) -> Iterator[str]:
    """A part of the reference's ARN: characters, and ``*`` or ``*/`` for its variables.

    ``*/`` stands for any text without a slash.
    """
    last = 0
    for result in _VARIABLE.finditer(part):
        yield from part[last : result.start()]
        yield "*/" if result[1] in _WITHOUT_SLASH else "*"
        last = result.end()
    yield from part[last:]


@cache
def _meet(ours: tuple[str, ...], theirs: tuple[str, ...]) -> bool:
    if not ours:
        return all(each.startswith("*") for each in theirs)
    if ours[0] == "*":
        return _meet(ours[1:], theirs) or (bool(theirs) and _meet(ours, theirs[1:]))
    if not theirs:
        return False
    if theirs[0].startswith("*"):
        taken = theirs[0] == "*" or ours[0] != "/"
        return _meet(ours, theirs[1:]) or (taken and _meet(ours[1:], theirs))
    return ours[0] in ("?", theirs[0]) and _meet(ours[1:], theirs[1:])
