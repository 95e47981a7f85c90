"""Amazon EC2: VPCs, route tables and gateways."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Step,
    Update,
    setting,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.calls import unless_gone, value_at
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.ec2_endpoints import FLOW_LOG, VPC_ENDPOINT
from sageloop.local_cloud.cloudformation.providers.ec2_security import SECURITY
from sageloop.local_cloud.cloudformation.providers.ec2_tags import ec2_tags
from sageloop.local_cloud.cloudformation.scalars import is_true


def _vpc_defaults(context: ProviderContext) -> dict[str, Any]:
    of_vpc = {"Name": "vpc-id", "Values": [context.id]}
    groups = context.call(
        "DescribeSecurityGroups", Filters=[of_vpc, {"Name": "group-name", "Values": ["default"]}]
    )
    acls = context.call(
        "DescribeNetworkAcls", Filters=[of_vpc, {"Name": "default", "Values": ["true"]}]
    )
    return {
        "DefaultSecurityGroup": value_at(groups, "SecurityGroups.0.GroupId"),
        "DefaultNetworkAcl": value_at(acls, "NetworkAcls.0.NetworkAclId"),
    }


def _associations(context: ProviderContext) -> dict[str, Any]:
    response = context.call("DescribeVpcs", VpcIds=[context.id])
    listed = value_at(response, "Vpcs.0.CidrBlockAssociationSet") or []
    return {**_vpc_defaults(context), "CidrBlockAssociations": [a["AssociationId"] for a in listed]}


def _acl_of_subnet(context: ProviderContext) -> dict[str, Any]:
    response = context.call(
        "DescribeNetworkAcls", Filters=[{"Name": "association.subnet-id", "Values": [context.id]}]
    )
    for association in value_at(response, "NetworkAcls.0.Associations") or ():
        if association.get("SubnetId") == context.id:
            return {"NetworkAclAssociationId": association["NetworkAclAssociationId"]}
    return {}


def _attribute(name: str, call: str, on: dict[str, str], reset: str) -> Step:
    return setting(name, call, to=name, on=on, of=lambda v: {"Value": v}, reset={"Value": reset})


_ROUTE_TARGETS = (
    "GatewayId NatGatewayId InstanceId NetworkInterfaceId TransitGatewayId VpcEndpointId "
    "VpcPeeringConnectionId EgressOnlyInternetGatewayId CarrierGatewayId LocalGatewayId"
)
_DESTINATIONS = "DestinationCidrBlock DestinationIpv6CidrBlock DestinationPrefixListId"


def _destination(context: ProviderContext) -> dict[str, Any]:
    properties = {**context.previous, **context.properties}
    return {name: properties[name] for name in _DESTINATIONS.split() if name in properties}


def _route_id(context: ProviderContext) -> dict[str, Any]:
    where = next(iter(_destination(context).values()))
    return {"CidrBlock": where}


def _replace_route(context: ProviderContext) -> None:
    targets = {k: v for k, v in context.properties.items() if k in _ROUTE_TARGETS.split()}
    table = context.properties["RouteTableId"]
    context.call("ReplaceRoute", RouteTableId=table, **_destination(context), **targets)


class _Route(ApiResource):
    """A route, identified by its table and destination, which the create response omits."""

    def _complete(self, context: ProviderContext) -> None:
        super()._complete(context)
        context.id = f"{context.properties['RouteTableId']}|{context.attributes['CidrBlock']}"

    def _delete(self, context: ProviderContext) -> None:
        table = {**context.previous, **context.properties}["RouteTableId"]
        unless_gone(
            names("InvalidRoute.NotFound InvalidRouteTableID.NotFound"),
            lambda: context.call("DeleteRoute", RouteTableId=table, **_destination(context)),
        )


def _acl_entry(context: ProviderContext, params: dict[str, Any]) -> None:
    params.setdefault("Egress", False)


def _delete_acl_entry(context: ProviderContext) -> None:
    entry = {**context.previous, **context.properties}
    acl, number, egress = entry["NetworkAclId"], entry["RuleNumber"], is_true(entry.get("Egress"))
    entries = value_at(
        context.call("DescribeNetworkAcls", NetworkAclIds=[acl]), "NetworkAcls.0.Entries"
    )
    if any(e["RuleNumber"] == int(number) and e["Egress"] is egress for e in entries or ()):
        context.call("DeleteNetworkAclEntry", NetworkAclId=acl, RuleNumber=number, Egress=egress)


def _associate_acl(context: ProviderContext, params: dict[str, Any]) -> None:
    context.id = str(params.pop("SubnetId"))
    params["AssociationId"] = _acl_of_subnet(context)["NetworkAclAssociationId"]


PROVIDERS: dict[str, CoveredProvider] = {
    **SECURITY,
    "AWS::EC2::VPCEndpoint": VPC_ENDPOINT,
    "AWS::EC2::FlowLog": FLOW_LOG,
    "AWS::EC2::VPC": ApiResource(
        service="ec2",
        create_call="CreateVpc",
        takes=takes("CidrBlock InstanceTenancy"),
        ref="Vpc.VpcId",
        attributes={"VpcId": "{id}", "CidrBlock": "{prop[CidrBlock]}"},
        more_attributes=_associations,
        steps=(
            _attribute("EnableDnsSupport", "ModifyVpcAttribute", {"VpcId": "{id}"}, "true"),
            _attribute("EnableDnsHostnames", "ModifyVpcAttribute", {"VpcId": "{id}"}, "false"),
        ),
        tagging=ec2_tags("vpc"),
        delete_call="DeleteVpc",
        delete_on={"VpcId": "{id}"},
        gone=names("InvalidVpcID.NotFound"),
    ),
    "AWS::EC2::Subnet": ApiResource(
        service="ec2",
        create_call="CreateSubnet",
        takes=takes("VpcId CidrBlock AvailabilityZone AvailabilityZoneId Ipv6CidrBlock"),
        ref="Subnet.SubnetId",
        describe=("DescribeSubnets", {"SubnetIds": ["{id}"]}, "Subnets.0"),
        attributes={
            "SubnetId": "{id}", "VpcId": "VpcId", "CidrBlock": "CidrBlock",
            "AvailabilityZone": "AvailabilityZone", "AvailabilityZoneId": "AvailabilityZoneId",
        },
        more_attributes=_acl_of_subnet,
        steps=(
            _attribute("MapPublicIpOnLaunch", "ModifySubnetAttribute", {"SubnetId": "{id}"},
                       "false"),
            _attribute("AssignIpv6AddressOnCreation", "ModifySubnetAttribute",
                       {"SubnetId": "{id}"}, "false"),
        ),
        tagging=ec2_tags("subnet"),
        delete_call="DeleteSubnet",
        delete_on={"SubnetId": "{id}"},
        gone=names("InvalidSubnetID.NotFound"),
    ),
    "AWS::EC2::RouteTable": ApiResource(
        service="ec2",
        create_call="CreateRouteTable",
        takes=takes("VpcId"),
        ref="RouteTable.RouteTableId",
        attributes={"RouteTableId": "{id}", "VpcId": "{prop[VpcId]}"},
        tagging=ec2_tags("route-table"),
        delete_call="DeleteRouteTable",
        delete_on={"RouteTableId": "{id}"},
        gone=names("InvalidRouteTableID.NotFound"),
    ),
    "AWS::EC2::Route": _Route(
        service="ec2",
        create_call="CreateRoute",
        takes=takes(f"RouteTableId {_DESTINATIONS} {_ROUTE_TARGETS}"),
        ref="{prop[RouteTableId]}",
        more_attributes=_route_id,
        steps=(Step(properties=_ROUTE_TARGETS, apply=_replace_route, on_create=False),),
    ),
    "AWS::EC2::SubnetRouteTableAssociation": ApiResource(
        service="ec2",
        create_call="AssociateRouteTable",
        takes=takes("RouteTableId SubnetId"),
        ref="AssociationId",
        attributes={"Id": "{id}"},
        delete_call="DisassociateRouteTable",
        delete_on={"AssociationId": "{id}"},
        gone=names("InvalidAssociationID.NotFound"),
    ),
    "AWS::EC2::InternetGateway": ApiResource(
        service="ec2",
        create_call="CreateInternetGateway",
        ref="InternetGateway.InternetGatewayId",
        attributes={"InternetGatewayId": "{id}"},
        tagging=ec2_tags("internet-gateway"),
        delete_call="DeleteInternetGateway",
        delete_on={"InternetGatewayId": "{id}"},
        gone=names("InvalidInternetGatewayID.NotFound InvalidInternetGatewayId.NotFound"),
    ),
    "AWS::EC2::VPCGatewayAttachment": ApiResource(
        service="ec2",
        create_call="AttachInternetGateway",
        takes=takes("InternetGatewayId VpcId"),
        ref="IGW|{prop[VpcId]}",
        more_attributes=lambda context: {"AttachmentType": "IGW"},
        delete_call="DetachInternetGateway",
        delete_on={"InternetGatewayId": "{prop[InternetGatewayId]}", "VpcId": "{prop[VpcId]}"},
        gone=names("Gateway.NotAttached InvalidInternetGatewayID.NotFound "
                   "InvalidInternetGatewayId.NotFound InvalidVpcID.NotFound"),
    ),
    "AWS::EC2::EIP": ApiResource(
        service="ec2",
        create_call="AllocateAddress",
        takes=takes("Domain Address PublicIpv4Pool NetworkBorderGroup"),
        ref="PublicIp",
        attributes={"AllocationId": "AllocationId", "PublicIp": "PublicIp"},
        tagging=ec2_tags("elastic-ip", on="{att[AllocationId]}"),
        delete_call="ReleaseAddress",
        delete_on={"AllocationId": "{att[AllocationId]}"},
        gone=names("InvalidAllocationID.NotFound"),
    ),
    "AWS::EC2::NatGateway": ApiResource(
        service="ec2",
        create_call="CreateNatGateway",
        takes=takes("AllocationId SubnetId ConnectivityType PrivateIpAddress"),
        ref="NatGateway.NatGatewayId",
        attributes={"NatGatewayId": "{id}"},
        tagging=ec2_tags("natgateway"),
        delete_call="DeleteNatGateway",
        delete_on={"NatGatewayId": "{id}"},
        gone=names("NatGatewayNotFound InvalidNatGatewayID.NotFound"),
    ),
    "AWS::EC2::NetworkAcl": ApiResource(
        service="ec2",
        create_call="CreateNetworkAcl",
        takes=takes("VpcId"),
        ref="NetworkAcl.NetworkAclId",
        attributes={"Id": "{id}"},
        tagging=ec2_tags("network-acl"),
        delete_call="DeleteNetworkAcl",
        delete_on={"NetworkAclId": "{id}"},
        gone=names("InvalidNetworkAclID.NotFound"),
    ),
    "AWS::EC2::NetworkAclEntry": ApiResource(
        service="ec2",
        create_call="CreateNetworkAclEntry",
        takes=takes("CidrBlock Egress Ipv6CidrBlock NetworkAclId PortRange Protocol RuleAction "
                    "RuleNumber", Icmp="IcmpTypeCode"),
        prepare=_acl_entry,
        ref="{prop[NetworkAclId]}|{prop[RuleNumber]}",
        attributes={"Id": "{id}"},
        updates=(
            Update(call="ReplaceNetworkAclEntry", on={}, whole=True,
                   takes=takes("NetworkAclId RuleNumber Egress CidrBlock Ipv6CidrBlock PortRange "
                               "Protocol RuleAction", Icmp="IcmpTypeCode"),
                   reset={"Egress": False}),
        ),
        before_delete=_delete_acl_entry,
        gone=names("InvalidNetworkAclEntry.NotFound InvalidNetworkAclID.NotFound"),
    ),
    "AWS::EC2::SubnetNetworkAclAssociation": ApiResource(
        service="ec2",
        create_call="ReplaceNetworkAclAssociation",
        takes=takes("NetworkAclId SubnetId"),
        prepare=_associate_acl,
        ref="NewAssociationId",
        attributes={"AssociationId": "{id}"},
    ),
}  # fmt: skip
