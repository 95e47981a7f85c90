"""Writes access/policy/facts/*.json from the installed parliament (BSD-3-Clause).

Usage: ``python -m scripts.refresh_actions``. parliament contains AWS's Service Authorization
Reference as data: the actions of each service with their resource types and condition keys. There
is one file for each service that the local cloud provides, or that policies name; descriptions are
omitted. No code of parliament is run.
"""

from __future__ import annotations

import json
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "sageloop/local_cloud/access/policy/facts"

SERVICES = (
    "apigateway", "application-autoscaling", "backup", "cloudformation", "cloudwatch",
    "cognito-idp", "dynamodb", "ec2", "ecr", "elasticfilesystem", "events", "execute-api", "fsx",
    "iam", "kms", "lambda", "logs", "rds", "resource-groups", "s3", "sagemaker", "scheduler",
    "secretsmanager", "servicequotas", "sns", "sqs", "ssm", "states", "sts", "tag", "xray",
)  # fmt: skip


def main() -> None:
    """Write the tables."""
    TARGET.mkdir(exist_ok=True)
    for service, table in tables().items():
        text = json.dumps(table, indent=None, separators=(",", ":"), sort_keys=True)
        # One line for each action, so that a change of the source is readable as a difference.
        text = text.replace('},"', '},\n"')
        (TARGET / f"{service}.json").write_text(text + "\n", encoding="utf-8")
    # Its license requires to be distributed with the data.
    licence = distribution("parliament").read_text("licenses/LICENSE")
    (TARGET / "LICENSE").write_text(str(licence), encoding="utf-8")


def tables() -> dict[str, dict[str, Any]]:
    """The table of each service."""
    path = distribution("parliament").locate_file("parliament/iam_definition.json")
    pages = json.loads(Path(str(path)).read_text(encoding="utf-8"))
    return {
        service: _table([page for page in pages if page["prefix"] == service])
        for service in SERVICES
    }


def _table(pages: list[dict[str, Any]]) -> dict[str, Any]:
    """One service; some have several pages in the reference."""
    source = {
        "project": "parliament", "release": version("parliament"), "licence": "BSD-3-Clause",
    }  # fmt: skip
    table: dict[str, Any] = {"source": source, "actions": {}, "keys": {}, "resources": {}}
    for page in pages:
        for action in page["privileges"]:
            table["actions"].setdefault(action["privilege"], {}).update(_action(action))
        for key in page["conditions"]:
            table["keys"][key["condition"]] = key["type"]
        for resource in page["resources"]:
            _add_resource(table["resources"], resource)
    return table


def _action(action: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"level": action["access_level"]}
    keys: set[str] = set()
    depends: set[str] = set()
    resources: dict[str, bool] = {}
    for resource_type in action["resource_types"]:
        name = resource_type["resource_type"]
        if name:
            resources[name.rstrip("*")] = name.endswith("*")
        keys |= set(resource_type["condition_keys"])
        depends |= set(resource_type["dependent_actions"])
    if resources:
        entry["resources"] = resources
    if keys:
        entry["keys"] = sorted(keys)
    if depends:
        entry["depends"] = sorted(depends)
    return entry


def _add_resource(resources: dict[str, Any], resource: dict[str, Any]) -> None:
    entry = resources.setdefault(resource["resource"], {"arns": [], "keys": []})
    if resource["arn"] not in entry["arns"]:
        entry["arns"].append(resource["arn"])
    entry["keys"] = sorted({*entry["keys"], *resource["condition_keys"]})


if __name__ == "__main__":
    main()
