"""Inline policies of roles, users and groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import refuse_unknown
from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.providers.calls import invoke, unless_gone
from sageloop.local_cloud.cloudformation.providers.coverage import Coverage, names

_KINDS = (("Roles", "Role"), ("Users", "User"), ("Groups", "Group"))
Place = tuple[str, str, str]


def _places(properties: Mapping[str, Any]) -> set[Place]:
    return {
        (kind, principal, properties["PolicyName"])
        for listed, kind in _KINDS
        for principal in properties.get(listed) or ()
    }


def _put(request: ResourceRequest, places: Iterable[Place]) -> None:
    for kind, principal, policy in sorted(places):
        invoke(
            request.client("iam"), f"Put{kind}Policy",
            {f"{kind}Name": principal, "PolicyName": policy,
             "PolicyDocument": request.properties["PolicyDocument"]},
        )  # fmt: skip


def _remove(request: ResourceRequest, places: Iterable[Place]) -> None:
    for kind, principal, policy in sorted(places):
        params = {f"{kind}Name": principal, "PolicyName": policy}
        operation = f"Delete{kind}Policy"
        unless_gone(
            names("NoSuchEntity"),
            lambda o=operation, p=params: invoke(request.client("iam"), o, p),  # type: ignore[misc]
        )


class InlinePolicy:
    """``AWS::IAM::Policy``: one document in several roles, users and groups."""

    coverage = Coverage(executed=names("PolicyName PolicyDocument Roles Users Groups"))

    def create(self, request: ResourceRequest) -> Resource:
        """Put the document into each."""
        refuse_unknown(request, self.coverage)
        _put(request, _places(request.properties))
        made = str(request.unique_name(max_length=128))
        return Resource(made, {"Id": made})

    def update(self, request: ResourceRequest) -> Resource:
        """Put the new document, and delete it from principals that are no longer listed."""
        refuse_unknown(request, self.coverage)
        after = _places(request.properties)
        _put(request, after)
        _remove(request, _places(request.previous) - after)
        return Resource(request.physical_id, dict(request.attributes))

    def delete(self, request: ResourceRequest) -> None:
        """Delete it everywhere."""
        _remove(request, _places({**request.properties, **request.previous}))


class RolePolicy:
    """``AWS::IAM::RolePolicy``: one document in one role."""

    coverage = Coverage(executed=names("PolicyName PolicyDocument RoleName"))

    def create(self, request: ResourceRequest) -> Resource:
        """Put the document into the role."""
        refuse_unknown(request, self.coverage)
        invoke(request.client("iam"), "PutRolePolicy", request.properties)
        properties = request.properties
        return Resource(f"{properties['PolicyName']}|{properties['RoleName']}")

    def update(self, request: ResourceRequest) -> Resource:
        """Put the new document."""
        return self.create(request)

    def delete(self, request: ResourceRequest) -> None:
        """Delete it."""
        policy, _, role = request.physical_id.partition("|")
        _remove(request, {("Role", role, policy)})
