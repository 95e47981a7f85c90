"""Calls from a VPC: the policies of its endpoints, and the condition keys that they set."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from request_stage import client, served
from roles import FUNCTION, LAMBDA, SAGEMAKER, allowing, hosting_role, trust

from sageloop.local_cloud.access.caller import SessionOrigin
from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage

ACCOUNT = "123456789012"
REGION = "us-east-1"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
FEATURE = "access: calls from a VPC pass the policies of its endpoints"
ANYBODY: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
ONLY_OPEN = ANYBODY | {"Resource": ["arn:aws:s3:::open", "arn:aws:s3:::open/*"]}
READING = allowing("s3:GetObject", "s3:ListBucket", "sqs:ListQueues", "sts:*")


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served() as made:
        s3 = client(made, "s3")
        for bucket in ("open", "closed"):
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="a", Body=b"x")
        yield made


@dataclass(frozen=True)
class Network:
    """A VPC with one subnet, whose route table is the main one."""

    vpc: str
    subnet: str
    table: str

    @property
    def origin(self) -> SessionOrigin:
        return SessionOrigin(subnet_ids=(self.subnet,))


def network(cloud: Cloud) -> Network:
    ec2 = client(cloud, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    table = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]
    return Network(vpc, subnet, table)


def gateway(cloud: Cloud, place: Network, *statements: Any, table: str = "") -> str:
    made = client(cloud, "ec2").create_vpc_endpoint(
        VpcId=place.vpc, ServiceName=f"com.amazonaws.{REGION}.s3", VpcEndpointType="Gateway",
        RouteTableIds=[table or place.table], PolicyDocument=document(*statements),
    )  # fmt: skip
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def interface(cloud: Cloud, place: Network, service: str, *statements: Any, **more: Any) -> str:
    made = client(cloud, "ec2").create_vpc_endpoint(
        VpcId=place.vpc, ServiceName=f"com.amazonaws.{REGION}.{service}",
        VpcEndpointType="Interface", SubnetIds=[place.subnet],
        PolicyDocument=document(*statements), **more,
    )  # fmt: skip
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def role(cloud: Cloud, name: str, policy: dict[str, Any], *services: str) -> str:
    iam = client(cloud, "iam")
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(trust(*(services or (SAGEMAKER,))))
    )["Role"]["Arn"]  # fmt: skip
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    return str(made)


@pytest.fixture(scope="module")
def reader(cloud: Cloud) -> str:
    return role(cloud, "reader", READING)


def session(cloud: Cloud, service: str, arn: str, origin: SessionOrigin) -> Any:
    """A client with the keys that a function, a job or a model of a VPC gets."""
    keys = cloud.credentials_of(arn, "session", origin)
    return client(cloud, service, keys.access_key, keys.secret_key, keys.token)


def denial(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return str(refused.value.response["Error"]["Message"])


@pytest.mark.feature(FEATURE)
def test_call_needs_the_policy_of_the_gateway_endpoint(cloud: Cloud, reader: str) -> None:
    place = network(cloud)
    gateway(cloud, place, ONLY_OPEN)
    s3 = session(cloud, "s3", reader, place.origin)

    assert s3.get_object(Bucket="open", Key="a")["Body"].read() == b"x"
    message = denial(s3.get_object, Bucket="closed", Key="a")
    assert "because no VPC endpoint policy allows the s3:GetObject action" in message


def test_gateway_of_another_route_table_is_not_passed(cloud: Cloud, reader: str) -> None:
    place = network(cloud)
    table = client(cloud, "ec2").create_route_table(VpcId=place.vpc)["RouteTable"]["RouteTableId"]
    gateway(cloud, place, ONLY_OPEN, table=table)
    s3 = session(cloud, "s3", reader, place.origin)

    assert s3.get_object(Bucket="closed", Key="a")["Body"].read() == b"x"

    client(cloud, "ec2").associate_route_table(RouteTableId=table, SubnetId=place.subnet)
    assert "VPC endpoint policy" in denial(s3.get_object, Bucket="closed", Key="a")


def test_policy_of_an_interface_endpoint_is_for_its_service_only(cloud: Cloud, reader: str) -> None:
    place = network(cloud)
    interface(cloud, place, "sqs", ANYBODY | {"Action": "sqs:SendMessage"})

    message = denial(session(cloud, "sqs", reader, place.origin).list_queues)

    assert "because no VPC endpoint policy allows the sqs:ListQueues action" in message
    assert session(cloud, "sts", reader, place.origin).get_caller_identity()["Account"] == ACCOUNT


def test_interface_endpoint_without_private_names_is_not_passed(cloud: Cloud, reader: str) -> None:
    place = network(cloud)
    interface(cloud, place, "sqs", ANYBODY | {"Effect": "Deny"}, PrivateDnsEnabled=False)

    assert session(cloud, "sqs", reader, place.origin).list_queues()["ResponseMetadata"]


@pytest.mark.parametrize("key", ["aws:SourceVpc", "aws:SourceVpce"])
def test_bucket_is_open_to_one_vpc_only(cloud: Cloud, reader: str, key: str) -> None:
    inside, outside = network(cloud), network(cloud)
    endpoint = gateway(cloud, inside, ANYBODY)
    gateway(cloud, outside, ANYBODY)
    bucket = f"only-{key.rpartition(':')[2].lower()}"
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    value = inside.vpc if key == "aws:SourceVpc" else endpoint
    deny = {"Effect": "Deny", "Principal": {"AWS": reader}, "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
            "Condition": {"StringNotEquals": {key: value}}}  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=document(deny))

    inner = session(cloud, "s3", reader, inside.origin)
    assert inner.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    for origin in (outside.origin, SessionOrigin()):
        outer = session(cloud, "s3", reader, origin)
        assert "explicit deny" in denial(outer.get_object, Bucket=bucket, Key="a")


def test_vpc_without_an_endpoint_and_a_way_out_is_noted_once(cloud: Cloud, reader: str) -> None:
    place = network(cloud)
    s3 = session(cloud, "s3", reader, place.origin)

    for _ in range(2):
        s3.get_object(Bucket="open", Key="a")

    lines = [line for line in cloud.authorizer.log.unreachable if place.vpc in line]
    assert lines == [f"no endpoint for s3 in {place.vpc}, and no route to a NAT gateway"]


def test_vpc_with_a_nat_gateway_reaches_every_service(cloud: Cloud, reader: str) -> None:
    place = network(cloud)
    ec2 = client(cloud, "ec2")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=place.subnet, AllocationId=address)["NatGateway"]
    ec2.create_route(
        RouteTableId=place.table, DestinationCidrBlock="0.0.0.0/0",
        NatGatewayId=nat["NatGatewayId"],
    )  # fmt: skip

    session(cloud, "s3", reader, place.origin).get_object(Bucket="open", Key="a")

    assert not [line for line in cloud.authorizer.log.unreachable if place.vpc in line]


def test_internet_gateway_is_no_way_out(cloud: Cloud, reader: str) -> None:
    place = network(cloud)
    ec2 = client(cloud, "ec2")
    internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=place.vpc)
    ec2.create_route(RouteTableId=place.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=internet)

    session(cloud, "s3", reader, place.origin).get_object(Bucket="open", Key="a")

    assert [line for line in cloud.authorizer.log.unreachable if place.vpc in line]


def test_jobs_read_their_data_through_the_endpoint_of_their_vpc(cloud: Cloud, reader: str) -> None:
    place = network(cloud)
    gateway(cloud, place, ONLY_OPEN)
    inside = JobStorage(cloud, reader, {"Subnets": [place.subnet], "SecurityGroupIds": []})

    assert inside.keys("s3://open/") == ["a"]
    with pytest.raises(JobFailed, match="VPC endpoint policy"):
        inside.keys("s3://closed/")
    assert JobStorage(cloud, reader).keys("s3://closed/") == ["a"]


def test_model_data_is_read_through_the_endpoint_of_the_vpc_of_the_model(cloud: Cloud) -> None:
    place = network(cloud)
    gateway(cloud, place, ONLY_OPEN)
    arn = hosting_role(client(cloud, "iam"), "of-models")
    sagemaker = client(cloud, "sagemaker")
    sagemaker.create_model(
        ModelName="inside", ExecutionRoleArn=arn,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": "s3://closed/a"},
        VpcConfig={"Subnets": [place.subnet], "SecurityGroupIds": ["sg-1"]},
    )  # fmt: skip
    sagemaker.create_endpoint_config(
        EndpointConfigName="inside",
        ProductionVariants=[{"VariantName": "v", "ModelName": "inside", "InitialInstanceCount": 1,
                             "InstanceType": "ml.m5.large"}],
    )  # fmt: skip
    sagemaker.create_endpoint(EndpointName="inside", EndpointConfigName="inside")

    cloud.settle()

    assert sagemaker.describe_endpoint(EndpointName="inside")["EndpointStatus"] == "Failed"
    reads = [call for call in cloud.recorder.calls(action="s3:GetObject")
             if "/of-models/" in call.principal]  # fmt: skip
    assert "VPC endpoint policy" in reads[-1].access


_SOURCE = """
import boto3


def handler(event, context):
    try:
        boto3.client("s3").get_object(Bucket=event["bucket"], Key="a")
    except Exception as error:
        return str(error)
    return "read"
"""


def test_function_calls_from_its_vpc_with_its_own_arn(cloud: Cloud) -> None:
    place = network(cloud)
    gateway(cloud, place, ONLY_OPEN)
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:inside"
    reading: dict[str, Any] = {
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": arn}},
    }  # fmt: skip
    policy = allowing(*FUNCTION, "ec2:DescribeVpcs", "ec2:DescribeSecurityGroups")
    policy["Statement"].append(reading)
    used = role(cloud, "of-functions", policy, LAMBDA)
    for name in ("inside", "outside"):
        inner = {"VpcConfig": {"SubnetIds": [place.subnet], "SecurityGroupIds": []}}
        create_function(cloud, name, used, **(inner if name == "inside" else {}))

    assert invoke(cloud, "inside", "open") == "read"
    assert "VPC endpoint policy" in invoke(cloud, "inside", "closed")
    assert "no identity-based policy" in invoke(cloud, "outside", "open")


def create_function(cloud: Cloud, name: str, role_arn: str, **more: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", _SOURCE)
    functions = client(cloud, "lambda")
    functions.create_function(
        FunctionName=name, Runtime="python3.11", Handler="index.handler", Role=role_arn,
        Code={"ZipFile": packed.getvalue()}, Timeout=30, **more,
    )  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName=name)


def invoke(cloud: Cloud, name: str, bucket: str) -> str:
    payload = json.dumps({"bucket": bucket})
    answer = client(cloud, "lambda").invoke(FunctionName=name, Payload=payload)
    return str(json.loads(answer["Payload"].read()))
