"""Metric alarms: their definition, their evaluation on the virtual clock, their history."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm, iso_millis
from sageloop.local_cloud.cloudwatch.evaluation import EXTRA_PERIODS, State, judge
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
    """One metric alarm as PutMetricAlarm defined it, with its state."""

    kind: ClassVar[str] = "MetricAlarm"

    watch: Watch

    @property
    def period(self) -> int:
        """Seconds between the datapoints that are judged."""
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


class AlarmBook:
    """All metric alarms of the account, evaluated every virtual minute."""

    def __init__(self, cloud: Cloud, readings: Readings, on_transition: Transition) -> None:
        """``on_transition(alarm, previous, previous reason data)`` acts on a new state."""
        self._cloud = cloud
        self._readings = readings
        self._on_transition = on_transition
        self.lock = threading.RLock()
        self._alarms: dict[str, Alarm] = {}

    def put(self, alarm: Alarm) -> None:
        """Add an alarm or redefine it; a redefined alarm keeps its state until evaluated."""
        with self.lock:
            known = self._alarms.get(alarm.name)
            if known:
                alarm.inherit(known)
            self._alarms[alarm.name] = alarm
            verb = "updated" if known else "created"
            alarm.note(alarm.configured, "ConfigurationUpdate", f'Alarm "{alarm.name}" {verb}', {})

    def get(self, name: str) -> Alarm | None:
        """The alarm of a name."""
        with self.lock:
            return self._alarms.get(name)

    def all(self) -> list[Alarm]:
        """Every metric alarm, by name."""
        with self.lock:
            return [self._alarms[name] for name in sorted(self._alarms)]

    def delete(self, name: str) -> None:
        """Forget an alarm; no error if there is none."""
        with self.lock:
            self._alarms.pop(name, None)

    def evaluate_all(self) -> None:
        """Evaluate every alarm at virtual now."""
        now = self._cloud.clock.time()
        for alarm in self.all():
            self.evaluate(alarm, now)

    def evaluate(self, alarm: Alarm, now: float) -> None:
        """Bring one alarm to the state its datapoints call for."""
        found = datapoints(
            self._readings, alarm.watch, alarm.definition,
            count=alarm.periods + EXTRA_PERIODS, now=now,
        )  # fmt: skip
        if _ignores(alarm, found):
            return
        with self.lock:
            wanted = judge(
                [point.breaching for point in found],
                periods=alarm.periods, to_alarm=alarm.to_alarm,
                missing=alarm.definition.get("TreatMissingData", "missing"), current=alarm.state,
            )  # fmt: skip
            if wanted == alarm.state or self._alarms.get(alarm.name) is not alarm:
                return
            reason, data = _explain(alarm, found, wanted, now)
            self.change(alarm, wanted, reason, data)

    def change(self, alarm: Alarm, state: State, reason: str, data: str) -> None:
        """Put an alarm into a state, note it, and act on the transition."""
        with self.lock:
            previous, previous_data = alarm.state, alarm.reason_data
            alarm.enter(state, reason, data, self._cloud.clock.time())
        if state != previous:
            self._on_transition(alarm, previous, previous_data)


def _ignores(alarm: Alarm, found: list[Datapoint]) -> bool:
    """Whether an alarm on a percentile is to stay as it is, since too few values were seen."""
    if alarm.definition.get("EvaluateLowSampleCountPercentile") != "ignore":
        return False
    real = [point for point in found if point.value is not None][-alarm.periods :]
    return any(not point.significant for point in real)


def _explain(
    alarm: Alarm, found: list[Datapoint], wanted: State, now: float
) -> tuple[str, str]:  # fmt: skip
    recent = [point for point in found if point.breaching is not None][-alarm.periods :]
    metric = alarm.watch.metric
    data: dict[str, Any] = {
        "version": "1.0",
        "queryDate": iso_millis(now),
        "startDate": iso_millis(recent[0].start) if recent else None,
        "statistic": metric.stat if metric else None,
        "period": alarm.period,
        "recentDatapoints": [point.value for point in recent],
        "threshold": alarm.definition.get("Threshold"),
        "evaluatedDatapoints": [_evaluated(point) for point in reversed(recent)],
    }
    if alarm.watch.band:
        data["recentLowerThresholds"] = [p.bounds[0] for p in recent if p.bounds]
        data["recentUpperThresholds"] = [p.bounds[1] for p in recent if p.bounds]
    reason = _crossed(alarm, recent, wanted) if recent else _nothing_seen(alarm, wanted)
    return reason, json.dumps({k: v for k, v in data.items() if v is not None or k == "startDate"})


def _crossed(alarm: Alarm, recent: list[Datapoint], wanted: State) -> str:
    alarming, points = wanted == "ALARM", list(reversed(recent))
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


def _nothing_seen(alarm: Alarm, wanted: State) -> str:
    verb = "was" if alarm.periods == 1 else "were"
    if wanted == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_points(alarm.periods)} {verb} unknown."
    taken = "Breaching" if wanted == "ALARM" else "NonBreaching"
    return (
        f"Threshold Crossed: no datapoints were received for {_counted(alarm.periods, 'period')} "
        f"and {_counted(alarm.periods, 'missing datapoint')} {verb} treated as [{taken}]."
    )


def _points(count: int) -> str:
    return _counted(count, "datapoint")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _evaluated(point: Datapoint) -> dict[str, Any]:
    found = {"timestamp": iso_millis(point.start), "value": point.value}
    return found | {"sampleCount": point.count} if point.count else found


def _stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%d/%m/%y %H:%M:%S")
