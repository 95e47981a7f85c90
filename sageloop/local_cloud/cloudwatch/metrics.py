"""Metric samples by series, and CloudWatch's statistics of them."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence

from sageloop.local_cloud.cloudwatch.statistics import Extended, extended
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.samples import Sample, Series

# CloudWatch retains 60-second data for 15 days; samples are not aggregated, so that is the limit.
RETENTION_SECONDS = 15 * 86_400


_COMPUTE: dict[str, Callable[[list[Sample]], float]] = {
    "SampleCount": lambda kept: sum(s.count for s in kept),
    "Sum": lambda kept: sum(s.total for s in kept),
    "Average": lambda kept: sum(s.total for s in kept) / sum(s.count for s in kept),
    "Minimum": lambda kept: min(s.minimum for s in kept),
    "Maximum": lambda kept: max(s.maximum for s in kept),
}


class MetricStore:
    """The samples of every series, in order of time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[Series, list[Sample]] = {}
        self._units: dict[Series, str] = {}

    def put(self, series: Series, sample: Sample, unit: str) -> None:
        """Add a sample and delete those past retention."""
        with self._lock:
            self._units[series] = unit
            _append(self._samples.setdefault(series, []), sample)

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
                samples = self._samples.get(one)
                if samples is None:
                    samples = self._samples[one] = []
                    self._units[one] = unit
                last = samples[-1] if samples else None
                if last is not None and last.time >= second and _all(last, value):
                    samples[-1] = last.again(value)
                else:
                    _append(samples, Sample(now, value, 1, value, value))

    def between(self, series: Series, start: float, end: float) -> list[Sample]:
        """The samples with ``start <= time < end``."""
        with self._lock:
            samples = self._samples.get(series, [])
            return samples[
                bisect_left(samples, start, key=_time) : bisect_left(samples, end, key=_time)
            ]

    def count(self, series: Series, start: float, end: float) -> int:
        """The number of samples with ``start <= time < end``."""
        with self._lock:
            samples = self._samples.get(series, [])
            return bisect_left(samples, end, key=_time) - bisect_left(samples, start, key=_time)

    def unit(self, series: Series) -> str:
        """The unit of the latest sample."""
        return self._units.get(series, "None")

    def all(self) -> list[Series]:
        """Every series that has samples."""
        with self._lock:
            return list(self._samples)


def statistic(samples: Iterable[Sample], name: str) -> float | None:
    """A statistic of samples; ``None`` if there are none.

    Percentiles are the value at the rank, with samples weighted by their count. Raises
    ``InvalidParameterValue`` for an unsupported statistic.
    """
    kept = list(samples)
    parsed = None if name in _COMPUTE else _extended(name)
    if not kept:
        return None
    if parsed is None:
        return _COMPUTE[name](kept)
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
