"""Every action, resource and condition key in the stacks' identity policies exists and fits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security.checks import policies
from tests.security.checks.flatten import as_list, resources
from tests.security.checks.wiring import CombinedStacks

Templates = dict[str, dict[str, Any]]
STAR = "RESOURCE_STAR"


def test_policies_have_valid_actions_resources_and_conditions(templates: Templates) -> None:
    assert dict(policies.documents(CombinedStacks(templates), templates))
    assert [f for f in policies.findings(templates) if f.issue != STAR] == []


def test_every_reference_has_a_sample(templates: Templates) -> None:
    combined = CombinedStacks(templates)
    message = {
        f"{name}: {resource}"
        for name, document in policies.documents(combined, templates)
        for statement in document["Statement"]
        for resource in as_list(statement["Resource"])
        if resource != "*" and not resource.startswith("arn:aws:")
    }

    assert message == set()


@pytest.mark.parametrize(
    ("statement", "issue"),
    [
        ({"Action": "s3:TakeObject", "Resource": "*"}, "UNKNOWN_ACTION"),
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b/key"}, "RESOURCE_MISMATCH"),
        (
            {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/key",
             "Condition": {"StringEquals": {"s3:Colour": "blue"}}},
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
    ],
)  # fmt: skip
def test_invalid_statement_is_reported(
    templates: Templates, statement: dict[str, Any], issue: str
) -> None:
    policy = next(
        p for t in templates.values() for p in resources(t, "AWS::IAM::ManagedPolicy").values()
    )
    policy["Properties"]["PolicyDocument"]["Statement"].append({"Effect": "Allow", **statement})

    assert issue in {f.issue for f in policies.findings(templates)}
