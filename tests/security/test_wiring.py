"""Senders reach their encrypted targets; functions reach every service their role names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security.checks import reach, wiring
from tests.security.checks.flatten import properties, resources
from tests.security.conftest import of_settings

Templates = dict[str, dict[str, Any]]


def without_service(policy: dict[str, Any], service: str) -> dict[str, Any]:
    kept = [s for s in policy["Statement"] if service not in str(s.get("Principal", ""))]
    return {**policy, "Statement": kept}


def test_every_sender_can_use_key_and_policy_of_target(templates: Templates) -> None:
    assert wiring.CombinedStacks(templates).edges(), "no pair of sender and target found"
    assert wiring.findings(templates) == []


@of_settings
@pytest.mark.parametrize("service", ["cloudwatch.amazonaws.com", "events.amazonaws.com"])
def test_key_without_sender_is_reported(templates: Templates, service: str) -> None:
    for template in templates.values():
        for key in resources(template, "AWS::KMS::Key").values():
            policy = key["Properties"]["KeyPolicy"]
            key["Properties"]["KeyPolicy"] = without_service(policy, service)

    assert any(f"key's policy does not admit {service}" in f for f in wiring.findings(templates))


@of_settings
@pytest.mark.parametrize(
    "kind", ["AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"]
)
def test_missing_target_policy_is_reported(templates: Templates, kind: str) -> None:
    assert any(resources(t, kind) for t in templates.values())
    for template in templates.values():
        for name in list(resources(template, kind)):
            del template["Resources"][name]

    assert any("target's policy does not admit" in f for f in wiring.findings(templates))


def test_every_function_in_the_vpc_reaches_the_services_of_its_role(templates: Templates) -> None:
    functions = [p for _, p in wiring.CombinedStacks(templates).of("AWS::Lambda::Function")]
    assert functions
    assert all(f.get("VpcConfig") for f in functions)
    assert reach.findings(templates) == []


@of_settings
def test_missing_endpoint_is_reported(templates: Templates) -> None:
    endpoints = [
        (template, name, str(properties(resource)["ServiceName"]).split(".", 3)[-1])
        for template in templates.values()
        for name, resource in resources(template, "AWS::EC2::VPCEndpoint").items()
    ]
    # Images of private models and EC2.55, EC2.56; notebooks call sts:GetCallerIdentity.
    called_by_no_function = {"ecr.api", "ecr.dkr", "sts"}
    for template, name, service in endpoints:
        resource = template["Resources"].pop(name)
        result = reach.findings(templates)
        template["Resources"][name] = resource
        assert result or service in called_by_no_function, service


def test_default_security_group_is_emptied_by_custom_resource(templates: Templates) -> None:
    vpcs = [n for t in templates.values() for n in resources(t, "AWS::EC2::VPC")]
    closers = [
        properties(r)
        for t in templates.values()
        for r in resources(t, "Custom::DefaultSecurityGroup").values()
    ]

    assert vpcs
    assert [c["SecurityGroupId"] for c in closers] == [f"<{v}.DefaultSecurityGroup>" for v in vpcs]
