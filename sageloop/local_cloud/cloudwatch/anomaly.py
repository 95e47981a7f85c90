"""Anomaly detectors: bands of expected values, learnt from a metric's own history.

CloudWatch's model is not public; this one is ours and simple. From up to two weeks of history it
takes the mean and the spread (standard deviation) of the same hour of the week; where that holds
too few datapoints, of the same hour of the day; where that does too, of all of it. The band is
``mean - width x spread`` to ``mean + width x spread``. It is learnt anew every virtual hour, up
to that hour's beginning, so what happens now does not widen its own band.
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
# A metric that never moved would have no band at all; a hundredth of its level is one.
_LEAST_SPREAD = 0.01

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """The mean of some values, and how far they lie from it."""

    count: int
    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        mean = fsum(values) / len(values)
        deviation = sqrt(fsum((v - mean) ** 2 for v in values) / len(values))
        return cls(len(values), mean, max(deviation, _LEAST_SPREAD * abs(mean)))


@dataclass(frozen=True, slots=True)
class Model:
    """What a history says of the values to expect."""

    by_hour_of_week: Mapping[int, Spread]
    by_hour_of_day: Mapping[int, Spread]
    of_all: Spread | None
    zone: ZoneInfo

    @classmethod
    def learnt(cls, points: Mapping[float, float], zone: ZoneInfo) -> Model:
        """From datapoints by epoch seconds."""
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
        """The nearest habit that is known well enough, if any is."""
        hour = _hour_of_week(time, self.zone)
        habits = (self.by_hour_of_week.get(hour), self.by_hour_of_day.get(hour % 24), self.of_all)
        return next((h for h in habits if h is not None and h.count >= _FEWEST), None)

    @property
    def state(self) -> str:
        """The state as DescribeAnomalyDetectors names it."""
        if self.of_all is None:
            return "PENDING_TRAINING"
        return "TRAINED" if self.of_all.count >= _FEWEST else "TRAINED_INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True)
class Detector:
    """One detector: what it is of, and how its history is to be read."""

    key: Key
    queries: Mapping[str, Query]
    watched: str
    described: Mapping[str, Any]
    excluded: tuple[tuple[float, float], ...] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def keeps(self, time: float) -> bool:
        """Whether a moment of the history counts."""
        return not any(start <= time < end for start, end in self.excluded)


class AnomalyBands:
    """The account's detectors and what they have learnt."""

    def __init__(self, clock: VirtualClock, store: MetricStore) -> None:
        self._clock = clock
        self._store = store
        self._lock = threading.Lock()
        self._detectors: dict[Key, Detector] = {}
        self._learnt: dict[tuple[Any, ...], tuple[tuple[Any, ...], Model]] = {}

    def put(self, detector: Detector, *, replace: bool = True) -> Detector:
        """Add a detector, or change the one of the same metric, which keeps its id."""
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
        """Forget a detector; false if there was none."""
        with self._lock:
            return self._detectors.pop(key, None) is not None

    def band(self, computation: Computation, of: syntax.Node, width: float) -> Many:
        """The lower and the upper bound at each moment of a computation's span.

        Without a detector for what is given there are no datapoints, as on AWS.
        """
        given = computation.value(of)
        if not isinstance(given, TimeSeries):
            raise syntax.invalid(f"{BAND} takes a time series, not {kind_of(given)}")
        with self._lock:
            detector = self._detectors.get(key_of(computation.queries, of))
        low: dict[float, float | None] = {}
        high: dict[float, float | None] = {}
        if detector is not None:
            model = self._model(detector, computation, of, given.period)
            for t in computation.span.starts(given.period):
                expected = model.expected(t)
                if expected is not None:
                    low[t] = expected.mean - width * expected.deviation
                    high[t] = expected.mean + width * expected.deviation
        named = given.label or given.id
        return (
            given.with_points(low).named(given.id, f"{named} expected at least"),
            given.with_points(high).named(given.id, f"{named} expected at most"),
        )

    def state_of(self, detector: Detector, computation: Computation) -> str:
        """How far a detector has learnt."""
        of = syntax.Reference(detector.watched)
        period = detector.queries[detector.watched].period
        return self._model(detector, computation, of, period).state

    def _model(
        self, detector: Detector, computation: Computation, of: syntax.Node, period: int
    ) -> Model:
        end = self._clock.time() // _LEARN_EVERY * _LEARN_EVERY
        span = Span(end - HISTORY_SECONDS, end, computation.span.anchor % period)
        seen = tuple(
            self._store.count(q.series, span.start, span.end)
            for q in computation.queries.values()
            if q.series is not None
        )
        of_what = (detector.key, period, span.anchor)
        up_to = (end, seen, detector.excluded, detector.zone)
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
    """What makes two bands the same: a metric with its statistic, or a whole computation."""
    query = queries.get(of.id) if isinstance(of, syntax.Reference) else None
    if query is not None and query.series is not None:
        return ("metric", query.series, query.stat)
    if query is not None and query.node is not None:
        of = query.node
    return ("math", of, tuple(sorted(_inputs(queries, of, frozenset()), key=repr)))


def _inputs(queries: Mapping[str, Query], of: syntax.Node, seen: frozenset[str]) -> set[Key]:
    found: set[Key] = set()
    for id_ in syntax.references(of) - seen:
        query = queries.get(id_)
        if query is None:
            continue
        found.add((id_, query.series, query.stat, query.period, query.node))
        if query.node is not None:
            found |= _inputs(queries, query.node, seen | {id_})
    return found


def _hour_of_week(time: float, zone: ZoneInfo) -> int:
    moment = datetime.fromtimestamp(time, zone)
    return moment.weekday() * 24 + moment.hour
