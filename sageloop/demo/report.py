"""The report of the demo: as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass
class Stage:
    """One step of the demo and its result."""

    name: str
    seconds: float = 0.0
    detail: str = ""


@dataclass
class Week:
    """The model error of a week in CloudWatch, and the first model's error in that week."""

    begins: str
    live: float
    old_model: float | None
    configuration: str
    predictions: int


@dataclass
class Report:
    """The whole report; :meth:`as_dict` is the JSON document."""

    ok: bool = False
    stages: list[Stage] = field(default_factory=list)
    error: dict[str, float | None] = field(default_factory=dict)
    requests: dict[str, Any] = field(default_factory=dict)
    retraining: dict[str, int] = field(default_factory=dict)
    cdk: dict[str, int] = field(default_factory=dict)
    iam: dict[str, Any] = field(default_factory=dict)
    endpoint_config: dict[str, str] = field(default_factory=dict)
    served_model: dict[str, str] = field(default_factory=dict)
    work_seconds: float = 0.0
    wall_seconds: float = 0.0
    weeks: list[Week] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)

    @contextmanager
    def stage(self, name: str, console: Console) -> Iterator[Stage]:
        """Measure a stage and show that it runs."""
        stage = Stage(name)
        self.stages.append(stage)
        started = monotonic()
        with console.status(f"{name} …"):
            try:
                yield stage
            finally:
                stage.seconds = round(monotonic() - started, 2)
        console.print(f"[green]✓[/] {name} ({stage.seconds:.1f} s) {stage.detail}")

    def show(self, console: Console) -> None:
        """Print the report."""
        console.print()
        for line in self.happened:
            console.print(f"  {line}")
        weeks = Table("week of", "live error", "first model", "answered by", "predictions")
        for week in self.weeks:
            old = "" if week.old_model is None else f"{week.old_model:.1f}"
            weeks.add_row(
                week.begins, f"{week.live:.1f} min", old, week.configuration, str(week.predictions)
            )
        console.print(weeks)
        console.print(
            f"requests: {self.requests.get('sent')} sent, {self.requests.get('failed')} failed, "
            f"{self.requests.get('during_rollout')} while the new model rolled out"
        )
        stages = Table("stage", "seconds", "what came of it")
        for stage in self.stages:
            stages.add_row(stage.name, f"{stage.seconds:.1f}", stage.detail)
        console.print(stages)
        console.print(
            f"{self.wall_seconds:.0f} s in all; pure training and start-up of model processes: "
            f"{self.work_seconds:.1f} s"
        )
        if self.iam:
            console.print(
                f"access ({self.iam['mode']}): {sum(self.iam['decisions'].values())} decisions for "
                f"{len(self.iam['decisions'])} principals, {self.iam['denied']} denied"
            )
        for name in self.retained:
            console.print(f"retained by design: {name}")
        for problem in self.problems:
            console.print(f"[red]✗[/] {problem}")
        console.print("[green]the loop closed[/]" if self.ok else "[red]the loop did not close[/]")
