"""The plan of a run: which fault is injected when, from the seed only."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from . import faults, people
from .faults import Inject

STEPS = 24
"""Steps of a day, of an hour each."""
QUIET_EVERY = 10
_QUIET_AT_END, _SHORT = 2, 7
_DEPLOY_EVERY = 15
MOST_A_DAY = 4


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A fault at a step of a day, with the seed of its details."""

    step: int
    inject: Inject
    seed: int

    def dice(self) -> random.Random:
        """The generator of its details."""
        return random.Random(self.seed)


def is_quiet(day: int, days: int) -> bool:
    """Whether a day, counted from 1, has no faults, so that the loop must converge on it."""
    at_end = min(days - 1, _QUIET_AT_END if days > _SHORT else 1)
    return day % QUIET_EVERY == 0 or day > days - at_end


def deploys(day: int, days: int) -> bool:
    """Whether a deployment with other settings happens on a day."""
    return day % _DEPLOY_EVERY == 7 and not is_quiet(day, days)


def has_manifest(day: int) -> bool:
    """Whether a delivery is completed on a day, which starts a job."""
    return day % 4 == 2


def plan(
    seed: int, days: int, *, only: Sequence[str] = (), most: int = MOST_A_DAY
) -> dict[int, list[Planned]]:
    """The faults by day.

    Args:
        seed: Of the generator.
        days: The number of days.
        only: Names of the functions that inject faults; all by default, ``none`` for an empty plan.
        most: Faults of a day.

    Raises:
        ValueError: If a name is unknown.

    """
    dice = random.Random(seed)
    kinds = [(inject, weight) for inject, weight in (*faults.ALL, *people.ALL)]
    names = {inject.__name__ for inject, _ in kinds}
    if unknown := set(only) - names - {"none"}:
        raise ValueError(
            f"unknown faults: {', '.join(sorted(unknown))}: one of {', '.join(sorted(names))}"
        )
    chosen = [(i, w) for i, w in kinds if not only or i.__name__ in only]
    weights = [weight for _, weight in chosen]
    planned: dict[int, list[Planned]] = {}
    for day in range(1, days + 1):
        count = 0 if is_quiet(day, days) or not chosen else dice.randint(0, most)
        injects = dice.choices([i for i, _ in chosen], weights, k=count) if count else []
        planned[day] = sorted(
            (Planned(step=dice.randrange(STEPS), inject=inject, seed=dice.randrange(2**32))
             for inject in injects),
            key=lambda each: each.step,
        )  # fmt: skip
    return planned
