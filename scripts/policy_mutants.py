"""Which permissions of the project's roles the demo needs: ``python -m scripts.policy_mutants``.

The demo runs under enforced access. Before its stacks are destroyed, each action of each Allow
statement is taken out in turn, and the recorded requests of its role are decided again: an action
is needed if a request is then denied; it is spare if it has no request. The demo does not take
every path: ``tests/security/rare_permissions.toml`` lists what other paths need, with the test that
takes them, and what only AWS's services request. Prints the actions that are not needed, and fails
if one is redundant, spare and not listed, or listed and not spare.

``--confirm COUNT`` also runs the demo with so many sampled permissions taken out of the templates,
and fails if the run contradicts an outcome (:mod:`scripts.policy_confirmation`). ``--table FILE``
takes the outcomes from an earlier ``--json FILE`` instead of a run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sageloop.demo.story import Options, Story
from sageloop.local_cloud.client import LocalCloud
from scripts.policy_confirmation import confirm, sample
from scripts.rare_permissions import Permission, rare_permissions, stable_policy, stable_role
from scripts.synthesis import ROOT

_RARE = "rare"
"""The need of a spare permission that the list has."""


class RecordedStory(Story):
    """The demo, which keeps the usage of the roles before it destroys the stacks."""

    usages: Sequence[dict[str, Any]] = ()

    def _end(self, cloud: LocalCloud) -> None:
        self.usages = cloud.access_usage()
        super()._end(cloud)


def main() -> int:
    """Run the demo and print the table; 1 if the demo fails or the list is not exact."""
    parser = argparse.ArgumentParser(prog="scripts.policy_mutants", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table here")
    parser.add_argument("--table", type=Path, metavar="FILE", help="the outcomes of an earlier run")
    parser.add_argument("--confirm", type=int, metavar="COUNT", help="confirm outcomes by a run")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: 1)")
    options = parser.parse_args()
    console = Console()
    if options.table:
        rows = json.loads(options.table.read_text())["permissions"]
        document: dict[str, Any] = {}
        ok = True
    else:
        rows, document, ok = _outcomes(console)
    if options.confirm:
        mutants = sample(rows, options.confirm, options.seed)
        document["confirmation"] = confirmation = confirm(mutants, console)
        _print_confirmation(confirmation, console)
        ok = ok and not confirmation["faults"]
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if ok else 1


def _outcomes(console: Console) -> tuple[list[dict[str, str]], dict[str, Any], bool]:
    """Run the demo: the table, the document for JSON, and whether all is well."""
    story = RecordedStory(Options(project=ROOT), console)
    report = story.run()
    console.print("\n".join(report.problems))
    rows = list(table(story.usages))
    counts = Counter(row["need"] for row in rows)
    lines = [f"{r['need']:10} {r['policy']}  {r['action']}" for r in rows if r["need"] != "needed"]
    lines.append(", ".join(f"{count} {need}" for need, count in sorted(counts.items())))
    faults = list(faults_of(rows))
    for line in [*lines, *faults]:
        console.print(line, highlight=False, soft_wrap=True)
    return rows, {"counts": counts, "permissions": rows}, report.ok and not faults


def _print_confirmation(confirmation: dict[str, Any], console: Console) -> None:
    for row in confirmation["confirmed"]:
        outcome = "denied" if row["denied"] else "not denied"
        line = f"{row['need']:8} {outcome:10} {row['role']}  {row['policy']}  {row['action']}"
        console.print(line, highlight=False, soft_wrap=True)
    for fault in confirmation["faults"]:
        console.print(fault, highlight=False, soft_wrap=True)
    count = len(confirmation["confirmed"])
    console.print(f"{count} outcomes, {len(confirmation['faults'])} faults")


def table(usages: Iterable[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Each permission of the roles of the project's stacks, and whether a request needs it.

    A spare permission that the list of rare permissions has is ``rare``.
    """
    listed = listed_permissions()
    for usage in usages:
        if "/sageloop-" in usage["role"]:
            for grant in usage["grants"]:
                policy, need = stable_policy(grant["policy"]), grant["need"]
                if need == "spare" and (policy, grant["action"]) in listed:
                    need = _RARE
                yield {
                    "role": stable_role(usage["role"]), "policy": policy,
                    "action": grant["action"], "statement": grant["statement"], "need": need,
                }  # fmt: skip


def listed_permissions() -> set[Permission]:
    """The permissions of all rows of the list."""
    return {permission for rare in rare_permissions() for permission in rare.permissions}


def faults_of(rows: Iterable[dict[str, str]]) -> Iterator[str]:
    """What is redundant, what is spare and not listed, and what is listed and not rare."""
    needs: dict[Permission, set[str]] = {}
    for row in rows:
        needs.setdefault((row["policy"], row["action"]), set()).add(row["need"])
    for (policy, action), kinds in sorted(needs.items()):
        if "spare" in kinds:
            yield f"spare and not listed: {action} of {policy}; remove it or list its path"
        if "redundant" in kinds:
            yield f"redundant: {action} of {policy}; another statement allows the same requests"
    steady = {p for rare in rare_permissions() if not rare.occasional for p in rare.permissions}
    for policy, action in sorted(steady):
        if _RARE not in needs.get((policy, action), set()):
            yield f"listed and not spare: {action} of {policy}; take it off the list"


if __name__ == "__main__":
    sys.exit(main())
