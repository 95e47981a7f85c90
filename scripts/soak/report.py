"""The report of a run: days, violations and growth, as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from .footprint import Sample, bounds


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A violated invariant: the day and seed with which it can be repeated, and recent faults."""

    invariant: str
    text: str
    day: int
    seed: int
    faults: list[str]


@dataclass(kw_only=True)
class DayReport:
    """What happened on a day."""

    day: int
    requests: int = 0
    unanswered: int = 0
    jobs: int = 0
    promotions: int = 0
    dead_letters: int = 0
    faults: list[str] = field(default_factory=list)
    sample: Sample | None = None
    wall_seconds: float = 0.0

    def line(self) -> str:
        """One line of progress."""
        memory = "" if self.sample is None else f"{self.sample.memory:.0f} MB"
        return (
            f"day {self.day:3}: {self.jobs} jobs, {self.promotions} promotions, "
            f"{len(self.faults)} faults, {self.dead_letters} dead letters, "
            f"{self.unanswered} of {self.requests} requests unanswered, {memory}, "
            f"{self.wall_seconds:.1f} s"
        )


@dataclass(kw_only=True)
class Report:
    """The whole report; :meth:`as_dict` is the JSON document."""

    days: int
    seed: int
    run: list[DayReport] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    wall_seconds: float = 0.0

    def add(self, day: DayReport) -> None:
        """Add a day."""
        self.run.append(day)

    @property
    def promotions(self) -> int:
        """Promotions of all days."""
        return sum(day.promotions for day in self.run)

    def violate(self, invariant: str, text: str, *, day: int, seed: int, faults: list[str]) -> bool:
        """Add a violation; whether it is new: the same sentence is listed once."""
        if any((v.invariant, v.text) == (invariant, text) for v in self.violations):
            return False
        self.violations.append(
            Violation(invariant=invariant, text=text, day=day, seed=seed, faults=faults)
        )
        return True

    @property
    def ok(self) -> bool:
        """Whether all days were run, no invariant was violated, and all bounds hold."""
        grown = any(not bound.holds for bound in bounds(self._samples()))
        return len(self.run) == self.days and not self.violations and not grown

    def _samples(self) -> list[Sample]:
        return [day.sample for day in self.run if day.sample is not None]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        kinds = Counter(fault.partition(":")[0] for day in self.run for fault in day.faults)
        totals = {
            name: sum(getattr(day, name) for day in self.run)
            for name in ("requests", "unanswered", "jobs", "promotions", "dead_letters")
        }
        return {
            "ok": self.ok, "days": self.days, "seed": self.seed, "wall_seconds": self.wall_seconds,
            "totals": totals, "faults": dict(sorted(kinds.items())),
            "violations": [asdict(each) for each in self.violations],
            "bounds": [bound.as_dict() for bound in bounds(self._samples())],
            "run": [asdict(day) for day in self.run],
        }  # fmt: skip

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(self.as_dict(), indent=2) + "\n"
