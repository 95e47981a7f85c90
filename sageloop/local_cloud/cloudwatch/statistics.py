"""Percentiles, trimmed and clipped means, counts and sums of ranked values.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf

# A value and its number of occurrences, lowest value first.
Ranked = Sequence[tuple[float, float]]

_SHORT = re.compile(r"(p|tm|wm|tc|ts)(\d{1,2}(?:\.\d{1,10})?|100)")
_RANGE = re.compile(r"(TM|WM|TC|TS|PR)\((-?\d+\.?\d*%?)?:(-?\d+\.?\d*%?)?\)")


@dataclass(frozen=True, slots=True)
class Extended:
    """A statistic of ``kind`` between two bounds, which are percentages or values."""

    kind: str
    low: float
    high: float
    percents: bool

    def of(self, ranked: Ranked) -> float | None:
        """The value of the statistic, or ``None`` if no value is between the bounds."""
        return _COMPUTE[self.kind](self, ranked)

    @property
    def percentile(self) -> float | None:
        """The percentage of a percentile, ``None`` for other statistics."""
        return self.high if self.kind == "p" else None


@lru_cache(maxsize=256)
def extended(name: str) -> Extended | None:
    """Parse a statistic such as ``p99``, ``tm90``, ``TM(10%:90%)``, ``PR(:300)`` or ``IQM``."""
    if name == "IQM":
        return Extended("TM", 25, 75, True)
    short = _SHORT.fullmatch(name)
    if short:
        kind = "p" if short[1] == "p" else short[1].upper()
        return Extended(kind, 0, float(short[2]), True)
    match = _RANGE.fullmatch(name)
    if not match or (match[2] is None and match[3] is None):
        return None
    bounds = [b for b in match.groups()[1:] if b is not None]
    percents = bounds[0].endswith("%")
    if any(b.endswith("%") != percents for b in bounds):
        return None
    low = _bound(match[2], 0 if percents else -inf)
    high = _bound(match[3], 100 if percents else inf)
    if low >= high or (percents and not (low >= 0 and high <= 100)):
        return None
    # The bounds of a percentile rank are values: its result is a percentage.
    return None if percents and match[1] == "PR" else Extended(match[1], low, high, percents)


def _bound(text: str | None, default: float) -> float:
    return default if text is None else float(text.rstrip("%"))


def _percentile(statistic: Extended, ranked: Ranked) -> float | None:
    return _value_at(ranked, statistic.high)


def _value_at(ranked: Ranked, percent: float) -> float | None:
    rank = sum(count for _, count in ranked) * percent / 100
    passed = 0.0
    for value, count in ranked:
        passed += count
        if passed >= rank:
            return value
    return ranked[-1][0] if ranked else None


def _within(statistic: Extended, ranked: Ranked) -> list[tuple[float, float]]:
    if not statistic.percents:
        return [(v, n) for v, n in ranked if statistic.low < v <= statistic.high]
    total = sum(count for _, count in ranked)
    first, last = total * statistic.low / 100, total * statistic.high / 100
    kept, passed = [], 0.0
    for value, count in ranked:
        share = min(passed + count, last) - max(passed, first)
        if share > 0:
            kept.append((value, share))
        passed += count
    return kept


def _mean(ranked: Ranked) -> float | None:
    count = sum(n for _, n in ranked)
    return sum(v * n for v, n in ranked) / count if count else None


def _trimmed(statistic: Extended, ranked: Ranked) -> float | None:
    return _mean(_within(statistic, ranked))


def _clipped(statistic: Extended, ranked: Ranked) -> float | None:
    low, high = statistic.low, statistic.high
    if statistic.percents:
        at_low, at_high = _value_at(ranked, low), _value_at(ranked, high)
        low = -inf if at_low is None else at_low
        high = inf if at_high is None else at_high
    return _mean([(min(max(v, low), high), n) for v, n in ranked])


def _count(statistic: Extended, ranked: Ranked) -> float | None:
    return sum(n for _, n in _within(statistic, ranked))


def _sum(statistic: Extended, ranked: Ranked) -> float | None:
    return sum(v * n for v, n in _within(statistic, ranked))


def _rank(statistic: Extended, ranked: Ranked) -> float | None:
    total = sum(n for _, n in ranked)
    return 100 * sum(n for _, n in _within(statistic, ranked)) / total if total else None


_COMPUTE: dict[str, Callable[[Extended, Ranked], float | None]] = {
    "p": _percentile,
    "TM": _trimmed,
    "WM": _clipped,
    "TC": _count,
    "TS": _sum,
    "PR": _rank,
}
