"""Metric alarms: their definition, their evaluation on the virtual clock and their history."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm, iso_millis
from sageloop.local_cloud.cloudwatch.evaluation import EXTRA_PERIODS, State, state_of_datapoints
from sageloop.local_cloud.cloudwatch.readings import Readings
from sageloop.local_cloud.cloudwatch.watching import Datapoint, Watch, datapoints

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_SPOKEN = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
    "GreaterThanUpperThreshold": "greater than the upper bound of",
    "LessThanLowerThreshold": "less than the lower bound of",
    "LessThanLowerOrGreaterThanUpperThreshold": "outside",
}


@dataclass(eq=False, kw_only=True)
class Alarm(AnyAlarm):
    """A metric alarm as PutMetricAlarm defined it, with its state."""

    kind: ClassVar[str] = "MetricAlarm"

    watch: Watch

    @property
    def period(self) -> int:
        """The period of a datapoint in seconds."""
        return self.watch.period

    @property
    def periods(self) -> int:
        """N of M-out-of-N."""
        return int(self.definition["EvaluationPeriods"])

    @property
    def to_alarm(self) -> int:
        """M of M-out-of-N."""
        return int(self.definition.get("DatapointsToAlarm", self.periods))


Transition = Callable[[Alarm, State, str], None]


class AlarmRepository:
    """The metric alarms of the account, evaluated every virtual minute."""

    def __init__(self, cloud: Cloud, readings: Readings, on_transition: Transition) -> None:
        """``on_transition(alarm, previous state, previous reason data)`` runs after a change."""
        self._cloud = cloud
        self._readings = readings
        self._on_transition = on_transition
        self.lock = threading.RLock()
        self._alarms: dict[str, Alarm] = {}

    def put(self, alarm: Alarm) -> None:
        """Create or update an alarm; an updated alarm keeps its state until it is evaluated."""
        with self.lock:
            known = self._alarms.get(alarm.name)
            if known:
                alarm.inherit(known)
            self._alarms[alarm.name] = alarm
            verb = "updated" if known else "created"
            alarm.note(alarm.configured, "ConfigurationUpdate", f'Alarm "{alarm.name}" {verb}', {})

    def get(self, name: str) -> Alarm | None:
        """The alarm with a name, or ``None``."""
        with self.lock:
            return self._alarms.get(name)

    def all(self) -> list[Alarm]:
        """Every metric alarm, by name."""
        with self.lock:
            return [self._alarms[name] for name in sorted(self._alarms)]

    def delete(self, name: str) -> None:
        """Delete an alarm; no error if it does not exist."""
        with self.lock:
            self._alarms.pop(name, None)

    def evaluate_all(self) -> None:
        """Evaluate every alarm at the virtual time."""
        now = self._cloud.clock.time()
        for alarm in self.all():
            self.evaluate(alarm, now)

    def evaluate(self, alarm: Alarm, now: float) -> None:
        """Set the state of one alarm by its datapoints."""
        points = datapoints(
            self._readings, alarm.watch, alarm.definition,
            count=alarm.periods + EXTRA_PERIODS, now=now,
        )  # fmt: skip
        if _ignores(alarm, points):
            return
        with self.lock:
            state = state_of_datapoints(
                [point.breaching for point in points],
                periods=alarm.periods, to_alarm=alarm.to_alarm,
                missing=alarm.definition.get("TreatMissingData", "missing"), current=alarm.state,
            )  # fmt: skip
            if state == alarm.state or self._alarms.get(alarm.name) is not alarm:
                return
            reason, data = _explain(alarm, points, state, now)
            self.change(alarm, state, reason, data)

    def change(self, alarm: Alarm, state: State, reason: str, data: str) -> None:
        """Change an alarm's state, add it to the history and run the transition."""
        with self.lock:
            previous, previous_data = alarm.state, alarm.reason_data
            alarm.enter(state, reason, data, self._cloud.clock.time())
        if state != previous:
            self._on_transition(alarm, previous, previous_data)


def _ignores(alarm: Alarm, points: list[Datapoint]) -> bool:
    """Whether an alarm on a percentile keeps its state because it has too few samples."""
    if alarm.definition.get("EvaluateLowSampleCountPercentile") != "ignore":
        return False
    real = [point for point in points if point.value is not None][-alarm.periods :]
    return any(not point.significant for point in real)


def _explain(
    alarm: Alarm, points: list[Datapoint], state: State, now: float
) -> tuple[str, str]:  # fmt: skip
    recent = [point for point in points if point.breaching is not None][-alarm.periods :]
    metric = alarm.watch.metric
    data: dict[str, Any] = {
        "version": "1.0",
        "queryDate": iso_millis(now),
        "startDate": iso_millis(recent[0].start) if recent else None,
        "unit": metric.unit if metric else None,
        "statistic": metric.stat if metric else None,
        "period": alarm.period,
        "recentDatapoints": [point.value for point in recent],
        "threshold": alarm.definition.get("Threshold"),
        "evaluatedDatapoints": [_evaluated(point) for point in reversed(recent)],
    }
    if alarm.watch.band:
        data["recentLowerThresholds"] = [p.bounds[0] for p in recent if p.bounds]
        data["recentUpperThresholds"] = [p.bounds[1] for p in recent if p.bounds]
    reason = _crossed(alarm, recent, state) if recent else _no_data(alarm, state)
    return reason, json.dumps({k: v for k, v in data.items() if v is not None or k == "startDate"})


def _crossed(alarm: Alarm, recent: list[Datapoint], state: State) -> str:
    alarming, points = state == "ALARM", list(reversed(recent))
    count = sum(1 for point in points if bool(point.breaching) == alarming)
    least = alarm.to_alarm if alarming else alarm.periods - alarm.to_alarm + 1
    values = ", ".join(f"{p.value} ({_stamp(p.start)})" for p in points)
    held = (
        f"the threshold ({float(alarm.definition['Threshold'])})"
        if alarm.watch.band is None
        else "the band " + ", ".join(f"[{p.bounds[0]}, {p.bounds[1]}]" for p in points if p.bounds)
    )
    verb = f"{'was' if count == 1 else 'were'}{'' if alarming else ' not'}"
    return (
        f"Threshold Crossed: {count} out of the last {alarm.periods} datapoints [{values}] {verb} "
        f"{_SPOKEN[alarm.definition['ComparisonOperator']]} {held} (minimum {_points(least)} for "
        f"{'OK -> ALARM' if alarming else 'ALARM -> OK'} transition)."
    )


def _no_data(alarm: Alarm, state: State) -> str:
    verb = "was" if alarm.periods == 1 else "were"
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_points(alarm.periods)} {verb} unknown."
    taken = "Breaching" if state == "ALARM" else "NonBreaching"
    return (
        f"Threshold Crossed: no datapoints were received for {_counted(alarm.periods, 'period')} "
        f"and {_counted(alarm.periods, 'missing datapoint')} {verb} treated as [{taken}]."
    )


def _points(count: int) -> str:
    return _counted(count, "datapoint")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _evaluated(point: Datapoint) -> dict[str, Any]:
    evaluated = {"timestamp": iso_millis(point.start), "value": point.value}
    return evaluated | {"sampleCount": point.count} if point.count else evaluated


def _stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%d/%m/%y %H:%M:%S")
