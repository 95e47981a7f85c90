"""The policy documents of all stacks, validated by the rules of the services."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sageloop.local_cloud.access.policy import parse_policy
from sageloop.local_cloud.access.policy.context_keys import unknown_keys
from sageloop.local_cloud.access.policy.validation import PolicyFor, validate
from tests.security.checks.flatten import Template, as_list
from tests.security.checks.policies import literal
from tests.security.checks.wiring import CombinedStacks
from tests.security.conftest import of_settings

# The property of each type that holds a policy document.
DOCUMENTS = {
    "AWS::EC2::VPCEndpoint": ("PolicyDocument", PolicyFor.ENDPOINT),
    "AWS::IAM::ManagedPolicy": ("PolicyDocument", PolicyFor.MANAGED),
    "AWS::IAM::Policy": ("PolicyDocument", PolicyFor.ROLE),
    "AWS::IAM::Role": ("AssumeRolePolicyDocument", PolicyFor.TRUST),
    "AWS::KMS::Key": ("KeyPolicy", PolicyFor.KEY),
    "AWS::S3::BucketPolicy": ("PolicyDocument", PolicyFor.BUCKET),
    "AWS::SNS::TopicPolicy": ("PolicyDocument", PolicyFor.TOPIC),
    "AWS::SQS::QueuePolicy": ("PolicyDocument", PolicyFor.QUEUE),
}


def documents(templates: Mapping[str, Template]) -> Iterator[tuple[str, PolicyFor, Any]]:
    """Each policy document with its place and what it is attached to."""
    combined = CombinedStacks(templates)
    for kind, (member, attached_to) in DOCUMENTS.items():
        for name, properties in combined.of(kind):
            if member in properties:
                yield name, attached_to, literal(combined, name, properties[member])
            for inline in as_list(properties.get("Policies")):
                yield name, PolicyFor.ROLE, literal(combined, name, inline["PolicyDocument"])


def refusals(templates: Mapping[str, Template]) -> list[str]:
    """The errors that the services would return."""
    return [
        f"{name}: {problem.code}: {problem.message} ({problem.finding.where})"
        for name, attached_to, document in documents(templates)
        for problem in validate(json.dumps(document, separators=(",", ":")), attached_to)
    ]


def test_every_policy_document_is_accepted(templates: dict[str, Template]) -> None:
    assert refusals(templates) == []


@of_settings
def test_every_kind_of_document_is_validated(templates: dict[str, Template]) -> None:
    observed = {attached_to for _, attached_to, _ in documents(templates)}
    assert observed >= {PolicyFor.BUCKET, PolicyFor.KEY, PolicyFor.MANAGED, PolicyFor.QUEUE,
                    PolicyFor.TOPIC, PolicyFor.TRUST}  # fmt: skip


def test_every_condition_key_exists(templates: dict[str, Template]) -> None:
    policies = [parse_policy(document, name=name) for name, _, document in documents(templates)]
    assert [key for policy in policies for key in unknown_keys(policy)] == []


@of_settings
@pytest.mark.parametrize(
    ("kind", "member", "change"),
    [
        ("AWS::S3::BucketPolicy", "PolicyDocument", {"Action": "s3:PutObjects"}),
        ("AWS::KMS::Key", "KeyPolicy", {"Principal": {"AWS": "arn:aws:iam::123456789012:role/*"}}),
        ("AWS::IAM::Role", "AssumeRolePolicyDocument", {"Resource": "*"}),
        ("AWS::SNS::TopicPolicy", "PolicyDocument", {"Action": "sns:*"}),
    ],
)
def test_invalid_document_is_refused(
    templates: dict[str, Template], kind: str, member: str, change: dict[str, Any]
) -> None:
    for template in templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] == kind:
                resource["Properties"][member]["Statement"][0] |= change
    assert refusals(templates)
