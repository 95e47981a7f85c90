"""The state that all parts of the engine share: stacks, providers, schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.access.enforcement.unevaluated import unevaluated
from sageloop.local_cloud.cloudformation.custom_resources import CustomResources, is_custom
from sageloop.local_cloud.cloudformation.differences import SchemaFacts
from sageloop.local_cloud.cloudformation.errors import invalid, random_suffix
from sageloop.local_cloud.cloudformation.exports import Imports
from sageloop.local_cloud.cloudformation.intrinsics import (
    NO_VALUE,
    NoResources,
    Resolver,
    ResourceLookup,
    Scope,
)
from sageloop.local_cloud.cloudformation.plain_parameters import PlainParameters
from sageloop.local_cloud.cloudformation.providers.base import Provider, Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.state import DesiredState, Record, Stack, StackStore
from sageloop.local_cloud.cloudformation.template import Template
from sageloop.local_cloud.core.naming import partition_of

if TYPE_CHECKING:
    from datetime import datetime

    from sageloop.local_cloud.core.cloud import Cloud

# As many asterisks as AWS documents for attributes of a custom resource with NoEcho.
NO_ECHO_MASK = "*****"

ProviderOf = Callable[[str], Provider | None]
SchemaOf = Callable[[str], SchemaFacts | None]
Unsupported = Callable[..., list[str]]


class StoredOnly:
    """Provider of an unsupported type that the user has allowed to be stored only."""

    def create(self, request: ResourceRequest) -> Resource:
        """Generate a physical id."""
        return Resource(request.unique_name(max_length=128))

    def update(self, request: ResourceRequest) -> Resource:
        """Change only the properties that the stack stores."""
        return Resource(request.physical_id, request.attributes)

    def delete(self, request: ResourceRequest) -> None:
        """No effect: no resource exists."""


@dataclass(kw_only=True)
class Context:
    """The engine's shared state; ``durations`` are (stack, operation, wall seconds)."""

    cloud: Cloud
    provider_of: ProviderOf
    schema_of: SchemaOf
    unsupported: Unsupported
    custom: CustomResources
    store: StackStore = field(default_factory=StackStore)
    durations: list[tuple[str, str, float]] = field(default_factory=list)

    def now(self) -> datetime:
        """Current virtual time."""
        return self.cloud.clock.now()

    def preflight(self, template: Template, active: Mapping[str, Mapping[str, Any]]) -> None:
        """Refuse a template with unsupported parts, listing all of them.

        Raises:
            AwsError: ``ValidationError`` with one line for each unsupported part.

        """
        allow = self.cloud.config.allow
        problems = list(self.unsupported(active, allow=allow))
        for logical_id, resource in active.items():
            type_name = resource["Type"]
            problems += [
                f"{logical_id} ({type_name}): the local cloud does not support {member}"
                for member in ("CreationPolicy", "UpdatePolicy")
                if member in resource and type_name not in allow
            ]
            problems += self._unevaluated(logical_id, resource, allow)
            named = any(line.startswith((f"{logical_id}:", f"{logical_id} (")) for line in problems)
            if not named and not self._is_served(type_name):
                problems.append(f"{logical_id}: no provider for resource type {type_name}")
        if problems:
            raise invalid(
                "Template format error: unsupported by the local cloud, nothing was created:\n- "
                + "\n- ".join(problems)
            )

    def _unevaluated(
        self, logical_id: str, resource: Mapping[str, Any], allow: frozenset[str]
    ) -> list[str]:
        """The condition keys in a resource's policies that the local cloud does not fill."""
        if self.cloud.config.iam is AccessMode.OFF:
            return []
        unfilled = unevaluated(resource.get("Properties"), allow)
        return [one.problem(f"{logical_id} ({resource['Type']})") for one in unfilled]

    def provider(self, type_name: str) -> Provider:
        """The provider of a native type."""
        return self.provider_of(type_name) or StoredOnly()

    def is_stored_only(self, type_name: str) -> bool:
        """Whether resources of a type are stored without effect."""
        return not is_custom(type_name) and self.provider_of(type_name) is None

    def resolver(self, stack: Stack, desired: DesiredState, imports: Imports) -> Resolver:
        """The resolver of a stack's template, without resources."""
        scope = Scope(
            template=desired.template,
            values={n: p.value for n, p in desired.parameters.items()} | pseudo_parameters(stack),
            region=stack.region,
            zones=partial(self._zones, stack),
            exported=imports.read,
        )
        return Resolver(scope, NoResources())

    def _is_served(self, type_name: str) -> bool:
        return (
            is_custom(type_name)
            or type_name in self.cloud.config.allow
            or self.provider_of(type_name) is not None
        )

    def _zones(self, stack: Stack, region: str) -> list[str]:
        ec2 = self.cloud.client("ec2", principal=stack.acting, region=region, via=stack.via)
        zones = ec2.describe_availability_zones()["AvailabilityZones"]
        return sorted(zone["ZoneName"] for zone in zones if zone["State"] == "available")[:3]

    def plain_parameters(self, principal: str, region: str, *, via: str) -> PlainParameters:
        """The parameters of Systems Manager that a stack operation reads as ``principal``."""
        return PlainParameters(
            lambda: self.cloud.client("ssm", principal=principal, region=region, via=via)
        )


class LiveResources:
    """Resolves references from the stack's current resources."""

    def __init__(self, context: Context, stack: Stack) -> None:
        self._context = context
        self._stack = stack

    def ref(self, logical_id: str) -> Any:
        """The physical id."""
        return self._record(logical_id).physical_id

    def get_att(self, logical_id: str, attribute: str) -> Any:
        """An attribute of the resource."""
        record = self._record(logical_id)
        return attribute_of(
            record, attribute, stored=self._context.is_stored_only(record.type_name)
        )

    def _record(self, logical_id: str) -> Record:
        record = self._stack.records.get(logical_id)
        if record is None:
            raise invalid(f"Template error: unresolved reference to resource {logical_id}")
        return record


class MaskedResources:
    """Other resources, where they are shown: attributes of NoEcho responses are asterisks."""

    def __init__(self, resources: ResourceLookup, stack: Stack) -> None:
        self._resources = resources
        self._stack = stack

    def ref(self, logical_id: str) -> Any:
        """The physical id, which is shown."""
        return self._resources.ref(logical_id)

    def get_att(self, logical_id: str, attribute: str) -> Any:
        """An attribute, or asterisks."""
        record = self._stack.records.get(logical_id)
        value = self._resources.get_att(logical_id, attribute)
        return NO_ECHO_MASK if record is not None and record.no_echo else value


def attribute_of(record: Record, attribute: str, *, stored: bool) -> Any:
    """``Fn::GetAtt``: an attribute by its flat or dotted name, or a property of the resource.

    Raises:
        AwsError: The attribute does not exist; a stored-only type returns a placeholder.

    """
    value = _value_at(record.attributes, attribute)
    if value is not None:
        return value
    if is_custom(record.type_name):
        raise invalid(
            f"CustomResource attribute error: Vendor response doesn't contain {attribute} "
            f"attribute in object {record.logical_id}"
        )
    value = _value_at(record.properties, attribute)
    if value is not None:
        return value
    if stored:
        return f"{record.physical_id}.{attribute}"
    raise invalid(
        f"Template error: resource {record.logical_id} does not support attribute type "
        f"{attribute} in Fn::GetAtt; it has {', '.join(sorted(record.attributes))}"
    )


def _value_at(values: Mapping[str, Any], name: str) -> Any:
    """The value under a flat or dotted name, or ``None``."""
    if values.get(name) is not None:
        return values[name]
    value: Any = values
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def pseudo_parameters(stack: Stack) -> dict[str, Any]:
    """``AWS::...`` names and their values."""
    return {
        "AWS::AccountId": stack.account_id,
        "AWS::NoValue": NO_VALUE,
        "AWS::NotificationARNs": [],
        "AWS::Partition": partition_of(stack.region),
        "AWS::Region": stack.region,
        "AWS::StackId": stack.stack_id,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com",
    }


def unique_names(stack_name: str, logical_id: str) -> Callable[..., str]:
    """A generator of physical names for one request: its suffix is always the same."""
    suffix = random_suffix()

    def unique_name(*, max_length: int = 64) -> str:
        room = max_length - len(suffix) - 2
        if room < 2:
            return suffix[:max_length]
        logical = logical_id[: max(room // 2, room - len(stack_name))]
        return f"{stack_name[: room - len(logical)]}-{logical}-{suffix}"

    return unique_name
