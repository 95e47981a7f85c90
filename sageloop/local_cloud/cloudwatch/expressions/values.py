"""The values of metric math: numbers, time series, arrays of time series, and strings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Values by the start of their period (epoch seconds), in order of time."""

    points: Mapping[float, float] = field(default_factory=dict)
    period: int = 60
    id: str = ""
    label: str = ""
    # CloudWatch's METRICS() selects retrieved metrics, not computed ones.
    retrieved: bool = False

    def with_points(self, points: Mapping[float, float | None]) -> TimeSeries:
        """The series with other values; a value that is not finite is no datapoint."""
        kept = {t: v for t, v in sorted(points.items()) if v is not None and isfinite(v)}
        return replace(self, points=kept, retrieved=False)

    def each(self, change: Callable[[float], float | None]) -> TimeSeries:
        """The series with a function applied to every value."""
        return self.with_points({t: change(v) for t, v in self.points.items()})

    def named(self, id: str, label: str) -> TimeSeries:  # noqa: A002 - CloudWatch's own word
        """The series with another id and label."""
        return replace(self, id=id, label=label)


Many = tuple[TimeSeries, ...]
Value = float | TimeSeries | Many | str


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time from ``start`` (inclusive) to ``end`` (exclusive), in epoch seconds.

    Periods start at multiples of their length, counted from ``anchor``.
    """

    start: float
    end: float
    anchor: float = 0.0

    def starts(self, period: int) -> list[float]:
        """The start times of periods, from the one that contains ``start`` on."""
        first = self.start - (self.start - self.anchor) % period
        count = max(0, -int(-(self.end - first) // period))
        return [first + index * period for index in range(count)]


def kind_of(value: Value) -> str:
    """The type of a value for error messages."""
    if isinstance(value, float):
        return "a number"
    if isinstance(value, TimeSeries):
        return "a time series"
    return "a text" if isinstance(value, str) else "an array of time series"
