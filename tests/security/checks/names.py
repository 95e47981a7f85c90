"""Compares ARNs in policies with the names of resources: a pattern without match allows nothing.

A resource without a name in the template receives one from CloudFormation; functions, SageMaker and
Application Auto Scaling create others at run time, by the rules of this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.security.checks import policies
from tests.security.checks.flatten import Template, as_list
from tests.security.checks.reference import meets
from tests.security.checks.wiring import CombinedStacks

_OWN = "us-east-1:123456789012"


@dataclass(frozen=True, slots=True)
class Kind:
    """The names of a resource type: ARN before the name, property, generated name.

    ``generated`` has ``{stack}`` and ``{logical}``; the random suffix is a ``*``.
    """

    prefix: str
    member: str
    generated: str = "{stack}-{logical}-*"


# SageMaker's types use the logical id only, as observed for stacks on AWS; AWS documents the
# form "stack-logical-random" as an example only, not per type.
_LOGICAL_ID = "{logical}-*"
KINDS = {
    "AWS::CloudWatch::Alarm": Kind(f"arn:aws:cloudwatch:{_OWN}:alarm:", "AlarmName"),
    "AWS::DynamoDB::Table": Kind(f"arn:aws:dynamodb:{_OWN}:table/", "TableName"),
    "AWS::IAM::Role": Kind("arn:aws:iam::123456789012:role/", "RoleName"),
    "AWS::Lambda::Function": Kind(f"arn:aws:lambda:{_OWN}:function:", "FunctionName"),
    "AWS::Logs::LogGroup": Kind(f"arn:aws:logs:{_OWN}:log-group:", "LogGroupName"),
    "AWS::SNS::Topic": Kind(f"arn:aws:sns:{_OWN}:", "TopicName"),
    "AWS::SQS::Queue": Kind(f"arn:aws:sqs:{_OWN}:", "QueueName"),
    "AWS::SageMaker::Endpoint": Kind(
        f"arn:aws:sagemaker:{_OWN}:endpoint/", "EndpointName", _LOGICAL_ID
    ),
    "AWS::SageMaker::EndpointConfig": Kind(
        f"arn:aws:sagemaker:{_OWN}:endpoint-config/", "EndpointConfigName", _LOGICAL_ID
    ),
    "AWS::SageMaker::InferenceComponent": Kind(
        f"arn:aws:sagemaker:{_OWN}:inference-component/", "InferenceComponentName", _LOGICAL_ID
    ),
    "AWS::SageMaker::Model": Kind(f"arn:aws:sagemaker:{_OWN}:model/", "ModelName", _LOGICAL_ID),
    "AWS::SageMaker::ModelPackageGroup": Kind(
        f"arn:aws:sagemaker:{_OWN}:model-package-group/", "ModelPackageGroupName", _LOGICAL_ID
    ),
    "AWS::SageMaker::NotebookInstance": Kind(
        f"arn:aws:sagemaker:{_OWN}:notebook-instance/", "NotebookInstanceName", _LOGICAL_ID
    ),
    "AWS::SSM::Parameter": Kind(f"arn:aws:ssm:{_OWN}:parameter/", "Name"),
}
_HASH = "0123456789ab"
_SEARCH = _HASH[:10]
_JOBS = {
    "Custom::TrainingJob": [("training-job", _HASH)],
    "Custom::TuningJob": [
        ("hyper-parameter-tuning-job", _SEARCH),
        ("training-job", f"{_SEARCH}-001-01234567"),
        ("training-job", f"{_SEARCH}-1000-01234567"),
    ],
    "Custom::ProcessingJob": [("processing-job", _HASH)],
    "Custom::TransformJob": [("transform-job", _HASH)],
}
_OF_STACK = "01234567"
_LONGEST_STEM = 50


@dataclass(frozen=True, slots=True)
class Made:
    """A resource of the stacks: its ARN with unknown parts as ``${Any}``, and its type's part."""

    prefix: str
    name: str

    @property
    def arn(self) -> str:
        """Prefix and name."""
        return f"{self.prefix}{self.name}"


def faults(templates: Mapping[str, Template]) -> Iterator[str]:
    """Messages for every ARN of an identity policy that no resource of its type has."""
    combined = CombinedStacks(templates)
    made = list(things(combined))
    prefixes = sorted({each.prefix for each in made}, key=len, reverse=True)
    for holder, document in policies.documents(combined, templates):
        for statement in document["Statement"]:
            for resource in as_list(statement["Resource"]):
                kind = next((each for each in prefixes if resource.startswith(each)), None)
                same = [each.arn for each in made if each.prefix == kind]
                if kind is not None and not any(meets(resource, each) for each in same):
                    yield f"{holder}: no name matches {resource}; there are {', '.join(same)}"


def things(combined: CombinedStacks) -> Iterator[Made]:
    """All resources of the stacks, from the deployment and from run time."""
    for name, properties in combined.flat.items():
        kind = combined.types[name]
        if kind in KINDS:
            yield from _resource(combined, name, properties, KINDS[kind])
        for resource, suffix in _JOBS.get(kind, []):
            job = str(properties["Job"])
            yield Made(f"arn:aws:sagemaker:{_OWN}:{resource}/", f"{job}-{suffix}")
        if kind == "Custom::ChampionEndpoint":
            yield from _of_champion(str(properties["EndpointName"]))
        if kind in ("AWS::SageMaker::Endpoint", "Custom::ChampionEndpoint"):
            endpoint = str(properties["EndpointName"])
            yield Made(KINDS["AWS::CloudWatch::Alarm"].prefix,
                       f"TargetTracking-endpoint/{endpoint}/variant/${{Variant}}-AlarmHigh-${{Id}}"
                       )  # fmt: skip
    yield from _of_services()


def _resource(
    combined: CombinedStacks, name: str, properties: Mapping[str, Any], kind: Kind
) -> Iterator[Made]:
    stack, logical = name.split("/")
    value = properties.get(kind.member)
    if value is None:
        known = kind.generated.format(stack=stack, logical=logical).replace("*", "${Random}")
    else:
        known = str(policies.literal(combined, name, str(value))).lstrip("/")
    if kind is KINDS["AWS::SageMaker::ModelPackageGroup"] and "<" in known:
        # Its name ends with a part of the stack's id.
        known = f"{known.partition('<')[0]}{_OF_STACK}"
    # The sample of a reference represents the resource's name.
    for text in (known, policies.sample_name(name)):
        yield Made(kind.prefix, text)
        if kind is KINDS["AWS::Logs::LogGroup"]:
            yield Made(kind.prefix, f"{text}:log-stream:${{Stream}}")
        if kind is KINDS["AWS::SageMaker::ModelPackageGroup"]:
            yield Made(kind.prefix.replace("-group/", "/"), f"{text}/1")


def _of_champion(endpoint: str) -> Iterator[Made]:
    """Resources of the promote function: see ``sageloop_runtime.names``."""
    stem = endpoint[:_LONGEST_STEM].rstrip("-")
    yield Made(KINDS["AWS::SageMaker::Endpoint"].prefix, endpoint)
    for resource in ("Model", "EndpointConfig"):
        yield Made(KINDS[f"AWS::SageMaker::{resource}"].prefix, f"{stem}-{_HASH}")


def _of_services() -> Iterator[Made]:
    """Resources that services create with names of their own."""
    for group in ("Endpoints/${Endpoint}", "NotebookInstances", "ProcessingJobs", "TrainingJobs"):
        for part in ("", ":log-stream:${Stream}"):
            yield Made(KINDS["AWS::Logs::LogGroup"].prefix, f"/aws/sagemaker/{group}{part}")
    yield Made(KINDS["AWS::IAM::Role"].prefix,
               "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
               "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")  # fmt: skip
