"""Resource policies that are an attribute of topics and queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import refuse_unknown
from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.providers.calls import invoke, unless_gone
from sageloop.local_cloud.cloudformation.providers.coverage import Coverage
from sageloop.local_cloud.cloudformation.scalars import document_text


@dataclass(frozen=True, kw_only=True)
class PolicyOn:
    """A policy document set as the attribute ``Policy`` of each resource listed in ``on``.

    ``as_attribute_pair`` is SNS's form (one attribute per call); SQS accepts a map.
    """

    service: str
    operation: str
    on: str
    target: str
    as_attribute_pair: bool
    gone: frozenset[str]

    @property
    def coverage(self) -> Coverage:
        """All properties take effect."""
        return Coverage(executed=frozenset(("PolicyDocument", self.on)))

    def create(self, request: ResourceRequest) -> Resource:
        """Set the policy on each resource."""
        refuse_unknown(request, self.coverage)
        for target in self._targets(request.properties):
            self._set(request, target, document_text(request.properties["PolicyDocument"]))
        if isinstance(request.properties[self.on], str):
            return Resource(request.properties[self.on])
        made = str(request.unique_name(max_length=128))
        return Resource(made, {"Id": made})

    def update(self, request: ResourceRequest) -> Resource:
        """Set the new policy, and the default one on resources that are no longer listed."""
        refuse_unknown(request, self.coverage)
        targets = self._targets(request.properties)
        for target in targets:
            self._set(request, target, document_text(request.properties["PolicyDocument"]))
        for target in self._targets(request.previous):
            if target not in targets:
                self._clear(request, target)
        return Resource(request.physical_id, dict(request.attributes))

    def delete(self, request: ResourceRequest) -> None:
        """Restore each resource's default policy."""
        for target in self._targets({**request.properties, **request.previous}):
            self._clear(request, target)

    def _targets(self, properties: Mapping[str, Any]) -> list[str]:
        listed = properties.get(self.on) or []
        return [listed] if isinstance(listed, str) else list(listed)

    def _clear(self, request: ResourceRequest, target: str) -> None:
        text = document_text(_owners_topic(request, target)) if self.service == "sns" else ""
        unless_gone(self.gone, lambda: self._set(request, target, text))

    def _set(self, request: ResourceRequest, target: str, text: str) -> None:
        params: dict[str, Any] = {self.target: target, "Attributes": {"Policy": text}}
        if self.as_attribute_pair:
            params = {self.target: target, "AttributeName": "Policy", "AttributeValue": text}
        invoke(request.client(self.service), self.operation, params)


def _owners_topic(request: ResourceRequest, arn: str) -> dict[str, Any]:
    """The policy of a new topic in SNS: its own account may use it."""
    actions = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission",
               "DeleteTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish")  # fmt: skip
    return {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [f"SNS:{action}" for action in actions],
                "Resource": arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": request.account_id}},
            }
        ],
    }
