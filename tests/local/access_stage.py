"""A cloud whose roles and resources have exactly the policies of a test."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lambda_stage import ECHO, package
from roles import ACCOUNT, USER

from sageloop.local_cloud.access.enforcement.decision_log import DecisionRecord
from sageloop.local_cloud.access.enforcement.mode import AccessMode
from sageloop.local_cloud.cloudformation.service import CloudFormationService
from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.events.scheduler import SchedulerService
from sageloop.local_cloud.events.service import EventsService
from sageloop.local_cloud.functions.service import LambdaService
from sageloop.local_cloud.sagemaker.service import SageMakerService

REGION = "us-east-1"
# Jobs of this image are stored and not executed.
STORED = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/stored:1"
_numbers = itertools.count(1)


class Access:
    """The cloud, with short methods for policies and decisions."""

    def __init__(self) -> None:
        self.cloud = Cloud(CloudConfig(allow=frozenset({f"image:{STORED}"})))
        self.cloud.add(
            [
                SageMakerService(self.cloud), LambdaService(self.cloud),
                EventsService(self.cloud), SchedulerService(self.cloud),
                CloudWatchService(self.cloud), CloudFormationService(self.cloud),
            ]
        )  # fmt: skip
        self.cloud.start()

    def client(self, service: str) -> Any:
        """A client of the user, who may do everything."""
        return self.cloud.client(service, principal=USER)

    def name(self, kind: str = "r") -> str:
        """An unused name."""
        return f"{kind}-{next(_numbers)}"

    def role(self, trusted: dict[str, Any], *statements: dict[str, Any]) -> str:
        """A role with the statements of one inline policy named ``own``; returns its ARN."""
        name = self.name("role")
        made = self.client("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps(trusted)
        )
        if statements:
            self.client("iam").put_role_policy(
                RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document(*statements))
            )
        return str(made["Role"]["Arn"])

    def decisions(self, action: str, principal: str) -> list[DecisionRecord]:
        """The recorded decisions of a principal on an action."""
        return [
            record
            for record in self.cloud.authorizer.log.records()
            if record.action == action and record.principal == principal
        ]

    def settle(self) -> None:
        """Wait for the work in the background."""
        assert self.cloud.settle() == []


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, on: str | list[str] = "*", sid: str = "Own", **more: Any) -> Any:
    """A statement that allows actions."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def denied(call: Any, **params: Any) -> tuple[str, str]:
    """Code and message of the error of a call."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def queue(access: Access, statements: list[dict[str, Any]], **attributes: str) -> str:
    name = access.name("q")
    if statements:
        attributes["Policy"] = json.dumps(document(*statements))
    access.client("sqs").create_queue(QueueName=name, Attributes=attributes)
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def function(access: Access, role: str, source: str = ECHO, **members: Any) -> str:
    name = access.name("f")
    access.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.14", Handler="index.handler",
        Code={"ZipFile": package({"index.py": source})}, **members,
    )  # fmt: skip
    return name


def function_arn(name: str, *qualifier: str) -> str:
    return ":".join([f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}", *qualifier])


def messages(access: Access, arn: str) -> list[dict[str, Any]]:
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{arn.rpartition(':')[2]}"
    answer = access.client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


@pytest.fixture(scope="module")
def access() -> Iterator[Access]:
    """The cloud of a test module."""
    made = Access()
    yield made
    made.cloud.stop()


@pytest.fixture(autouse=True)
def enforced(access: Access) -> Iterator[None]:
    """Each test begins with access enforced."""
    yield
    access.cloud.authorizer.mode = AccessMode.ENFORCE
