"""EC2 resources through their providers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from tests.local.provider_bench import Bench, Made

FULL_ACCESS = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    cloud = Cloud(CloudConfig())
    cloud.start()
    yield Bench(cloud)
    cloud.stop()


@pytest.fixture(scope="module")
def vpc(bench: Bench) -> Made:
    return bench.create(
        "AWS::EC2::VPC",
        {"CidrBlock": "10.0.0.0/16", "EnableDnsHostnames": "true", "EnableDnsSupport": True,
         "Tags": [{"Key": "Name", "Value": "net"}]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def subnet(bench: Bench, vpc: Made) -> Made:
    return bench.create(
        "AWS::EC2::Subnet",
        {"VpcId": vpc.id, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-1a",
         "MapPublicIpOnLaunch": False},
    )  # fmt: skip


def test_vpc_has_its_defaults_and_tags(bench: Bench, vpc: Made) -> None:
    ec2 = bench.client("ec2")
    actual = ec2.describe_vpcs(VpcIds=[vpc.id])["Vpcs"][0]
    assert actual["Tags"] == [{"Key": "Name", "Value": "net"}]
    hostnames = ec2.describe_vpc_attribute(VpcId=vpc.id, Attribute="enableDnsHostnames")
    assert hostnames["EnableDnsHostnames"]["Value"] is True
    assert vpc["DefaultSecurityGroup"].startswith("sg-")
    assert vpc["DefaultNetworkAcl"].startswith("acl-")
    assert (vpc["VpcId"], vpc["CidrBlock"]) == (vpc.id, "10.0.0.0/16")
    assert len(vpc["CidrBlockAssociations"]) == 1


def test_vpc_update_keeps_its_attributes(bench: Bench) -> None:
    made = bench.create("AWS::EC2::VPC", {"CidrBlock": "10.1.0.0/16"}, stack="s")
    changed = bench.update(made, EnableDnsHostnames=True, Tags=[{"Key": "a", "Value": "b"}])
    assert changed.id == made.id
    assert changed["DefaultSecurityGroup"] == made["DefaultSecurityGroup"]
    tags = bench.client("ec2").describe_vpcs(VpcIds=[made.id])["Vpcs"][0]["Tags"]
    assert {t["Key"]: t["Value"] for t in tags} == {"stack": "s", "a": "b"}
    bench.delete_twice(changed)


def test_subnet_attributes_are_read(subnet: Made, vpc: Made) -> None:
    assert subnet["AvailabilityZone"] == "us-east-1a"
    assert (subnet["SubnetId"], subnet["VpcId"]) == (subnet.id, vpc.id)
    assert subnet["NetworkAclAssociationId"].startswith("aclassoc-")


def test_public_network_has_routes(bench: Bench, vpc: Made, subnet: Made) -> None:
    ec2 = bench.client("ec2")
    table = bench.create("AWS::EC2::RouteTable", {"VpcId": vpc.id})
    gateway = bench.create("AWS::EC2::InternetGateway", {"Tags": [{"Key": "a", "Value": "b"}]})
    attachment = bench.create(
        "AWS::EC2::VPCGatewayAttachment", {"VpcId": vpc.id, "InternetGatewayId": gateway.id}
    )
    association = bench.create(
        "AWS::EC2::SubnetRouteTableAssociation",
        {"RouteTableId": table.id, "SubnetId": subnet.id},
    )
    route = bench.create(
        "AWS::EC2::Route",
        {"RouteTableId": table.id, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway.id},
    )
    address = bench.create("AWS::EC2::EIP", {"Domain": "vpc"})
    nat = bench.create(
        "AWS::EC2::NatGateway", {"SubnetId": subnet.id, "AllocationId": address["AllocationId"]}
    )
    assert route.id == f"{table.id}|0.0.0.0/0"
    assert address.id == address["PublicIp"]
    route = bench.update(route, GatewayId=None, NatGatewayId=nat.id)
    actual = ec2.describe_route_tables(RouteTableIds=[table.id])["RouteTables"][0]
    assert nat.id in [r.get("NatGatewayId") for r in actual["Routes"]]
    bench.delete_twice(route)
    bench.delete(nat)
    bench.delete_twice(address)
    bench.delete_twice(association)
    bench.delete_twice(attachment)
    bench.delete_twice(gateway)
    bench.delete_twice(table)


CLOSED = {"IpProtocol": "icmp", "FromPort": "252", "ToPort": "86", "CidrIp": "255.255.255.255/32"}


def _rules(bench: Bench, group: Made, direction: str) -> list[dict[str, Any]]:
    actual = bench.client("ec2").describe_security_groups(GroupIds=[group.id])["SecurityGroups"][0]
    listed: list[dict[str, Any]] = actual[direction]
    return listed


def test_group_has_only_the_declared_egress(bench: Bench, vpc: Made) -> None:
    made = bench.create(
        "AWS::EC2::SecurityGroup",
        {"GroupDescription": "d", "VpcId": vpc.id, "SecurityGroupEgress": [CLOSED],
         "SecurityGroupIngress": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
                                   "CidrIp": "10.0.0.0/16", "Description": "inside"}]},
    )  # fmt: skip
    out = _rules(bench, made, "IpPermissionsEgress")
    assert [r["IpProtocol"] for r in out] == ["icmp"]
    inside = _rules(bench, made, "IpPermissions")
    assert inside[0]["IpRanges"] == [{"CidrIp": "10.0.0.0/16", "Description": "inside"}]
    assert made["GroupId"] == made.id
    made = bench.update(made, SecurityGroupIngress=None, SecurityGroupEgress=None)
    assert _rules(bench, made, "IpPermissions") == []
    assert [r["IpProtocol"] for r in _rules(bench, made, "IpPermissionsEgress")] == ["-1"]
    bench.delete_twice(made)


def test_separate_rules_are_added_to_and_removed_from_the_group(bench: Bench, vpc: Made) -> None:
    group = bench.create("AWS::EC2::SecurityGroup", {"GroupDescription": "d", "VpcId": vpc.id})
    other = bench.create("AWS::EC2::SecurityGroup", {"GroupDescription": "d", "VpcId": vpc.id})
    ingress = bench.create(
        "AWS::EC2::SecurityGroupIngress",
        {"GroupId": group.id, "IpProtocol": "tcp", "FromPort": 1, "ToPort": 2,
         "SourceSecurityGroupId": other.id},
    )  # fmt: skip
    egress = bench.create(
        "AWS::EC2::SecurityGroupEgress",
        {"GroupId": other.id, "IpProtocol": "tcp", "FromPort": 1, "ToPort": 2,
         "DestinationSecurityGroupId": group.id},
    )  # fmt: skip
    assert ingress.id.startswith("sgr-")
    pair = _rules(bench, group, "IpPermissions")[0]["UserIdGroupPairs"][0]
    assert pair["GroupId"] == other.id
    assert len(_rules(bench, other, "IpPermissionsEgress")) == 2
    bench.delete_twice(ingress)
    bench.delete_twice(egress)
    assert _rules(bench, group, "IpPermissions") == []
    assert len(_rules(bench, other, "IpPermissionsEgress")) == 1


def test_rule_with_an_unknown_property_is_refused(bench: Bench, vpc: Made) -> None:
    with pytest.raises(AwsError, match="no CidrIpp"):
        bench.create(
            "AWS::EC2::SecurityGroup",
            {"GroupDescription": "d", "VpcId": vpc.id,
             "SecurityGroupIngress": [{"IpProtocol": "-1", "CidrIpp": "10.0.0.0/8"}]},
        )  # fmt: skip


def test_gateway_and_interface_endpoints_are_created(bench: Bench, vpc: Made, subnet: Made) -> None:
    ec2 = bench.client("ec2")
    table = bench.create("AWS::EC2::RouteTable", {"VpcId": vpc.id})
    gateway = bench.create(
        "AWS::EC2::VPCEndpoint",
        {"VpcId": vpc.id, "ServiceName": "com.amazonaws.us-east-1.s3", "VpcEndpointType": "Gateway",
         "RouteTableIds": [table.id], "PolicyDocument": {"Statement": [FULL_ACCESS]}},
    )  # fmt: skip
    interface = bench.create(
        "AWS::EC2::VPCEndpoint",
        {"VpcId": vpc.id, "ServiceName": "com.amazonaws.us-east-1.logs",
         "VpcEndpointType": "Interface", "SubnetIds": [subnet.id], "PrivateDnsEnabled": "true",
         "SecurityGroupIds": [vpc["DefaultSecurityGroup"]]},
    )  # fmt: skip
    bare = bench.create(
        "AWS::EC2::VPCEndpoint",
        {"VpcId": vpc.id, "ServiceName": "com.amazonaws.us-east-1.dynamodb"},
    )
    actual = ec2.describe_vpc_endpoints(VpcEndpointIds=[interface.id])["VpcEndpoints"][0]
    assert actual["PrivateDnsEnabled"] is True
    assert actual["SubnetIds"] == [subnet.id]
    assert len(interface["NetworkInterfaceIds"]) == 1
    assert ":" in interface["DnsEntries"][0]
    other = bench.create("AWS::EC2::RouteTable", {"VpcId": vpc.id})
    gateway = bench.update(
        gateway, RouteTableIds=[other.id], PolicyDocument={"Statement": [FULL_ACCESS], "Id": "x"}
    )
    actual = ec2.describe_vpc_endpoints(VpcEndpointIds=[gateway.id])["VpcEndpoints"][0]
    assert actual["RouteTableIds"] == [other.id]
    assert json.loads(actual["PolicyDocument"])["Id"] == "x"
    for made in (gateway, interface, bare):
        bench.delete_twice(made)


def test_flow_log_is_created_and_deleted(bench: Bench, vpc: Made) -> None:
    bench.client("s3").create_bucket(Bucket="flow-logs")
    made = bench.create(
        "AWS::EC2::FlowLog",
        {"ResourceId": vpc.id, "ResourceType": "VPC", "TrafficType": "ALL",
         "LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::flow-logs"},
    )  # fmt: skip
    actual = bench.client("ec2").describe_flow_logs(FlowLogIds=[made.id])["FlowLogs"]
    assert actual[0]["ResourceId"] == vpc.id
    bench.delete_twice(made)


def test_flow_log_without_a_destination_fails_with_its_reason(bench: Bench, vpc: Made) -> None:
    with pytest.raises((AwsError, ClientError), match="no-such"):
        bench.create(
            "AWS::EC2::FlowLog",
            {"ResourceId": vpc.id, "ResourceType": "VPC", "TrafficType": "ALL",
             "LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::no-such"},
        )  # fmt: skip


def test_network_acl_is_associated_with_its_subnet(bench: Bench, vpc: Made) -> None:
    ec2 = bench.client("ec2")
    own = bench.create("AWS::EC2::Subnet", {"VpcId": vpc.id, "CidrBlock": "10.0.9.0/24"})
    acl = bench.create("AWS::EC2::NetworkAcl", {"VpcId": vpc.id})
    entry = bench.create(
        "AWS::EC2::NetworkAclEntry",
        {"NetworkAclId": acl.id, "RuleNumber": "100", "Protocol": 6, "RuleAction": "allow",
         "CidrBlock": "10.0.0.0/16", "PortRange": {"From": 443, "To": 443}},
    )  # fmt: skip
    association = bench.create(
        "AWS::EC2::SubnetNetworkAclAssociation", {"NetworkAclId": acl.id, "SubnetId": own.id}
    )
    actual = ec2.describe_network_acls(NetworkAclIds=[acl.id])["NetworkAcls"][0]
    assert 100 in [e["RuleNumber"] for e in actual["Entries"]]
    assert actual["Associations"][0]["NetworkAclAssociationId"] == association.id
    bench.delete_twice(entry)
    bench.delete(association)
