"""Metric samples by series, and CloudWatch's statistics of them."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence

from sageloop.local_cloud.cloudwatch.statistics import Extended, extended
from sageloop.local_cloud.cloudwatch.units import in_order
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.samples import Sample, Series

# CloudWatch retains 60-second data for 15 days; samples are not aggregated, so that is the limit.
RETENTION_SECONDS = 15 * 86_400


def _average(total: float, count: float) -> float:
    return total / count if count else 0.0  # of statistic sets that hold no value


_COMPUTE: dict[str, Callable[[list[Sample]], float]] = {
    "SampleCount": lambda kept: sum(s.count for s in kept),
    "Sum": lambda kept: sum(s.total for s in kept),
    "Average": lambda kept: _average(sum(s.total for s in kept), sum(s.count for s in kept)),
    "Minimum": lambda kept: min(s.minimum for s in kept),
    "Maximum": lambda kept: max(s.maximum for s in kept),
}
STATISTICS = tuple(_COMPUTE)
"""The statistics that are not extended ones."""


class MetricStore:
    """The samples of every series by unit, in order of time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[Series, dict[str, list[Sample]]] = {}

    def put(self, series: Series, sample: Sample, unit: str) -> None:
        """Add a sample and delete those past retention."""
        with self._lock:
            units = self._samples.setdefault(series, {})
            _append(units.setdefault(unit, []), sample)

    def put_each(
        self, now: float, series: Sequence[Series], values: Sequence[float], units: Sequence[str]
    ) -> None:
        """Add an observation to each of several series.

        Equal consecutive values within a virtual second become one sample of a higher count: all
        statistics stay equal, and memory does not grow with the number of requests.
        """
        second = now // 1
        with self._lock:
            for one, value, unit in zip(series, values, units, strict=True):
                samples = self._samples.setdefault(one, {}).setdefault(unit, [])
                last = samples[-1] if samples else None
                if last is not None and last.time >= second and _all(last, value):
                    samples[-1] = last.again(value)
                else:
                    _append(samples, Sample(now, value, 1, value, value))

    def between(
        self, series: Series, start: float, end: float, unit: str | None = None
    ) -> list[Sample]:
        """The samples of one unit with ``start <= time < end``.

        Without ``unit`` it is the first of CloudWatch's order that has samples in this time.
        """
        with self._lock:
            return self._between(series, start, end, unit)

    def by_unit(
        self, series: Series, start: float, end: float, unit: str | None = None
    ) -> dict[str, list[Sample]]:
        """The samples with ``start <= time < end`` of every unit, or of one."""
        with self._lock:
            units = [unit] if unit is not None else in_order(self._samples.get(series, {}))
            return {one: self._between(series, start, end, one) for one in units}

    def count(self, series: Series, start: float, end: float) -> int:
        """The number of samples with ``start <= time < end``, of all units."""
        return sum(len(samples) for samples in self.by_unit(series, start, end).values())

    def latest(self, series: Series) -> float:
        """The time of the latest sample; 0 if there is none."""
        with self._lock:
            units = self._samples.get(series, {})
            return max((samples[-1].time for samples in units.values() if samples), default=0.0)

    def all(self) -> list[Series]:
        """Every series that has samples."""
        with self._lock:
            return list(self._samples)

    def _between(
        self, series: Series, start: float, end: float, unit: str | None
    ) -> list[Sample]:  # fmt: skip
        units = self._samples.get(series)
        if not units:
            return []
        for one in in_order(units) if unit is None else [unit]:
            samples = units.get(one, [])
            first = bisect_left(samples, start, key=_time)
            last = bisect_left(samples, end, key=_time)
            if first < last:
                return samples[first:last]
        return []


def statistic(samples: Iterable[Sample], name: str) -> float | None:
    """A statistic of samples; ``None`` if there are none.

    Percentiles are the value at the rank, with samples weighted by their count. Percentiles and the
    like need raw values: they are ``None`` if a sample is a statistic set of different values, and
    percentiles if a value is negative. Raises ``InvalidParameterValue`` for an unsupported
    statistic.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
    """
    kept = list(samples)
    parsed = None if name in _COMPUTE else _extended(name)
    if not kept:
        return None
    if parsed is None:
        return _COMPUTE[name](kept)
    if any(s.minimum != s.maximum for s in kept):
        return None
    if parsed.percentile is not None and any(s.minimum < 0 for s in kept):
        return None
    return parsed.of(sorted((s.total / s.count, s.count) for s in kept if s.count))


def check_statistic(name: str) -> None:
    """Raise ``InvalidParameterValue`` for an unsupported statistic."""
    if name not in _COMPUTE:
        _extended(name)


def _extended(name: str) -> Extended:
    parsed = extended(name)
    if parsed is None:
        raise AwsError(
            "InvalidParameterValue",
            f"the statistic {name} is not supported; supported are {', '.join(_COMPUTE)}, pNN, "
            "tmNN, wmNN, tcNN, tsNN, IQM, and TM, WM, TC, TS, PR with bounds such as (10%:90%)",
        )
    return parsed


def _all(sample: Sample, value: float) -> bool:
    return sample.minimum == value == sample.maximum


def _append(samples: list[Sample], sample: Sample) -> None:
    """Add a sample in order of time and delete those past retention."""
    if not samples or sample.time >= samples[-1].time:
        samples.append(sample)
    else:
        insort(samples, sample)
    if samples[0].time < sample.time - RETENTION_SECONDS:
        del samples[: bisect_left(samples, sample.time - RETENTION_SECONDS, key=_time)]


def _time(sample: Sample) -> float:
    return sample.time
