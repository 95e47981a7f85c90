"""A figure: a measured number with its baseline and bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measurement. ``bound`` is a text; ``holds`` whether the number is within it."""

    name: str
    value: float
    unit: str
    bound: str
    holds: bool
    yardstick: float | None = None
    yardstick_name: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The figure as plain data, with its ratio to the baseline."""
        ratio = self.value / self.yardstick if self.yardstick else None
        return asdict(self) | {"ratio": ratio}


def seconds(work: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def calls_a_second(call: Callable[[], Any], *, count: int = 300, rounds: int = 3) -> float:
    """Median rate of ``rounds`` rounds of ``count`` calls, after a warm-up."""
    for _ in range(10):
        call()

    def many() -> None:
        for _ in range(count):
            call()

    return median(count / seconds(many) for _ in range(rounds))


def rates_in_turn(
    one: Callable[[], Any], other: Callable[[], Any], *, count: int = 150, rounds: int = 5
) -> tuple[float, float]:
    """Median rates of two calls, measured alternately to share any drift of the machine."""
    pairs = [
        (calls_a_second(one, count=count, rounds=1), calls_a_second(other, count=count, rounds=1))
        for _ in range(rounds)
    ]
    return median(a for a, _ in pairs), median(b for _, b in pairs)


def milliseconds(call: Callable[[], Any], *, count: int = 50) -> float:
    """Median wall milliseconds of a call, after a warm-up."""
    for _ in range(3):
        call()
    return 1000 * median(seconds(call) for _ in range(count))
