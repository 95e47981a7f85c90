"""Confirms outcomes of policy mutants by a run with the permissions taken out of the templates.

A replay decides recorded requests again. Here the sampled permissions are removed from
the synthesized templates, all at once, and the whole demo runs again with them: it deploys, trains,
rolls out and destroys with the mutated policies. Access is ``warn`` in that run: a request that
lacks a permission is decided and recorded as denied, and carried out, so that one run reaches what
comes after it; under ``enforce`` each mutant would need a run of its own up to its first denial. A
needed permission is confirmed if its role was denied its action, a spare one if it was not, and
nothing else may be denied.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from sageloop.demo.story import Options, Story
from sageloop.local_cloud.client import LocalCloud
from scripts.rare_permissions import rare_permissions, stable_policy, stable_role
from scripts.synthesis import ROOT

NEEDED, RARE = "needed", "rare"
_SPARE_OF_TEN = 2
_POLICIES = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
_APP = """\
import os
import sys
from pathlib import Path

sys.path.insert(0, {root!r})
from app import main
from scripts.policy_confirmation import mutate_assembly

code = main()
mutate_assembly(Path(os.environ["CDK_OUTDIR"]), Path({mutants!r}))
sys.exit(code)
"""


@dataclass(frozen=True, slots=True, order=True)
class Mutant:
    """A permission that is taken out.

    Attributes:
        role: The role of the policy, without what differs from deployment to deployment.
        policy: The policy, likewise.
        statement: Its statement, by number.
        action: The action that is removed from it.
        need: The outcome of the replay.

    """

    role: str
    policy: str
    statement: str
    action: str
    need: str


def sample(rows: Iterable[Mapping[str, str]], count: int, seed: int) -> list[Mutant]:
    """Choose mutants: of ten, eight whose permission is needed and two that the demo does not use.

    Raises:
        ValueError: If there are fewer of a kind.

    """
    occasional = {p for rare in rare_permissions() if rare.occasional for p in rare.permissions}
    mutants = sorted({
        Mutant(r["role"], r["policy"], r["statement"], r["action"], r["need"])
        for r in rows if (r["policy"], r["action"]) not in occasional
    })  # fmt: skip
    chosen = random.Random(seed)  # noqa: S311 - a sample, no secret
    spare = count * _SPARE_OF_TEN // 10
    needed = chosen.sample([m for m in mutants if m.need == NEEDED], count - spare)
    taken = {(m.role, m.action) for m in needed}
    # The denial of a needed permission would be taken for that of a spare one of its role.
    unused = [m for m in mutants if m.need == RARE and (m.role, m.action) not in taken]
    return sorted([*needed, *chosen.sample(unused, spare)])


def mutate_assembly(folder: Path, mutants: Path) -> None:
    """Take the permissions of a file out of the templates of an assembly."""
    chosen = [Mutant(**each) for each in json.loads(mutants.read_text())]
    for path in folder.glob("*.template.json"):
        template = json.loads(path.read_text())
        if mutate(path.name.removesuffix(".template.json"), template, chosen):
            path.write_text(json.dumps(template, indent=1))


def mutate(stack: str, template: dict[str, Any], mutants: Sequence[Mutant]) -> int:
    """Take permissions out of a template; how many of its policies had one."""
    changed = 0
    for logical, resource in template["Resources"].items():
        if resource["Type"] in _POLICIES:
            own = [m for m in mutants if m.policy == stable_policy(f"{stack}-{logical}")]
            if own:
                document = resource["Properties"]["PolicyDocument"]
                document["Statement"] = list(_without(document["Statement"], own))
                changed += 1
    return changed


def _without(statements: Any, mutants: Sequence[Mutant]) -> Iterator[dict[str, Any]]:
    listed = statements if isinstance(statements, list) else [statements]
    for number, statement in enumerate(listed):
        name = statement.get("Sid") or f"Statement[{number}]"
        removed = {m.action for m in mutants if m.statement == name}
        actions = statement["Action"]
        texts = actions if isinstance(actions, list) else [actions]
        if missing := removed - set(texts):
            raise ValueError(f"{name} must have the actions {sorted(missing)}, got {texts}")
        kept = [text for text in texts if text not in removed]
        if kept:
            yield {**statement, "Action": kept}


class _MutatedStory(Story):
    """The demo, which keeps the denials."""

    denied: Sequence[Mapping[str, Any]] = ()

    def _report_access(self, cloud: LocalCloud) -> None:
        self.denied = cloud.decisions(denied=True)
        super()._report_access(cloud)


@contextmanager
def _project(mutants: Sequence[Mutant]) -> Iterator[Path]:
    """A project whose app is this one's, with mutated templates."""
    with tempfile.TemporaryDirectory(prefix="sageloop-mutants-") as name:
        folder = Path(name)
        chosen = folder / "mutants.json"
        chosen.write_text(json.dumps([asdict(each) for each in mutants]))
        (folder / "app.py").write_text(_APP.format(root=str(ROOT), mutants=str(chosen)))
        shutil.copy(ROOT / "cdk.json", folder)
        (folder / "settings").symlink_to(ROOT / "settings")
        yield folder


def confirm(mutants: Sequence[Mutant], console: Console) -> dict[str, Any]:
    """Run the demo with the mutants; the report has each with what was observed, and the faults."""
    with _project(mutants) as folder:
        story = _MutatedStory(Options(project=folder, iam="warn"), console)
        report = story.run()
    denied = {role_and_action(each) for each in story.denied}
    # Whether the models are good and the load was high does not matter here, the last step does.
    ended = "second_life_rc" in report.cdk and not any(report.cdk.values())
    faults = [] if ended else [f"the demo did not end: {each}" for each in report.problems]
    faults += faults_of(mutants, denied)
    rows = [{**asdict(m), "denied": (m.role, m.action) in denied} for m in mutants]
    return {"confirmed": rows, "faults": faults, "seconds": report.wall_seconds}


def role_and_action(decision: Mapping[str, Any]) -> tuple[str, str]:
    """The stable name of the role of a decision, and the action."""
    return stable_role(decision["principal"]), decision["action"]


def faults_of(mutants: Sequence[Mutant], denied: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Outcomes that the run contradicts, and denials that no mutant explains."""
    observed = set(denied)
    for each in mutants:
        if ((each.role, each.action) in observed) is not (each.need == NEEDED):
            wrong = "not denied" if each.need == NEEDED else "denied"
            yield f"{each.need}, and {wrong} without it: {each.action} of {each.policy}"
    explained = {(each.role, each.action) for each in mutants}
    for role, action in sorted(observed - explained):
        yield f"denied, and no mutant: {action} of {role}"
