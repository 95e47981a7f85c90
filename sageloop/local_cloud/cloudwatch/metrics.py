"""Metric samples by series, and the statistics CloudWatch computes over them."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sageloop.local_cloud.core.errors import AwsError

# CloudWatch keeps 60-second data for 15 days; nothing here is aggregated, so that is the limit.
RETENTION_SECONDS = 15 * 86_400
_PERCENTILE = re.compile(r"^p(\d{1,2}(?:\.\d{1,10})?|100)$")


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """``count`` observations at one moment (virtual epoch seconds) between two values."""

    time: float
    total: float
    count: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Series:
    """What CloudWatch calls a metric: a namespace, a name and a set of dimensions."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Series:
        """The series with these dimensions, in any order."""
        return cls(namespace, name, tuple(sorted(dimensions.items())))


_COMPUTE: dict[str, Callable[[list[Sample]], float]] = {
    "SampleCount": lambda kept: sum(s.count for s in kept),
    "Sum": lambda kept: sum(s.total for s in kept),
    "Average": lambda kept: sum(s.total for s in kept) / sum(s.count for s in kept),
    "Minimum": lambda kept: min(s.minimum for s in kept),
    "Maximum": lambda kept: max(s.maximum for s in kept),
}


class MetricStore:
    """Samples of every series, in order of time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[Series, list[Sample]] = {}
        self._units: dict[Series, str] = {}

    def put(self, series: Series, sample: Sample, unit: str) -> None:
        """Add a sample; those too old to be kept go."""
        with self._lock:
            samples = self._samples.setdefault(series, [])
            self._units[series] = unit
            if not samples or sample.time >= samples[-1].time:
                samples.append(sample)
            else:
                insort(samples, sample)
            if samples[0].time < sample.time - RETENTION_SECONDS:
                del samples[: bisect_left(samples, sample.time - RETENTION_SECONDS, key=_time)]

    def between(self, series: Series, start: float, end: float) -> list[Sample]:
        """Samples with ``start <= time < end``."""
        with self._lock:
            samples = self._samples.get(series, [])
            return samples[
                bisect_left(samples, start, key=_time) : bisect_left(samples, end, key=_time)
            ]

    def unit(self, series: Series) -> str:
        """The unit last seen."""
        return self._units.get(series, "None")

    def all(self) -> list[Series]:
        """Every series that has samples."""
        with self._lock:
            return list(self._samples)


def statistic(samples: Iterable[Sample], name: str) -> float | None:
    """One statistic of some samples; ``None`` when there are none.

    Percentiles take the value at the rank, weighting each sample by its count. Raises
    ``InvalidParameterValue`` for a statistic that is not computed here.
    """
    kept = list(samples)
    percentile = _PERCENTILE.match(name)
    if name not in _COMPUTE and not percentile:
        raise AwsError(
            "InvalidParameterValue",
            f"the statistic {name} is not computed here; there are {', '.join(_COMPUTE)} and pNN",
        )
    if not kept:
        return None
    if percentile:
        return _percentile(kept, float(percentile[1]))
    return _COMPUTE[name](kept)


def _percentile(samples: list[Sample], percent: float) -> float:
    ranked = sorted((s.total / s.count, s.count) for s in samples if s.count)
    wanted = sum(count for _, count in ranked) * percent / 100
    seen = 0.0
    for value, count in ranked:
        seen += count
        if seen >= wanted:
            return value
    return ranked[-1][0]


def _time(sample: Sample) -> float:
    return sample.time
