"""Constructs with existing keys, buckets, networks, roles, topics and alarms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from constructs_lib import (
    ChampionEndpoint,
    ConfigurationError,
    DataStore,
    DataStoreBase,
    DatePartitionedDataset,
    Endpoint,
    Gate,
    HostingRole,
    JobSpecification,
    ModelRegistry,
    PrivateNetwork,
    RetrainingLoop,
    StateTable,
    TrainingJob,
    TrainingRole,
    XGBoost,
)

_KEY = "arn:aws:kms:eu-west-1:111122223333:key/mine"
_THEIRS = ("AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::VPCEndpoint", "AWS::KMS::Key",
           "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SNS::Topic",
           "AWS::SageMaker::ModelPackageGroup", "Custom::DefaultSecurityGroup")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """Existing resources that this library did not create."""

    stack: Stack
    store: DataStoreBase
    state: StateTable
    network: PrivateNetwork
    topic: sns.ITopic
    role: iam.IRole

    def job(self) -> TrainingJob:
        specification = JobSpecification(
            algorithm=XGBoost(hyperparameters={"num_round": 10, "eval_metric": "mae"}),
            store=self.store, data=DatePartitionedDataset(prefix="days/"),
            security_group_ids=["sg-1"],
            subnet_ids=self.network.subnet_ids,
            role=TrainingRole.from_role(self.stack, "Training", self.role),
        )  # fmt: skip
        return TrainingJob(
            self.stack, "Job", job="demo", specification=specification, state=self.state,
            network=self.network,
        )  # fmt: skip

    def champion(self) -> ChampionEndpoint:
        return ChampionEndpoint(
            self.stack, "Champion", endpoint_name="demo", store=self.store, state=self.state,
            registry=ModelRegistry.from_group_name(self.stack, "Registry", group_name="mine"),
            network=self.network, alert_topic=self.topic,
            role=HostingRole.from_role(self.stack, "Hosting", self.role),
        )  # fmt: skip

    def endpoint(self) -> Endpoint:
        return Endpoint(
            self.stack, "Endpoint", endpoint_name="demo", image="repository/image:1",
            model_data="models/1/m.tar.gz", store=self.store, network=self.network,
            role=HostingRole.from_role(self.stack, "Hosting", self.role), alert_topic=self.topic,
        )  # fmt: skip

    def loop(self) -> RetrainingLoop:
        return RetrainingLoop(
            self.stack, "Loop", job=self.job(), endpoint=self.champion(), network=self.network,
            model_quality_alarm=cloudwatch.Alarm.from_alarm_name(self.stack, "Model", "model"),
            gate=Gate(threshold=1),
        )  # fmt: skip


def _theirs() -> Theirs:
    stack = Stack(App(), "Theirs")
    key = kms.Key.from_key_arn(stack, "Key", _KEY)
    vpc = ec2.Vpc.from_vpc_attributes(
        stack, "Vpc", vpc_id="vpc-1", availability_zones=["a", "b"],
        private_subnet_ids=["subnet-1", "subnet-2"],
    )  # fmt: skip
    topic = sns.Topic.from_topic_attributes(
        stack, "Topic", topic_arn="arn:aws:sns:eu-west-1:111122223333:mine", key_arn=_KEY
    )
    table = dynamodb.Table.from_table_name(stack, "Table", "mine")
    return Theirs(
        stack=stack,
        store=DataStore.from_bucket(
            stack, "Store", bucket=s3.Bucket.from_bucket_name(stack, "Bucket", "mine"), key=key
        ),
        state=StateTable.from_table(stack, "State", table=table, key=key),
        network=PrivateNetwork.from_vpc(stack, "Network", vpc=vpc),
        topic=topic,
        role=iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::111122223333:role/mine"),
    )


@pytest.fixture(scope="module")
def templates() -> dict[str, Template]:
    """One stack per construct, with that construct and what it cannot do without, to read."""
    result = {}
    for construct in ("job", "champion", "endpoint", "loop"):
        theirs = _theirs()
        {"job": theirs.job, "champion": theirs.champion, "endpoint": theirs.endpoint,
         "loop": theirs.loop}[construct]()  # fmt: skip
        result[construct] = Template.from_stack(theirs.stack)
    return result


def _resources(template: Template) -> dict[str, Any]:
    resources: dict[str, Any] = template.to_json()["Resources"]
    return resources


def _to_their_role(template: Template) -> tuple[str, list[dict[str, Any]]]:
    """The one policy that was attached to the imported role: logical id and statements."""
    ((name, policy),) = template.find_resources("AWS::IAM::Policy").items()
    assert policy["Properties"]["Roles"] == ["mine"]
    statements: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return name, statements


@pytest.mark.parametrize("construct", ["job", "champion", "endpoint", "loop"])
def test_existing_resources_are_not_created(templates: dict[str, Template], construct: str) -> None:
    made = {resource["Type"] for resource in _resources(templates[construct]).values()}

    assert made.isdisjoint(_THEIRS)


@pytest.mark.parametrize("construct", ["job", "champion", "endpoint", "loop"])
def test_roles_are_made_for_functions_only(templates: dict[str, Template], construct: str) -> None:
    roles = templates[construct].find_resources("AWS::IAM::Role").values()

    assert {
        statement["Principal"]["Service"]
        for role in roles
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    } <= {"lambda.amazonaws.com"}


def test_existing_role_can_read_data_of_job(templates: dict[str, Template]) -> None:
    _, statements = _to_their_role(templates["job"])

    permissions = json.dumps(statements)
    assert "s3:GetObject" in permissions
    assert "s3:PutObject" in permissions
    assert _KEY in permissions
    assert "logs:" not in permissions


def test_job_depends_on_grants_of_existing_role(templates: dict[str, Template]) -> None:
    policy, _ = _to_their_role(templates["job"])

    (resource,) = templates["job"].find_resources("Custom::TrainingJob").values()
    assert policy in resource["DependsOn"]


def test_model_depends_on_grants_of_existing_role(templates: dict[str, Template]) -> None:
    policy, statements = _to_their_role(templates["endpoint"])

    (model,) = templates["endpoint"].find_resources("AWS::SageMaker::Model").values()
    assert policy in model["DependsOn"]
    assert model["Properties"]["ExecutionRoleArn"] == "arn:aws:iam::111122223333:role/mine"
    assert "cloudwatch:DescribeAlarms" in json.dumps(statements)


@pytest.mark.parametrize("construct", ["job", "champion", "loop"])
def test_functions_use_existing_network_and_key(
    templates: dict[str, Template], construct: str
) -> None:
    for function in templates[construct].find_resources("AWS::Lambda::Function").values():
        properties = function["Properties"]
        assert properties["VpcConfig"]["SubnetIds"] == ["subnet-1", "subnet-2"]
        assert properties["KmsKeyArn"] == _KEY


def test_alerts_use_key_of_existing_topic(templates: dict[str, Template]) -> None:
    policies = templates["champion"].find_resources("AWS::IAM::ManagedPolicy").values()

    paging = [
        policy["Properties"]["PolicyDocument"]["Statement"]
        for policy in policies
        if "sns:Publish" in json.dumps(policy)
    ]
    assert paging
    assert all('["sns."' in json.dumps(statements) for statements in paging)


def test_loop_uses_existing_alarm(templates: dict[str, Template]) -> None:
    rules = json.dumps(templates["loop"].find_resources("AWS::Events::Rule"))

    assert ":alarm:model" in rules


def test_existing_registry_keeps_its_name(templates: dict[str, Template]) -> None:
    policies = json.dumps(templates["loop"].find_resources("AWS::IAM::ManagedPolicy"))

    assert ":model-package-group/mine" in policies
    assert ":model-package/mine/*" in policies


def test_network_without_private_subnets_is_refused(stack: Stack) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack, "Vpc", vpc_id="vpc-1", availability_zones=["a"], public_subnet_ids=["subnet-1"]
    )

    with pytest.raises(ConfigurationError, match="isolated or private subnets of the VPC"):
        PrivateNetwork.from_vpc(stack, "Network", vpc=vpc)


def test_imported_endpoint_can_be_invoked_and_monitored(stack: Stack) -> None:
    endpoint = ChampionEndpoint.from_endpoint_name(stack, "Mine", endpoint_name="mine")
    people = iam.Role(stack, "People", assumed_by=iam.AccountRootPrincipal())

    endpoint.grant_invoke(people)

    assert endpoint.metric_promotions().dimensions == {"EndpointName": "mine"}
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    assert ":endpoint/mine" in json.dumps(policy)


def test_imported_jobs_can_be_stopped_by_prefix(stack: Stack) -> None:
    people = iam.Role(stack, "People", assumed_by=iam.AccountRootPrincipal())

    TrainingJob.from_job_name(stack, "Mine", job="mine").grant_stop(people)

    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    assert f':training-job/mine-{"?" * 12}"' in json.dumps(policy)
