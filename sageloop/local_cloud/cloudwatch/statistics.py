"""Statistics over ranked values: percentiles, trimmed and clipped means, counts and sums.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf

# A value and how often it was seen, lowest first.
Ranked = Sequence[tuple[float, float]]

_SHORT = re.compile(r"(p|tm|wm|tc|ts)(\d{1,2}(?:\.\d{1,10})?|100)")
_RANGE = re.compile(r"(TM|WM|TC|TS|PR)\((-?\d+\.?\d*%?)?:(-?\d+\.?\d*%?)?\)")


@dataclass(frozen=True, slots=True)
class Extended:
    """A statistic of ``kind`` between two bounds, which are percents or values."""

    kind: str
    low: float
    high: float
    percents: bool

    def of(self, ranked: Ranked) -> float | None:
        """Its value, or ``None`` when no value lies between the bounds."""
        return _COMPUTE[self.kind](self, ranked)

    @property
    def percentile(self) -> float | None:
        """The percent of a percentile, ``None`` of anything else."""
        return self.high if self.kind == "p" else None


@lru_cache(maxsize=256)
def extended(name: str) -> Extended | None:
    """The statistic of a name such as ``p99``, ``tm90``, ``TM(10%:90%)``, ``PR(:300)``, ``IQM``."""
    if name == "IQM":
        return Extended("TM", 25, 75, True)
    short = _SHORT.fullmatch(name)
    if short:
        kind = "p" if short[1] == "p" else short[1].upper()
        return Extended(kind, 0, float(short[2]), True)
    found = _RANGE.fullmatch(name)
    if not found or (found[2] is None and found[3] is None):
        return None
    bounds = [b for b in found.groups()[1:] if b is not None]
    percents = bounds[0].endswith("%")
    if any(b.endswith("%") != percents for b in bounds):
        return None
    low = _bound(found[2], 0 if percents else -inf)
    high = _bound(found[3], 100 if percents else inf)
    if low >= high or (percents and not (low >= 0 and high <= 100)):
        return None
    # A percentile rank asks for a share of the values, so its bounds are values.
    return None if percents and found[1] == "PR" else Extended(found[1], low, high, percents)


def _bound(text: str | None, default: float) -> float:
    return default if text is None else float(text.rstrip("%"))


def _percentile(asked: Extended, ranked: Ranked) -> float | None:
    return _value_at(ranked, asked.high)


def _value_at(ranked: Ranked, percent: float) -> float | None:
    wanted = sum(count for _, count in ranked) * percent / 100
    seen = 0.0
    for value, count in ranked:
        seen += count
        if seen >= wanted:
            return value
    return ranked[-1][0] if ranked else None


def _within(asked: Extended, ranked: Ranked) -> list[tuple[float, float]]:
    if not asked.percents:
        return [(v, n) for v, n in ranked if asked.low < v <= asked.high]
    total = sum(count for _, count in ranked)
    first, last = total * asked.low / 100, total * asked.high / 100
    kept, seen = [], 0.0
    for value, count in ranked:
        share = min(seen + count, last) - max(seen, first)
        if share > 0:
            kept.append((value, share))
        seen += count
    return kept


def _mean(ranked: Ranked) -> float | None:
    count = sum(n for _, n in ranked)
    return sum(v * n for v, n in ranked) / count if count else None


def _trimmed(asked: Extended, ranked: Ranked) -> float | None:
    return _mean(_within(asked, ranked))


def _clipped(asked: Extended, ranked: Ranked) -> float | None:
    low, high = asked.low, asked.high
    if asked.percents:
        at_low, at_high = _value_at(ranked, low), _value_at(ranked, high)
        low = -inf if at_low is None else at_low
        high = inf if at_high is None else at_high
    return _mean([(min(max(v, low), high), n) for v, n in ranked])


def _count(asked: Extended, ranked: Ranked) -> float | None:
    return sum(n for _, n in _within(asked, ranked))


def _sum(asked: Extended, ranked: Ranked) -> float | None:
    return sum(v * n for v, n in _within(asked, ranked))


def _rank(asked: Extended, ranked: Ranked) -> float | None:
    total = sum(n for _, n in ranked)
    return 100 * sum(n for _, n in _within(asked, ranked)) / total if total else None


_COMPUTE: dict[str, Callable[[Extended, Ranked], float | None]] = {
    "p": _percentile,
    "TM": _trimmed,
    "WM": _clipped,
    "TC": _count,
    "TS": _sum,
    "PR": _rank,
}
