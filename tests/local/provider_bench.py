"""Calls one provider with a real cloud, without the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roles import USER

from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.providers.registry import provider_of
from sageloop.local_cloud.core.cloud import Cloud


class Bench:
    """Makes requests; ``client`` acts as the same user, to inspect resources."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._made = 0

    def client(self, service: str) -> Any:
        return self.cloud.client(service, principal=USER)

    def request(self, type_name: str, properties: dict[str, Any], **tags: str) -> ResourceRequest:
        self._made += 1
        made = f"stack-Thing{self._made}-A1B2C3"
        return ResourceRequest(
            cloud=self.cloud, type_name=type_name, logical_id=f"Thing{self._made}",
            stack_id="arn:aws:cloudformation:us-east-1:123456789012:stack/stack/1",
            stack_name="stack", account_id="123456789012", region="us-east-1",
            properties=properties, client=self.client, tags=tags,
            unique_name=lambda max_length=128, **_: made[:max_length],
        )  # fmt: skip

    def create(self, type_name: str, properties: dict[str, Any], **tags: str) -> Made:
        request = self.request(type_name, properties, **tags)
        return Made(request, self._provider(type_name).create(request))

    def update(self, made: Made, **changes: Any) -> Made:
        properties = {**made.request.properties, **changes}
        properties = {k: v for k, v in properties.items() if v is not None}
        request = replace(
            made.request, properties=properties, previous=made.request.properties,
            physical_id=made.id, attributes=made.attributes,
        )  # fmt: skip
        return Made(request, self._provider(request.type_name).update(request))

    def delete(self, made: Made) -> None:
        request = replace(
            made.request, previous=made.request.properties, physical_id=made.id,
            attributes=made.attributes,
        )  # fmt: skip
        self._provider(request.type_name).delete(request)

    def delete_twice(self, made: Made) -> None:
        """Delete twice: the second deletion is not an error."""
        self.delete(made)
        self.delete(made)

    @staticmethod
    def _provider(type_name: str) -> Any:
        provider = provider_of(type_name)
        assert provider is not None, type_name
        return provider


class Made:
    """A resource and the request that created it."""

    def __init__(self, request: ResourceRequest, resource: Resource) -> None:
        self.request = request
        self.id = resource.physical_id
        self.attributes = resource.attributes

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]
