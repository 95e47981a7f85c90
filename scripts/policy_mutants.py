"""Which permissions of the project's roles the demo needs: ``python -m scripts.policy_mutants``.

The demo runs under enforced access. Before its stacks are destroyed, each action of each Allow
statement is taken out in turn, and the recorded requests of its role are decided again. Prints the
permissions that no request needs, and ends with 1 if ``rare_permissions.toml`` does not list one
of them, or lists one that is needed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from sageloop.demo.story import Options, Story
from sageloop.local_cloud.client import LocalCloud
from scripts.synthesis import ROOT

LISTED = Path(__file__).with_name("rare_permissions.toml")
# What CloudFormation appends to the names of roles and policies.
_GENERATED = re.compile(r"-[0-9A-Z]{12}$")
_LOGICAL_HASH = re.compile(r"[0-9A-F]{8}$")


class RecordedStory(Story):
    """The demo, which keeps the usage of the roles before it destroys the stacks."""

    usages: list[dict[str, Any]]

    def _end(self, cloud: LocalCloud) -> None:
        self.usages = cloud.access_usage()
        super()._end(cloud)


def main() -> int:
    """Run the demo, print the table, and return 1 if it differs from the list."""
    parser = argparse.ArgumentParser(prog="scripts.policy_mutants", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table here")
    options = parser.parse_args()
    console = Console()
    story = RecordedStory(Options(project=ROOT), console)
    report = story.run()
    if not report.ok:
        console.print("\n".join(report.problems))
        return 1
    rows = list(unneeded(story.usages))
    counts = Counter(grant["need"] for usage in ours(story.usages) for grant in usage["grants"])
    missing, obsolete = compare(rows, listed())
    for row in rows:
        console.print(f"{row['need']:10} {row['role']}  {row['action']}", highlight=False)
    console.print(f"{dict(counts)}; not listed {len(missing)}, listed and needed {len(obsolete)}")
    for line in [*missing, *obsolete]:
        console.print(line, highlight=False)
    if options.json:
        document = {"counts": counts, "unneeded": rows, "missing": missing, "obsolete": obsolete}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if missing or obsolete else 0


def ours(usages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The roles of the project's stacks, without those of the CDK's bootstrap and of services."""
    return [usage for usage in usages if "/sageloop-" in usage["role"]]


def unneeded(usages: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """The permissions that no request needs, by the stable part of the role's name."""
    for usage in ours(usages):
        for grant in usage["grants"]:
            if grant["need"] != "needed":
                yield {"role": stable(usage["role"]), "action": grant["action"],
                       "statement": grant["statement"], "need": grant["need"]}  # fmt: skip


def stable(role: str) -> str:
    """The name of a role without what differs from deployment to deployment."""
    return _LOGICAL_HASH.sub("", _GENERATED.sub("", role.rpartition("/")[2]))


def listed() -> dict[tuple[str, str], str]:
    """The reasons of the listed permissions by role and action."""
    entries = tomllib.loads(LISTED.read_text(encoding="utf-8")).get("permission", [])
    return {
        (role, action): entry["reason"]
        for entry in entries
        for role in entry["roles"]
        for action in entry["actions"]
    }


def compare(
    rows: list[dict[str, str]], reasons: dict[tuple[str, str], str]
) -> tuple[list[str], list[str]]:
    """Permissions that are not listed, and listed ones that are needed."""
    unneeded_pairs = {(row["role"], row["action"]) for row in rows}
    missing = sorted(
        f"not listed: {role} {action}" for role, action in unneeded_pairs - reasons.keys()
    )
    obsolete = sorted(
        f"needed: {role} {action}" for role, action in reasons.keys() - unneeded_pairs
    )
    return missing, obsolete


if __name__ == "__main__":
    sys.exit(main())
