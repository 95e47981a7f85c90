"""Amazon EC2: security groups, with inline rules or rules as resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    refuse_unknown,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.providers.calls import invoke, unless_gone, value_at
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import (
    Coverage,
    CoveredProvider,
    names,
)
from sageloop.local_cloud.cloudformation.providers.ec2_tags import ec2_tags
from sageloop.local_cloud.core.errors import AwsError

_ALL_OUT = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
_DUPLICATE = names("InvalidPermission.Duplicate")
_NO_RULE = names("InvalidPermission.NotFound InvalidGroup.NotFound "
                 "InvalidSecurityGroupRuleId.NotFound")  # fmt: skip
_OTHER_GROUP = {"Ingress": "SourceSecurityGroup", "Egress": "DestinationSecurityGroup"}


def permission(rule: Mapping[str, Any], direction: str) -> dict[str, Any]:
    """A rule as the ``IpPermission`` of EC2's API.

    Raises:
        AwsError: A rule does not have the property.

    """
    rest = {k: v for k, v in rule.items() if k not in ("GroupId", "GroupName") and v is not None}
    form: dict[str, Any] = {
        name: rest.pop(name) for name in ("IpProtocol", "FromPort", "ToPort") if name in rest
    }
    described = {"Description": rest.pop("Description")} if "Description" in rest else {}
    if "CidrIp" in rest:
        form["IpRanges"] = [{"CidrIp": rest.pop("CidrIp"), **described}]
    if "CidrIpv6" in rest:
        form["Ipv6Ranges"] = [{"CidrIpv6": rest.pop("CidrIpv6"), **described}]
    prefix_list = "SourcePrefixListId" if direction == "Ingress" else "DestinationPrefixListId"
    if prefix_list in rest:
        form["PrefixListIds"] = [{"PrefixListId": rest.pop(prefix_list), **described}]
    pair = _group_pair(rest, _OTHER_GROUP[direction])
    if pair:
        form["UserIdGroupPairs"] = [{**pair, **described}]
    if rest:
        raise AwsError(
            "ValidationException", f"a security group rule has no {', '.join(sorted(rest))}"
        )
    return form


def _group_pair(rest: dict[str, Any], prefix: str) -> dict[str, Any]:
    members = (("Id", "GroupId"), ("Name", "GroupName"), ("OwnerId", "UserId"))
    return {
        member: rest.pop(prefix + ending) for ending, member in members if prefix + ending in rest
    }


def _apply_rules(context: ProviderContext, direction: str) -> None:
    listed = f"SecurityGroup{direction}"
    before = [permission(r, direction) for r in context.previous.get(listed) or ()]
    after = [permission(r, direction) for r in context.properties.get(listed) or ()]
    if direction == "Egress":
        # Without egress rules in the template, a group allows all outbound traffic.
        before = before if context.previous.get(listed) else [_ALL_OUT]
        after = after if context.properties.get(listed) else [_ALL_OUT]
    for rule in before:
        if rule not in after:
            unless_gone(_NO_RULE, lambda r=rule: _change(context, "Revoke", direction, r))  # type: ignore[misc]
    for rule in after:
        if rule not in before:
            unless_gone(_DUPLICATE, lambda r=rule: _change(context, "Authorize", direction, r))  # type: ignore[misc]


def _change(context: ProviderContext, verb: str, direction: str, rule: Mapping[str, Any]) -> None:
    context.call(f"{verb}SecurityGroup{direction}", GroupId=context.id, IpPermissions=[rule])


class _Rule:
    """A rule that is a resource."""

    def __init__(self, direction: str, properties: str) -> None:
        self._direction = direction
        self.coverage = Coverage(executed=names(properties))

    def create(self, request: ResourceRequest) -> Resource:
        """Add the rule to its group."""
        refuse_unknown(request, self.coverage)
        answer = self._call(request, "Authorize", request.properties)
        made = str(value_at(answer, "SecurityGroupRules.0.SecurityGroupRuleId"))
        return Resource(made, {"Id": made})

    def update(self, request: ResourceRequest) -> Resource:
        """Change the description, the only property that can change in place."""
        refuse_unknown(request, self.coverage)
        invoke(
            request.client("ec2"), f"UpdateSecurityGroupRuleDescriptions{self._direction}",
            {"GroupId": request.properties["GroupId"],
             "IpPermissions": [permission(request.properties, self._direction)]},
        )  # fmt: skip
        return Resource(request.physical_id, dict(request.attributes))

    def delete(self, request: ResourceRequest) -> None:
        """Remove the rule from its group."""
        applied = request.previous if request.previous else request.properties
        unless_gone(_NO_RULE, lambda: self._call(request, "Revoke", applied))

    def _call(self, request: ResourceRequest, verb: str, rule: Mapping[str, Any]) -> dict[str, Any]:
        name = {"GroupName": rule["GroupName"]} if "GroupName" in rule else {}
        params = {
            **name,
            "GroupId": rule.get("GroupId"),
            "IpPermissions": [permission(rule, self._direction)],
        }
        operation = f"{verb}SecurityGroup{self._direction}"
        return invoke(request.client("ec2"), operation, params)


SECURITY: dict[str, CoveredProvider] = {
    "AWS::EC2::SecurityGroup": ApiResource(
        service="ec2",
        create_call="CreateSecurityGroup",
        name=Name(property="GroupName", param="GroupName", max_length=255),
        takes=takes("VpcId", GroupDescription="Description"),
        ref="GroupId",
        attributes={"GroupId": "{id}", "Id": "{id}"},
        more_attributes=lambda context: {"VpcId": context.properties.get("VpcId")},
        steps=(
            Step(properties="SecurityGroupIngress", apply=lambda s: _apply_rules(s, "Ingress")),
            Step(properties="SecurityGroupEgress", apply=lambda s: _apply_rules(s, "Egress")),
        ),
        tagging=ec2_tags("security-group"),
        delete_call="DeleteSecurityGroup",
        delete_on={"GroupId": "{id}"},
        gone=names("InvalidGroup.NotFound"),
    ),
    "AWS::EC2::SecurityGroupIngress": _Rule(
        "Ingress",
        "CidrIp CidrIpv6 Description FromPort GroupId GroupName IpProtocol SourcePrefixListId "
        "SourceSecurityGroupId SourceSecurityGroupName SourceSecurityGroupOwnerId ToPort",
    ),
    "AWS::EC2::SecurityGroupEgress": _Rule(
        "Egress",
        "CidrIp CidrIpv6 Description DestinationPrefixListId DestinationSecurityGroupId FromPort "
        "GroupId IpProtocol ToPort",
    ),
}
