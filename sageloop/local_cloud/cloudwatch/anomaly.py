"""Anomaly detectors: bands of expected values, computed from the history of a metric.

CloudWatch's model is not public; this one is the project's own. From up to two weeks of history
it takes the mean and the standard deviation of equal hours of the week; with too few datapoints,
of equal hours of the day; with too few again, of the whole history. The band is
``mean - width x deviation`` to ``mean + width x deviation``. It is computed again every virtual
hour from data before that hour, so that current values do not widen their own band.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import fsum, sqrt
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sageloop.local_cloud.cloudwatch.expressions import syntax
from sageloop.local_cloud.cloudwatch.expressions.evaluate import BAND, Computation
from sageloop.local_cloud.cloudwatch.expressions.values import Many, Span, TimeSeries, kind_of
from sageloop.local_cloud.cloudwatch.metrics import MetricStore
from sageloop.local_cloud.cloudwatch.queries import Query

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import VirtualClock

HISTORY_SECONDS = 14 * 86_400
_LEARN_EVERY = 3600
_FEWEST = 3
# A constant metric would have a band of width 0; a hundredth of its level is the minimum.
_LEAST_SPREAD = 0.01

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean and the standard deviation of values."""

    count: int
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Compute them from at least one value."""
        mean = fsum(values) / len(values)
        deviation = sqrt(fsum((v - mean) ** 2 for v in values) / len(values))
        return cls(len(values), mean, max(deviation, _LEAST_SPREAD * abs(mean)))


@dataclass(frozen=True, slots=True)
class Model:
    """Expected values, computed from a history."""

    by_hour_of_week: Mapping[int, Spread]
    by_hour_of_day: Mapping[int, Spread]
    of_all: Spread | None
    zone: ZoneInfo

    @classmethod
    def learnt(cls, points: Mapping[float, float], zone: ZoneInfo) -> Model:
        """Compute a model from datapoints by epoch seconds."""
        weekly: dict[int, list[float]] = {}
        daily: dict[int, list[float]] = {}
        for t, value in points.items():
            hour = _hour_of_week(t, zone)
            weekly.setdefault(hour, []).append(value)
            daily.setdefault(hour % 24, []).append(value)
        return cls(
            {hour: Spread.of(values) for hour, values in weekly.items()},
            {hour: Spread.of(values) for hour, values in daily.items()},
            Spread.of(list(points.values())) if points else None,
            zone,
        )

    def expected(self, time: float) -> Spread | None:
        """The spread of the most specific period with enough datapoints, or ``None``."""
        hour = _hour_of_week(time, self.zone)
        habits = (self.by_hour_of_week.get(hour), self.by_hour_of_day.get(hour % 24), self.of_all)
        return next((h for h in habits if h is not None and h.count >= _FEWEST), None)

    @property
    def state(self) -> str:
        """The StateValue of DescribeAnomalyDetectors."""
        if self.of_all is None:
            return "PENDING_TRAINING"
        return "TRAINED" if self.of_all.count >= _FEWEST else "TRAINED_INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector: its metric or expression, and the configuration of its history."""

    key: Key
    queries: Mapping[str, Query]
    watched: str
    described: Mapping[str, Any]
    excluded: tuple[tuple[float, float], ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def keeps(self, time: float) -> bool:
        """Whether a time of the history is not excluded."""
        return not any(start <= time < end for start, end in self.excluded)


class AnomalyBands:
    """The detectors of the account and their models."""

    def __init__(self, clock: VirtualClock, store: MetricStore) -> None:
        self._clock = clock
        self._store = store
        self._lock = threading.Lock()
        self._detectors: dict[Key, Detector] = {}
        self._learnt: dict[tuple[Any, ...], tuple[tuple[Any, ...], Model]] = {}

    def put(self, detector: Detector, *, replace: bool = True) -> Detector:
        """Create a detector, or update the one of an equal metric, which keeps its id."""
        with self._lock:
            known = self._detectors.get(detector.key)
            if known is not None and not replace:
                return known
            if known is not None:
                detector = Detector(
                    detector.key, detector.queries, detector.watched, detector.described,
                    detector.excluded, detector.zone, known.id,
                )  # fmt: skip
            self._detectors[detector.key] = detector
            return detector

    def all(self) -> list[Detector]:
        """Every detector."""
        with self._lock:
            return list(self._detectors.values())

    def remove(self, key: Key) -> bool:
        """Delete a detector; false if it does not exist."""
        with self._lock:
            return self._detectors.pop(key, None) is not None

    def band(self, computation: Computation, of: syntax.Node, width: float) -> Many:
        """The lower and the upper bound at each period of a computation's span.

        Without a detector of the metric the bounds have no datapoints, as on AWS.
        """
        value = computation.value(of)
        if not isinstance(value, TimeSeries):
            raise syntax.invalid(f"{BAND} takes a time series, not {kind_of(value)}")
        with self._lock:
            detector = self._detectors.get(key_of(computation.queries, of))
        low: dict[float, float | None] = {}
        high: dict[float, float | None] = {}
        if detector is not None:
            model = self._model(detector, computation, of, value.period)
            for t in computation.span.starts(value.period):
                expected = model.expected(t)
                if expected is not None:
                    low[t] = expected.mean - width * expected.deviation
                    high[t] = expected.mean + width * expected.deviation
        named = value.label or value.id
        return (
            value.with_points(low).named(value.id, f"{named} expected at least"),
            value.with_points(high).named(value.id, f"{named} expected at most"),
        )

    def state_of(self, detector: Detector, computation: Computation) -> str:
        """The state of a detector's model."""
        of = syntax.Reference(detector.watched)
        period = detector.queries[detector.watched].period
        return self._model(detector, computation, of, period).state

    def _model(
        self, detector: Detector, computation: Computation, of: syntax.Node, period: int
    ) -> Model:
        end = self._clock.time() // _LEARN_EVERY * _LEARN_EVERY
        span = Span(end - HISTORY_SECONDS, end, computation.span.anchor % period)
        ranges = tuple(
            self._store.count(q.series, span.start, span.end)
            for q in computation.queries.values()
            if q.series is not None
        )
        of_what = (detector.key, period, span.anchor)
        up_to = (end, ranges, detector.excluded, detector.zone)
        with self._lock:
            known = self._learnt.get(of_what)
        if known is not None and known[0] == up_to:
            return known[1]
        history = computation.over(span).value(of)
        points = history.points if isinstance(history, TimeSeries) else {}
        model = Model.learnt(
            {t: v for t, v in points.items() if detector.keeps(t)}, detector.zone
        )  # fmt: skip
        with self._lock:
            self._learnt[of_what] = (up_to, model)
        return model


def key_of(queries: Mapping[str, Query], of: syntax.Node) -> Key:
    """The identity of a band: a metric with its statistic, or a whole computation."""
    query = queries.get(of.id) if isinstance(of, syntax.Reference) else None
    if query is not None and query.series is not None:
        return ("metric", query.series, query.stat)
    if query is not None and query.node is not None:
        of = query.node
    return ("math", of, tuple(sorted(_inputs(queries, of, frozenset()), key=repr)))


def _inputs(queries: Mapping[str, Query], of: syntax.Node, visited: frozenset[str]) -> set[Key]:
    keys: set[Key] = set()
    for id_ in syntax.references(of) - visited:
        query = queries.get(id_)
        if query is None:
            continue
        keys.add((id_, query.series, query.stat, query.period, query.node))
        if query.node is not None:
            keys |= _inputs(queries, query.node, visited | {id_})
    return keys


def _hour_of_week(time: float, zone: ZoneInfo) -> int:
    moment = datetime.fromtimestamp(time, zone)
    return moment.weekday() * 24 + moment.hour
