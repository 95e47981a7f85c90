"""AWS's Service Authorization Reference as tables: actions, resource types, condition keys.

The tables cover the services that the local cloud serves and some that policies beside it name;
`known_services` lists them. Other services have no table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from sageloop.local_cloud.access.policy import overlap, patterns

_FACTS = files(__package__) / "facts"


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a service.

    Args:
        name: such as ``s3:GetObject``, as AWS writes it.
        level: ``List``, ``Read``, ``Write``, ``Tagging`` or ``Permissions management``.
        resources: resource types that it supports, and whether AWS marks them as required; empty
            if a policy must name ``*``.
        keys: condition keys of the request, as AWS writes them (``aws:RequestTag/${TagKey}``).
        depends: further actions that the caller needs.

    """

    name: str
    level: str
    resources: Mapping[str, bool]
    keys: tuple[str, ...]
    depends: tuple[str, ...]

    @property
    def needs_wildcard(self) -> bool:
        """Whether it has no resource types: a statement for it must have the resource ``*``."""
        return not self.resources


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type: the forms of its ARN, and the condition keys of such a resource."""

    arns: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """One service's part of the reference. Actions are listed by their name in lower case."""

    prefix: str
    actions: Mapping[str, Action]
    resources: Mapping[str, ResourceType]
    keys: Mapping[str, str]


@cache
def known_services() -> frozenset[str]:
    """Prefixes of the services with a table."""
    return frozenset(
        file.name.removesuffix(".json") for file in _FACTS.iterdir() if file.name.endswith(".json")
    )


def release(prefix: str) -> str:
    """Where a service's table comes from: project and release."""
    source = json.loads((_FACTS / f"{prefix}.json").read_text(encoding="utf-8"))["source"]
    return f"{source['project']} {source['release']}"


@cache
def service(prefix: str) -> Service | None:
    """A service by its prefix (``sagemaker``), or ``None`` if it has no table."""
    prefix = prefix.lower()
    if prefix not in known_services():
        return None
    table = json.loads((_FACTS / f"{prefix}.json").read_text(encoding="utf-8"))
    actions = {name.lower(): _action(f"{prefix}:{name}", a) for name, a in table["actions"].items()}
    resources = {
        name: ResourceType(tuple(entry["arns"]), tuple(entry["keys"]))
        for name, entry in table["resources"].items()
    }
    return Service(prefix, actions, resources, table["keys"])


def _action(name: str, entry: Mapping[str, Any]) -> Action:
    return Action(
        name=name,
        level=entry["level"],
        resources=entry.get("resources", {}),
        keys=tuple(entry.get("keys", ())),
        depends=tuple(entry.get("depends", ())),
    )


def action(name: str) -> Action | None:
    """An action by its name (``s3:GetObject``, case ignored); ``None`` if the table lacks it."""
    prefix, _, short = name.partition(":")
    table = service(prefix)
    return table.actions.get(short.lower()) if table else None


def actions_matching(pattern: str) -> list[Action]:
    """The actions that a pattern of an ``Action`` element matches, among the services with a table.

    Args:
        pattern: such as ``s3:Get*``; case is ignored.

    """
    prefix, _, short = pattern.partition(":")
    of_service, of_action = patterns.wildcard(prefix.lower()), patterns.wildcard(short.lower())
    if pattern == "*":
        of_action = of_service
    return [
        entry
        for name in sorted(known_services())
        if of_service(name)
        for key, entry in _actions_of(name).items()
        if of_action(key)
    ]


def _actions_of(prefix: str) -> Mapping[str, Action]:
    table = service(prefix)
    return table.actions if table else {}


def resource_can_match(action_name: str, pattern: str) -> bool:
    """Whether a pattern of a ``Resource`` element can match a resource of an action.

    An action without resource types is matched by ``*`` only: a statement that names an ARN for it
    never applies, and AWS accepts the policy without a warning.

    Args:
        action_name: such as ``sagemaker:CreateTrainingJob``.
        pattern: ARN with wildcards. Policy variables in it stand for anything.

    Returns:
        Whether such a resource can exist. ``True`` for actions that the tables lack.

    Example:
        >>> resource_can_match("s3:ListBucket", "arn:aws:s3:::data/*")
        False
        >>> resource_can_match("s3:GetObject", "arn:aws:s3:::data/*")
        True

    """
    entry = action(action_name)
    if entry is None:
        return True
    prefix = action_name.partition(":")[0].lower()
    if entry.needs_wildcard:
        return patterns.resource(pattern)(service_resource(prefix))
    return any(overlap.arns_overlap(form, pattern) for form in _forms(prefix, entry))


def service_resource(prefix: str) -> str:
    """The resource of requests for actions without resource types: ``*``, except for S3.

    AWS's own examples allow ``s3:ListAllMyBuckets`` on ``arn:aws:s3:::*``.
    """
    return "arn:aws:s3:::*" if prefix == "s3" else "*"


def matching_resource_types(action_name: str, pattern: str) -> list[str]:
    """The resource types of an action whose ARNs a pattern can match."""
    entry = action(action_name)
    if entry is None:
        return []
    prefix = action_name.partition(":")[0].lower()
    return [
        name
        for name in entry.resources
        if any(overlap.arns_overlap(form, pattern) for form in _arns(prefix, name))
    ]


def _forms(prefix: str, entry: Action) -> list[str]:
    return [form for name in entry.resources for form in _arns(prefix, name)]


def _arns(prefix: str, resource: str) -> tuple[str, ...]:
    owner = service(prefix)
    entry = owner.resources.get(resource) if owner else None
    return entry.arns if entry else ()
