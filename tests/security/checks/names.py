"""ARNs in policies against the names that things get: a pattern that no name has allows nothing.

A resource without a name in the template gets one from CloudFormation; functions, SageMaker and
Application Auto Scaling make others at run time, by rules that are written down here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.security.checks import policies
from tests.security.checks.flatten import Template, as_list
from tests.security.checks.reference import meets
from tests.security.checks.wiring import House

_OWN = "us-east-1:123456789012"


@dataclass(frozen=True, slots=True)
class Kind:
    """How the resources of a type are called: ARN before the name, property, generated name.

    ``generated`` holds ``{stack}`` and ``{logical}``; the random end is a ``*``.
    """

    prefix: str
    member: str
    generated: str = "{stack}-{logical}-*"


# Types of SageMaker's take the logical id alone, as their stacks on AWS show; AWS documents the
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
_JOBS = {
    "Custom::TrainingJob": ("training-job",),
    "Custom::TuningJob": ("hyper-parameter-tuning-job", "training-job"),
    "Custom::ProcessingJob": ("processing-job",),
    "Custom::TransformJob": ("transform-job",),
}
_HASH = "0123456789ab"
_LONGEST_STEM = 50


@dataclass(frozen=True, slots=True)
class Made:
    """Something that the stacks make: its ARN, unknown parts as ``${Any}``, and its kind's part."""

    prefix: str
    name: str

    @property
    def arn(self) -> str:
        """Prefix and name."""
        return f"{self.prefix}{self.name}"


def faults(templates: Mapping[str, Template]) -> Iterator[str]:
    """Every ARN of an identity policy that nothing of its kind has, in words."""
    house = House(templates)
    made = list(things(house))
    prefixes = sorted({each.prefix for each in made}, key=len, reverse=True)
    for holder, document in policies.documents(house, templates):
        for statement in document["Statement"]:
            for resource in as_list(statement["Resource"]):
                kind = next((each for each in prefixes if resource.startswith(each)), None)
                same = [each.arn for each in made if each.prefix == kind]
                if kind is not None and not any(meets(resource, each) for each in same):
                    yield f"{holder}: no name matches {resource}; there are {', '.join(same)}"


def things(house: House) -> Iterator[Made]:
    """All that the stacks make, when they are deployed and at run time."""
    for name, properties in house.flat.items():
        kind = house.types[name]
        if kind in KINDS:
            yield from _resource(house, name, properties, KINDS[kind])
        for resource in _JOBS.get(kind, ()):
            job = str(properties["Job"])
            yield Made(f"arn:aws:sagemaker:{_OWN}:{resource}/", f"{job}-{_HASH}")
        if kind == "Custom::ChampionEndpoint":
            yield from _of_champion(str(properties["EndpointName"]))
        if kind in ("AWS::SageMaker::Endpoint", "Custom::ChampionEndpoint"):
            endpoint = str(properties["EndpointName"])
            yield Made(KINDS["AWS::CloudWatch::Alarm"].prefix,
                       f"TargetTracking-endpoint/{endpoint}/variant/${{Variant}}-AlarmHigh-${{Id}}"
                       )  # fmt: skip
    yield from _of_services()


def _resource(house: House, name: str, properties: Mapping[str, Any], kind: Kind) -> Iterator[Made]:
    stack, logical = name.split("/")
    value = properties.get(kind.member)
    if value is None:
        known = kind.generated.format(stack=stack, logical=logical).replace("*", "${Random}")
    else:
        known = str(policies.literal(house, name, str(value))).lstrip("/")
    # A reference to the resource became its sample, which stands for the name that it gets.
    for text in (known, policies.sample_name(name)):
        yield Made(kind.prefix, text)
        if kind is KINDS["AWS::Logs::LogGroup"]:
            yield Made(kind.prefix, f"{text}:log-stream:${{Stream}}")
        if kind is KINDS["AWS::SageMaker::ModelPackageGroup"]:
            yield Made(kind.prefix.replace("-group/", "/"), f"{text}/1")


def _of_champion(endpoint: str) -> Iterator[Made]:
    """What the promoter makes: see ``sageloop_runtime.names``."""
    stem = endpoint[:_LONGEST_STEM].rstrip("-")
    yield Made(KINDS["AWS::SageMaker::Endpoint"].prefix, endpoint)
    for resource in ("Model", "EndpointConfig"):
        yield Made(KINDS[f"AWS::SageMaker::{resource}"].prefix, f"{stem}-{_HASH}")


def _of_services() -> Iterator[Made]:
    """What services make by names of their own."""
    for group in ("Endpoints/${Endpoint}", "NotebookInstances", "ProcessingJobs", "TrainingJobs"):
        for part in ("", ":log-stream:${Stream}"):
            yield Made(KINDS["AWS::Logs::LogGroup"].prefix, f"/aws/sagemaker/{group}{part}")
    yield Made(KINDS["AWS::IAM::Role"].prefix,
               "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
               "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")  # fmt: skip
