"""Checks identity policies with parliament, with sample ARNs in place of references.

Parliament knows every action's resource types and condition keys, but reads literal policies only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import parliament

from tests.security.checks.flatten import Template, as_list, properties, resources
from tests.security.checks.wiring import CombinedStacks

_PSEUDO = {"<AWS::Partition>": "aws", "<AWS::Region>": "us-east-1",
           "<AWS::AccountId>": "123456789012", "<AWS::URLSuffix>": "amazonaws.com"}  # fmt: skip
_HOLDERS = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
_OWN = ":us-east-1:123456789012:"
_ARNS = {
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch{_OWN}alarm:{{name}}",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb{_OWN}table/{{name}}",
    "AWS::EC2::SecurityGroup": f"arn:aws:ec2{_OWN}security-group/sg-0123456789abcdef0",
    "AWS::EC2::Subnet": f"arn:aws:ec2{_OWN}subnet/subnet-0123456789abcdef0",
    "AWS::Events::Rule": f"arn:aws:events{_OWN}rule/{{name}}",
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/{name}",
    "AWS::KMS::Key": f"arn:aws:kms{_OWN}key/{{id}}",
    "AWS::Lambda::Function": f"arn:aws:lambda{_OWN}function:{{name}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs{_OWN}log-group:{{name}}:*",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::SageMaker::EndpointConfig": f"arn:aws:sagemaker{_OWN}endpoint-config/{{name}}",
    "AWS::SageMaker::ModelPackageGroup": f"arn:aws:sagemaker{_OWN}model-package-group/{{name}}",
    "AWS::SNS::Topic": f"arn:aws:sns{_OWN}{{name}}",
    "AWS::SQS::Queue": f"arn:aws:sqs{_OWN}{{name}}",
}
_ARN_IS_REF = frozenset(
    ("AWS::CloudWatch::Alarm", "AWS::IAM::ManagedPolicy", "AWS::SageMaker::EndpointConfig",
     "AWS::SNS::Topic")
)  # fmt: skip
_REFERENCE = re.compile(r"<Fn::FindInMap.*?\]>|<(?:import )?[^<>]+>")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One issue in one policy, by ``stack/logical id``."""

    policy: str
    issue: str
    detail: str


def findings(templates: Mapping[str, Template]) -> list[Finding]:
    """The findings of parliament in the identity policies of all stacks."""
    combined = CombinedStacks(templates)
    return sorted(
        Finding(name, finding.issue, str(finding.detail))
        for name, document in documents(combined, templates)
        for finding in parliament.analyze_policy_string(json.dumps(document)).findings
        if not _is_of_lambda(finding)
    )


def _is_of_lambda(finding: Any) -> bool:
    """Whether an unknown condition is the key that Lambda fills in every call of a function.

    https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
    """
    return finding.issue == "UNKNOWN_CONDITION_FOR_ACTION" and str(finding.detail).startswith(
        "Unknown condition lambda:SourceFunctionArn "
    )


def documents(
    combined: CombinedStacks, templates: Mapping[str, Template]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every identity policy with its holder's name, as a literal document."""
    for stack, template in templates.items():
        for kind in _HOLDERS:
            for name, resource in resources(template, kind).items():
                where = f"{stack}/{name}"
                yield where, literal(combined, where, properties(resource)["PolicyDocument"])
        for name, resource in resources(template, "AWS::IAM::Role").items():
            for inline in as_list(properties(resource).get("Policies")):
                where = f"{stack}/{name}"
                yield where, literal(combined, where, inline["PolicyDocument"])


def literal(combined: CombinedStacks, near: str, value: Any) -> Any:
    """A flat value with samples in place of its references."""
    if isinstance(value, dict):
        return {k: literal(combined, near, v) for k, v in value.items()}
    if isinstance(value, list):
        return [literal(combined, near, v) for v in value]
    if not isinstance(value, str):
        return value
    for pseudo, sample in _PSEUDO.items():
        value = value.replace(pseudo, sample)
    return _REFERENCE.sub(lambda result: sample_of(combined, near, result[0]), value)


def sample_name(target: str) -> str:
    """The sample of a resource's name, by ``stack/logical id``."""
    return target.replace("/", "-").lower()


def sample_of(combined: CombinedStacks, near: str, reference: str) -> str:
    """A sample for a reference: the unique ARN or name of a resource."""
    target = combined.named(reference, near)
    kind = None if target is None else combined.types[target]
    if reference.startswith("<Fn::FindInMap"):
        return _PSEUDO["<AWS::AccountId>"]  # the owner of a region's images
    # An export's name contains the attribute that it exports.
    needs_arn = reference.endswith(".Arn>") or "Arn" in reference.rsplit("FnGetAtt", 1)[-1]
    if target is None or kind is None:
        return "sample"
    name = sample_name(target)
    if kind in _ARNS and (needs_arn or kind in _ARN_IS_REF):
        return _ARNS[kind].format(name=name, id=uuid5(NAMESPACE_URL, target))
    # The names of parameters with a path begin with a slash, which their ARNs require.
    return f"/{name}" if kind == "AWS::SSM::Parameter" else name
