"""What metric math computes with: numbers, time series, arrays of them, and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Values by the moment (epoch seconds) their period begins at, in order of time."""

    points: Mapping[float, float] = field(default_factory=dict)
    period: int = 60
    id: str = ""
    label: str = ""
    # CloudWatch's METRICS() selects what was retrieved, not what was computed.
    retrieved: bool = False

    def with_points(self, points: Mapping[float, float | None]) -> TimeSeries:
        """The series with other values; what is no finite number is no datapoint."""
        kept = {t: v for t, v in sorted(points.items()) if v is not None and isfinite(v)}
        return replace(self, points=kept, retrieved=False)

    def each(self, change: Callable[[float], float | None]) -> TimeSeries:
        """The series with every value changed."""
        return self.with_points({t: change(v) for t, v in self.points.items()})

    def named(self, id: str, label: str) -> TimeSeries:  # noqa: A002 - CloudWatch's own word
        """The series under another id and label."""
        return replace(self, id=id, label=label)


Many = tuple[TimeSeries, ...]
Value = float | TimeSeries | Many | str


@dataclass(frozen=True, slots=True)
class Span:
    """The time looked at: from ``start`` up to but not including ``end``, epoch seconds.

    Periods begin at multiples of their length counted from ``anchor``.
    """

    start: float
    end: float
    anchor: float = 0.0

    def starts(self, period: int) -> list[float]:
        """The moments at which periods begin, the one that ``start`` lies in first."""
        first = self.start - (self.start - self.anchor) % period
        count = max(0, -int(-(self.end - first) // period))
        return [first + index * period for index in range(count)]


def kind_of(value: Value) -> str:
    """A value's type as an error names it."""
    if isinstance(value, float):
        return "a number"
    if isinstance(value, TimeSeries):
        return "a time series"
    return "a text" if isinstance(value, str) else "an array of time series"
