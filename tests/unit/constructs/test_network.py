from __future__ import annotations

import json

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk.assertions import Template

from constructs_lib import ConfigurationError, PrivateNetwork


@pytest.fixture(scope="module")
def template() -> Template:
    """A stack with a network of its own, to read."""
    stack = Stack(App(), "Test")
    PrivateNetwork(stack, "Network")
    return Template.from_stack(stack)


def test_network_has_no_internet_access(template: Template) -> None:
    template.resource_count_is("AWS::EC2::InternetGateway", 0)
    template.resource_count_is("AWS::EC2::NatGateway", 0)
    template.resource_count_is("AWS::EC2::Subnet", 2)
    template.resource_count_is("AWS::EC2::FlowLog", 1)


def test_network_has_selected_interface_endpoints_only(stack: Stack) -> None:
    PrivateNetwork(stack, "Network", interfaces=["SageMakerApi", "Sts"])

    endpoints = Template.from_stack(stack).find_resources(
        "AWS::EC2::VPCEndpoint", {"Properties": {"VpcEndpointType": "Interface"}}
    )
    assert len(endpoints) == 2


def test_network_refuses_an_unknown_interface(stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match=r"interfaces must be one of .*'Internet'"):
        PrivateNetwork(stack, "Network", interfaces=["Internet"])


@pytest.mark.parametrize(
    ("cidr", "zones", "message"),
    [
        ("300.0.0.0/16", 2, "cidr must be an IPv4 CIDR range such as 10.0.0.0/16, got '300"),
        ("10.0.0.0/19", 3, "must have a prefix length from /16 to /18 for 3 zones"),
        ("10.0.0.0/20", 2, "must have a prefix length from /16 to /19 for 2 zones"),
        ("10.0.0.0/15", 2, "must have a prefix length from /16 to /19 for 2 zones"),
        ("10.0.1.0/16", 2, r"did you mean 10\.0\.0\.0/16\?, got '10\.0\.1\.0/16'"),
        ("172.17.0.0/16", 2, "must not overlap 172.17.0.0/16"),
    ],
)
def test_network_refuses_cidr_without_room_for_subnets(
    stack: Stack, cidr: str, zones: int, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PrivateNetwork(stack, "Network", cidr=cidr, zones=zones)


@pytest.mark.parametrize(("cidr", "zones"), [("10.0.0.0/18", 3), ("10.0.0.0/19", 2)])
def test_smallest_cidr_has_a_subnet_in_each_zone(cidr: str, zones: int) -> None:
    stack = Stack(App(), "Test", env=Environment(account="123456789012", region="us-east-1"))
    PrivateNetwork(stack, "Network", cidr=cidr, zones=zones)

    Template.from_stack(stack).resource_count_is("AWS::EC2::Subnet", zones)


def test_s3_endpoint_policy_allows_custom_resource_responses(template: Template) -> None:
    gateways = template.find_resources(
        "AWS::EC2::VPCEndpoint", {"Properties": {"VpcEndpointType": "Gateway"}}
    )
    assert "cloudformation-custom-resource-response-" in json.dumps(gateways)


def test_default_group_is_emptied_and_deleted_before_endpoints(template: Template) -> None:
    (closed,) = template.find_resources("Custom::DefaultSecurityGroup").values()
    for kind in ("AWS::EC2::VPCEndpoint", "AWS::EC2::SubnetRouteTableAssociation"):
        assert set(template.find_resources(kind)) <= set(closed["DependsOn"])


def test_network_has_no_other_function(template: Template) -> None:
    functions = template.find_resources("AWS::Lambda::Function").values()
    assert {f["Properties"]["Runtime"] for f in functions} == {"python3.13"}


def test_security_group_has_no_inbound_rules(stack: Stack) -> None:
    network = PrivateNetwork(stack, "Network")

    group = network.security_group(stack, "Group", description="Jobs")

    properties = Template.from_stack(stack).find_resources("AWS::EC2::SecurityGroup")[
        stack.get_logical_id(group.node.default_child)  # type: ignore[arg-type]
    ]["Properties"]
    assert "SecurityGroupIngress" not in properties
    assert [(rule["FromPort"], rule["ToPort"]) for rule in properties["SecurityGroupEgress"]] == [
        (443, 443)
    ]


def test_network_from_vpc_defines_nothing(stack: Stack) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack, "Mine", vpc_id="vpc-1", availability_zones=["a", "b"],
        isolated_subnet_ids=["subnet-1", "subnet-2"],
    )  # fmt: skip

    network = PrivateNetwork.from_vpc(stack, "Network", vpc=vpc)

    assert network.subnet_ids == ["subnet-1", "subnet-2"]
    assert Template.from_stack(stack).to_json().get("Resources", {}) == {}


def test_network_has_endpoints_of_sts_logs_and_metrics(template: Template) -> None:
    endpoints = template.find_resources("AWS::EC2::VPCEndpoint").values()
    services = json.dumps([endpoint["Properties"]["ServiceName"] for endpoint in endpoints])

    for service in ("sts", "logs", "monitoring"):
        assert f'.{service}"' in services
