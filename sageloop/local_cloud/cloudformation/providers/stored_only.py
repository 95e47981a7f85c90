"""Resource types that are stored without effect."""

from __future__ import annotations

from dataclasses import dataclass, field

from sageloop.local_cloud.cloudformation.providers.api import refuse_unknown
from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.providers.coverage import Coverage, names


@dataclass(frozen=True, kw_only=True)
class StoredResource:
    """A type whose resources have a name and attributes, but no effect.

    ``name`` is the property with the physical id, ``attributes`` the values of ``Fn::GetAtt``;
    ``{id}`` stands for the physical id.
    """

    stored: frozenset[str]
    note: str
    name: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def coverage(self) -> Coverage:
        """Every property is stored."""
        return Coverage(stored=self.stored, note=self.note)

    def create(self, request: ResourceRequest) -> Resource:
        """Assign a physical id."""
        refuse_unknown(request, self.coverage)
        made = request.properties.get(self.name) or request.unique_name(max_length=255)
        attributes = {k: v.format(id=made) for k, v in self.attributes.items()}
        return Resource(str(made), attributes)

    def update(self, request: ResourceRequest) -> Resource:
        """Store the new properties."""
        refuse_unknown(request, self.coverage)
        return Resource(request.physical_id, dict(request.attributes))

    def delete(self, request: ResourceRequest) -> None:
        """No effect: no resource exists."""


PROVIDERS = {
    "AWS::CDK::Metadata": StoredResource(
        stored=names("Analytics Modules"), note="has no effect on AWS"
    ),
    "AWS::CloudFormation::WaitConditionHandle": StoredResource(
        stored=frozenset(), note="its URL accepts no signals"
    ),
    "AWS::CloudFormation::WaitCondition": StoredResource(
        stored=names("Count Handle Timeout"),
        attributes={"Data": "{{}}"},
        note="complete at once, without waiting for signals",
    ),
}
