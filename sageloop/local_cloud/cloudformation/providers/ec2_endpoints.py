"""EC2: endpoints of AWS services inside a network, and flow logs."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import ApiResource, Step, takes
from sageloop.local_cloud.cloudformation.providers.calls import look, unless_gone
from sageloop.local_cloud.cloudformation.providers.coverage import names
from sageloop.local_cloud.cloudformation.providers.ec2_tags import ec2_tags
from sageloop.local_cloud.cloudformation.providers.scene import Scene
from sageloop.local_cloud.core.errors import AwsError

_LISTS = {
    "RouteTableIds": "RouteTableIds", "SubnetIds": "SubnetIds",
    "SecurityGroupIds": "SecurityGroupIds",
}  # fmt: skip
_OPEN_POLICY = {
    "Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]
}


def _as_default(scene: Scene, params: dict[str, Any]) -> None:
    params.setdefault("VpcEndpointType", "Gateway")
    params.setdefault("PolicyDocument", _OPEN_POLICY)
    params.setdefault("PrivateDnsEnabled", False)


def _modify(scene: Scene) -> None:
    params: dict[str, Any] = {}
    for name, api in _LISTS.items():
        before = scene.previous.get(name) or []
        after = scene.properties.get(name) or []
        params[f"Add{api}"] = [i for i in after if i not in before] or None
        params[f"Remove{api}"] = [i for i in before if i not in after] or None
    for name in ("PolicyDocument", "PrivateDnsEnabled", "IpAddressType", "DnsOptions"):
        if scene.properties.get(name) != scene.previous.get(name):
            params[name] = scene.properties.get(name)
    if params.get("PolicyDocument", "given") is None:
        params |= {"PolicyDocument": None, "ResetPolicy": True}
    scene.call("ModifyVpcEndpoint", VpcEndpointId=scene.id, **params)


def _described(scene: Scene) -> dict[str, Any]:
    found = look(scene.call("DescribeVpcEndpoints", VpcEndpointIds=[scene.id]), "VpcEndpoints.0")
    entries = look(found, "DnsEntries") or []
    created = look(found, "CreationTimestamp")
    return {
        "Id": scene.id,
        "NetworkInterfaceIds": look(found, "NetworkInterfaceIds") or [],
        "DnsEntries": [f"{e.get('HostedZoneId', '')}:{e.get('DnsName', '')}" for e in entries],
        "CreationTimestamp": "" if created is None else str(created),
    }


def _delete(scene: Scene) -> None:
    found = look(scene.call("DescribeVpcEndpoints", VpcEndpointIds=[scene.id]), "VpcEndpoints.0")
    if found is None or str(look(found, "State")).lower() in ("deleted", "deleting"):
        return
    unless_gone(
        names("InvalidRoute.NotFound"),
        lambda: scene.call("DeleteVpcEndpoints", VpcEndpointIds=[scene.id]),
    )
    left = look(scene.call("DescribeVpcEndpoints", VpcEndpointIds=[scene.id]), "VpcEndpoints.0")
    if left is not None and str(look(left, "State")).lower() != "deleted":
        # moto does not move routes when an endpoint's tables change, and then cannot delete it.
        tables = look(left, "RouteTableIds")
        scene.call("ModifyVpcEndpoint", VpcEndpointId=scene.id, RemoveRouteTableIds=tables)
        scene.call("DeleteVpcEndpoints", VpcEndpointIds=[scene.id])


def _of_resource(scene: Scene, params: dict[str, Any]) -> None:
    params["ResourceIds"] = [params["ResourceIds"]]


class _FlowLog(ApiResource):
    """Flow logs are refused inside an answer that is a success by its status."""

    def _complete(self, scene: Scene) -> None:
        refused = look(scene.response, "Unsuccessful.0.Error")
        if refused:
            raise AwsError(refused.get("Code", "InvalidRequest"), refused.get("Message", ""))
        super()._complete(scene)


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
    note="the policy is stored; traffic inside the local cloud does not pass through it",
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
    note="stored: there is no traffic to log",
)
