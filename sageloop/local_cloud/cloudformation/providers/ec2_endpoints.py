"""Amazon EC2: VPC endpoints and flow logs."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import ApiResource, Step, takes
from sageloop.local_cloud.cloudformation.providers.calls import unless_gone, value_at
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import names
from sageloop.local_cloud.cloudformation.providers.ec2_tags import ec2_tags
from sageloop.local_cloud.core.errors import AwsError

_LISTS = {
    "RouteTableIds": "RouteTableIds", "SubnetIds": "SubnetIds",
    "SecurityGroupIds": "SecurityGroupIds",
}  # fmt: skip
_OPEN_POLICY = {
    "Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]
}


def _as_default(context: ProviderContext, params: dict[str, Any]) -> None:
    params.setdefault("VpcEndpointType", "Gateway")
    params.setdefault("PolicyDocument", _OPEN_POLICY)
    params.setdefault("PrivateDnsEnabled", False)


def _modify(context: ProviderContext) -> None:
    params: dict[str, Any] = {}
    for name, api in _LISTS.items():
        before = context.previous.get(name) or []
        after = context.properties.get(name) or []
        params[f"Add{api}"] = [i for i in after if i not in before] or None
        params[f"Remove{api}"] = [i for i in before if i not in after] or None
    for name in ("PolicyDocument", "PrivateDnsEnabled", "IpAddressType", "DnsOptions"):
        if context.properties.get(name) != context.previous.get(name):
            params[name] = context.properties.get(name)
    if params.get("PolicyDocument", "given") is None:
        params |= {"PolicyDocument": None, "ResetPolicy": True}
    context.call("ModifyVpcEndpoint", VpcEndpointId=context.id, **params)


def _described(context: ProviderContext) -> dict[str, Any]:
    endpoint = value_at(
        context.call("DescribeVpcEndpoints", VpcEndpointIds=[context.id]), "VpcEndpoints.0"
    )
    entries = value_at(endpoint, "DnsEntries") or []
    created = value_at(endpoint, "CreationTimestamp")
    return {
        "Id": context.id,
        "NetworkInterfaceIds": value_at(endpoint, "NetworkInterfaceIds") or [],
        "DnsEntries": [f"{e.get('HostedZoneId', '')}:{e.get('DnsName', '')}" for e in entries],
        "CreationTimestamp": "" if created is None else str(created),
    }


def _delete(context: ProviderContext) -> None:
    endpoint = value_at(
        context.call("DescribeVpcEndpoints", VpcEndpointIds=[context.id]), "VpcEndpoints.0"
    )
    if endpoint is None or str(value_at(endpoint, "State")).lower() in ("deleted", "deleting"):
        return
    unless_gone(
        names("InvalidRoute.NotFound"),
        lambda: context.call("DeleteVpcEndpoints", VpcEndpointIds=[context.id]),
    )
    left = value_at(
        context.call("DescribeVpcEndpoints", VpcEndpointIds=[context.id]), "VpcEndpoints.0"
    )
    if left is not None and str(value_at(left, "State")).lower() != "deleted":
        # moto does not update routes when an endpoint's tables change, and then cannot delete it.
        tables = value_at(left, "RouteTableIds")
        context.call("ModifyVpcEndpoint", VpcEndpointId=context.id, RemoveRouteTableIds=tables)
        context.call("DeleteVpcEndpoints", VpcEndpointIds=[context.id])


def _of_resource(context: ProviderContext, params: dict[str, Any]) -> None:
    params["ResourceIds"] = [params["ResourceIds"]]


class _FlowLog(ApiResource):
    """Flow logs, whose create call reports errors in a successful response."""

    def _complete(self, context: ProviderContext) -> None:
        refused = value_at(context.response, "Unsuccessful.0.Error")
        if refused:
            raise AwsError(refused.get("Code", "InvalidRequest"), refused.get("Message", ""))
        super()._complete(context)


VPC_ENDPOINT = ApiResource(
    service="ec2",
    create_call="CreateVpcEndpoint",
    takes=takes(
        "DnsOptions IpAddressType PolicyDocument PrivateDnsEnabled RouteTableIds "
        "SecurityGroupIds ServiceName SubnetIds VpcEndpointType VpcId"
    ),
    prepare=_as_default,
    ref="VpcEndpoint.VpcEndpointId",
    more_attributes=_described,
    steps=(
        Step(
            properties="RouteTableIds SubnetIds SecurityGroupIds PolicyDocument "
            "PrivateDnsEnabled IpAddressType DnsOptions",
            apply=_modify,
            on_create=False,
        ),
    ),
    tagging=ec2_tags("vpc-endpoint"),
    before_delete=_delete,
    gone=names("InvalidVpcEndpointId.NotFound"),
    note="the policy is stored; it is not applied to traffic inside the local cloud",
)

FLOW_LOG = _FlowLog(
    service="ec2",
    create_call="CreateFlowLogs",
    takes=takes(
        "DeliverLogsPermissionArn DestinationOptions LogDestination LogDestinationType LogFormat "
        "LogGroupName MaxAggregationInterval ResourceType TrafficType",
        ResourceId="ResourceIds",
    ),
    prepare=_of_resource,
    ref="FlowLogIds.0",
    attributes={"Id": "{id}"},
    tagging=ec2_tags("vpc-flow-log"),
    delete_call="DeleteFlowLogs",
    delete_on={"FlowLogIds": ["{id}"]},
    gone=names("InvalidFlowLogId.NotFound"),
    note="stored: the local cloud has no traffic to log",
)
