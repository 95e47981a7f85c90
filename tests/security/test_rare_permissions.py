"""The list of rare permissions names existing policies, actions and tests, each with a reason."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scripts.policy_mutants import faults_of, listed_permissions
from scripts.rare_permissions import Permission, RarePermission, rare_permissions, stable_policy
from scripts.synthesis import ROOT, templates_in
from tests.security.checks.flatten import as_list

RARE = rare_permissions()


def _allowed(templates: Mapping[str, dict[str, Any]]) -> set[Permission]:
    """Policies and actions of the roles of an app's stacks."""
    allowed = set()
    for stack, template in templates.items():
        for logical, resource in template["Resources"].items():
            if resource["Type"] in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
                for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                    policy = stable_policy(f"{stack}-{logical}")
                    allowed |= {(policy, action) for action in as_list(statement["Action"])}
    return allowed


def _test_exists(name: str) -> bool:
    path, _, function = name.partition("::")
    body = ast.parse((ROOT / path).read_text()).body
    known = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return function.partition("[")[0] in known


def test_each_listed_permission_is_allowed(assemblies: dict[str, Path]) -> None:
    allowed = _allowed(templates_in(assemblies["prod"]))

    assert sorted(listed_permissions() - allowed) == []


@pytest.mark.parametrize("rare", RARE, ids=lambda rare: rare.reason)
def test_each_row_has_a_reason_and_a_test_or_an_address(rare: RarePermission) -> None:
    assert len(rare.reason.split()) >= 5
    if rare.test is None:
        assert str(rare.page).startswith("https://docs.aws.amazon.com/")
    else:
        assert _test_exists(rare.test), rare.test


def test_row_with_a_missing_test_is_noticed() -> None:
    assert not _test_exists("tests/security/test_rare_permissions.py::test_that_is_not_there")


def test_spare_permission_without_a_row_is_a_fault() -> None:
    rows = [{"policy": p, "action": a, "need": "rare"} for p, a in listed_permissions()]

    assert list(faults_of(rows)) == []
    spare = {"policy": "JobFunctionDuty", "action": "s3:DeleteObject", "need": "spare"}
    assert list(faults_of([*rows, spare])) == [
        "spare and not listed: s3:DeleteObject of JobFunctionDuty; remove it or list its path"
    ]


def test_row_that_the_demo_needs_is_a_fault() -> None:
    rows = [{"policy": p, "action": a, "need": "rare"} for p, a in sorted(listed_permissions())]
    rows[0]["need"] = "needed"

    (fault,) = faults_of(rows)

    assert fault.startswith(f"listed and not spare: {rows[0]['action']} of {rows[0]['policy']}")


def test_permission_that_another_statement_allows_too_is_a_fault() -> None:
    rows = [{"policy": p, "action": a, "need": "rare"} for p, a in sorted(listed_permissions())]
    twice = {"policy": "LoopReconcileScaling", "action": "s3:GetObject", "need": "redundant"}

    (fault,) = faults_of([*rows, twice])

    assert fault.startswith("redundant: s3:GetObject of LoopReconcileScaling")
