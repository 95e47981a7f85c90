"""Sampled policy mutants: what is removed from the templates, and what contradicts a outcome."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from scripts.policy_confirmation import Mutant, faults_of, mutate, mutate_assembly, sample
from scripts.rare_permissions import rare_permissions, stable_policy, stable_role
from scripts.synthesis import templates_in
from tests.security.conftest import Assemblies

STACK = "sageloop-prod-Serving"
NEEDED = Mutant("EndpointPromoterRole", "EndpointPromoterRollout", "Statement[1]",
                "sagemaker:DeleteModel", "needed")  # fmt: skip
SPARE = Mutant("LoopRole", "LoopPolicy", "Statement[0]", "s3:GetObject", "rare")


def rows(count: int, need: str) -> list[dict[str, str]]:
    return [
        {"role": f"R{i}", "policy": f"P{i}", "statement": "Statement[0]", "action": "s3:GetObject",
         "need": need}
        for i in range(count)
    ]  # fmt: skip


def test_sample_is_the_same_for_a_seed_and_has_both_outcomes() -> None:
    table = [*rows(40, "needed"), *({**row, "role": "S" + row["role"]} for row in rows(9, "rare"))]

    chosen = sample(table, 20, seed=1)

    assert chosen == sample(reversed(table), 20, seed=1) != sample(table, 20, seed=2)
    assert [m.need for m in chosen].count("needed") == 16
    assert len(chosen) == 20


def test_sample_has_no_spare_permission_whose_role_lacks_a_needed_one() -> None:
    with pytest.raises(ValueError, match=r"larger than population|Sample"):
        sample([*rows(8, "needed"), *rows(8, "rare")], 10, seed=1)


def test_sample_has_no_occasional_permission() -> None:
    rare = next(rare for rare in rare_permissions() if rare.occasional)
    policy, action = min(rare.permissions)
    table = [{"role": "R", "policy": policy, "statement": "S", "action": action, "need": "needed"}]

    assert sample([*table, *rows(4, "needed")], 4, seed=1) == sample(rows(4, "needed"), 4, seed=1)


@pytest.fixture
def template(assemblies: Assemblies) -> dict[str, Any]:
    return copy.deepcopy(templates_in(assemblies["prod"])[STACK])


def actions(template: dict[str, Any], policy: str) -> list[list[str]]:
    return [
        [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        for logical, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
        and stable_policy(f"{STACK}-{logical}") == policy
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_action_of_one_statement_is_removed(template: dict[str, Any]) -> None:
    before = actions(template, NEEDED.policy)
    assert before[1] == ["sagemaker:DeleteModel"]

    assert mutate(STACK, template, [NEEDED, SPARE]) == 1

    # The statement has no other action: it is removed with it.
    assert actions(template, NEEDED.policy) == [before[0], *before[2:]]


def test_action_that_the_statement_lacks_is_refused(template: dict[str, Any]) -> None:
    wrong = Mutant(NEEDED.role, NEEDED.policy, "Statement[0]", "s3:GetObject", "needed")

    with pytest.raises(ValueError, match=r"Statement\[0\] must have the actions"):
        mutate(STACK, template, [wrong])


def test_templates_of_an_assembly_are_mutated(template: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / f"{STACK}.template.json").write_text(json.dumps(template))
    chosen = tmp_path / "mutants.json"
    chosen.write_text(json.dumps([asdict(NEEDED)]))

    mutate_assembly(tmp_path, chosen)

    mutate(STACK, template, [NEEDED])
    assert templates_in(tmp_path)[STACK] == template


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("sageloop-prod-Training-Role1ABCDEF4-0QWERTYUIOPA", "TrainingRole"),
        ("sageloop-prod-Serving-Role1ABCDEF4-9QWERTYUIOPB", "ServingRole"),
        ("sageloop-prod-Serving-EndpointPromoterRole01234567-9QWERTYUIOPB",
         "ServingEndpointPromoterRole"),
    ],
)  # fmt: skip
def test_roles_have_the_same_name_in_each_deployment(name: str, role: str) -> None:
    assert stable_role(f"arn:aws:iam::123456789012:role/{name}") == role


@pytest.mark.parametrize(
    ("denied", "faults"),
    [
        ([(NEEDED.role, NEEDED.action)], []),
        ([], ["needed, and not denied without it: sagemaker:DeleteModel of "
              "EndpointPromoterRollout"]),
        ([(NEEDED.role, NEEDED.action), (SPARE.role, SPARE.action)],
         ["rare, and denied without it: s3:GetObject of LoopPolicy"]),
        ([(NEEDED.role, NEEDED.action), ("Other", "s3:GetObject")],
         ["denied, and no mutant: s3:GetObject of Other"]),
    ],
)  # fmt: skip
def test_contradictions_are_faults(denied: list[tuple[str, str]], faults: list[str]) -> None:
    assert list(faults_of([NEEDED, SPARE], denied)) == faults
