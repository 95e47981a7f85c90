"""Which permissions of the project's roles the demo needs: ``python -m scripts.policy_mutants``.

The demo runs under enforced access. Before its stacks are destroyed, each action of each Allow
statement is taken out in turn, and the recorded requests of its role are decided again: an action
is needed if a request is then denied. Prints the other actions. The demo does not take every path
of the functions: an action without a request in it may be needed by a path that it does not take.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from sageloop.demo.story import Options, Story
from sageloop.local_cloud.client import LocalCloud
from scripts.synthesis import ROOT

# What CloudFormation appends to the names of roles, and the end of logical ids.
_GENERATED = re.compile(r"-[0-9A-Z]{12}$")
_LOGICAL_HASH = re.compile(r"[0-9A-F]{5,8}$")


class RecordedStory(Story):
    """The demo, which keeps the usage of the roles before it destroys the stacks."""

    usages: list[dict[str, Any]]

    def _end(self, cloud: LocalCloud) -> None:
        self.usages = cloud.access_usage()
        super()._end(cloud)


def main() -> int:
    """Run the demo and print the table; 1 if the demo fails."""
    parser = argparse.ArgumentParser(prog="scripts.policy_mutants", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table here")
    options = parser.parse_args()
    console = Console()
    story = RecordedStory(Options(project=ROOT), console)
    report = story.run()
    if not report.ok:
        console.print("\n".join(report.problems))
        return 1
    rows = list(table(story.usages))
    counts = Counter(row["need"] for row in rows)
    for row in rows:
        if row["need"] != "needed":
            console.print(
                f"{row['need']:10} {row['role']}  {row['action']}", highlight=False, soft_wrap=True
            )
    console.print(", ".join(f"{count} {need}" for need, count in sorted(counts.items())))
    if options.json:
        document = {"counts": counts, "permissions": rows}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def table(usages: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Each permission of the roles of the project's stacks, and whether a request needs it."""
    for usage in usages:
        if "/sageloop-" in usage["role"]:
            for grant in usage["grants"]:
                yield {"role": stable(usage["role"]), "action": grant["action"],
                       "statement": grant["statement"], "need": grant["need"]}  # fmt: skip


def stable(role: str) -> str:
    """The name of a role without what differs from deployment to deployment."""
    return _LOGICAL_HASH.sub("", _GENERATED.sub("", role.rpartition("/")[2]))


if __name__ == "__main__":
    sys.exit(main())
