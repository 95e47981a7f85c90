"""State that the calls of one resource operation share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sageloop.local_cloud.cloudformation.providers.base import ResourceRequest
from sageloop.local_cloud.cloudformation.providers.calls import invoke
from sageloop.local_cloud.core.naming import partition_of


@dataclass(kw_only=True, slots=True)
class ProviderContext:
    """A request, its service, and the responses so far.

    Parameters in tables are templates: ``{id}`` is the physical id, ``{name}`` the physical name,
    ``{region}`` and ``{account}`` those of the stack, ``{prop[X]}`` a property and ``{att[X]}`` an
    attribute.
    """

    request: ResourceRequest
    service: str
    name: str = ""
    id: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    response: dict[str, Any] = field(default_factory=dict)

    @property
    def properties(self) -> dict[str, Any]:
        """The desired properties."""
        return self.request.properties

    @property
    def previous(self) -> dict[str, Any]:
        """The last applied properties; empty on create."""
        return self.request.previous

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """Call the resource's own service."""
        return invoke(self.request.client(self.service), operation, params)

    def fill(self, template: Any) -> Any:
        """A template of parameters with its placeholders filled."""
        if isinstance(template, Mapping):
            return {key: self.fill(value) for key, value in template.items()}
        if isinstance(template, list):
            return [self.fill(value) for value in template]
        if not isinstance(template, str) or "{" not in template:
            return template
        return template.format(
            id=self.id, name=self.name, region=self.request.region,
            partition=partition_of(self.request.region), account=self.request.account_id,
            att=self.attributes,
            prop={**self.previous, **self.properties},
        )  # fmt: skip
