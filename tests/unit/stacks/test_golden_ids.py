"""What holds data keeps its logical id: a changed one would replace it, and lose what it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.synthesis import synthesise, templates_in

GOLDEN = Path(__file__).with_name("golden_ids.json")
STATEFUL = (
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::SageMaker::NotebookInstance",
)


def stateful(folder: Path) -> dict[str, dict[str, str]]:
    """Logical ids and types, by stack, of what holds data or outlives its stack."""
    result: dict[str, dict[str, str]] = {}
    for stack, template in templates_in(folder).items():
        for name, resource in template["Resources"].items():
            if resource["Type"] in STATEFUL or _is_retained(resource):
                result.setdefault(stack, {})[name] = resource["Type"]
    return result


def _is_retained(resource: dict[str, Any]) -> bool:
    return str(resource.get("DeletionPolicy", "Delete")) != "Delete"


def generated(folder: Path) -> dict[str, bytes]:
    """Templates and manifests of assets, by name."""
    kept = (*folder.glob("*.template.json"), *folder.glob("*.assets.json"))
    return {path.name: path.read_bytes() for path in kept}


def test_stateful_resources_keep_their_logical_ids(assemblies: dict[str, Path]) -> None:
    # A change here replaces data: release it as a breaking change, with the way to migrate.
    result = {settings: stateful(folder) for settings, folder in assemblies.items()}

    assert result == json.loads(GOLDEN.read_text())


def test_retained_resources_are_retained_at_replacement(
    assemblies: dict[str, Path],
) -> None:
    for folder in assemblies.values():
        for template in templates_in(folder).values():
            for resource in template["Resources"].values():
                if _is_retained(resource):
                    assert resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(assemblies: dict[str, Path], tmp_path: Path) -> None:
    # Another process has another hash seed, and so another order of sets.
    ended = synthesise("prod", tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert generated(tmp_path) == generated(assemblies["prod"])
