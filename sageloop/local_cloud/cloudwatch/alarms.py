"""Metric alarms: their definition, their evaluation on the virtual clock, their history."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.cloudwatch.evaluation import EXTRA_PERIODS, State, breaches, judge
from sageloop.local_cloud.cloudwatch.metrics import MetricStore, Sample, Series, statistic

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_HISTORY = 500


@dataclass
class Alarm:
    """One metric alarm as PutMetricAlarm defined it, with its state."""

    name: str
    arn: str
    definition: dict[str, Any]
    series: Series
    stat: str
    period: int
    configured: float
    state: State = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str = ""
    changed: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def periods(self) -> int:
        """N of M-out-of-N."""
        return int(self.definition["EvaluationPeriods"])

    @property
    def to_alarm(self) -> int:
        """M of M-out-of-N."""
        return int(self.definition.get("DatapointsToAlarm", self.periods))

    def note(self, time: float, kind: str, summary: str, data: dict[str, Any]) -> None:
        """Add an item to the history."""
        self.history.append(
            {
                "AlarmName": self.name,
                "AlarmType": "MetricAlarm",
                "Timestamp": datetime.fromtimestamp(time, UTC),
                "HistoryItemType": kind,
                "HistorySummary": summary,
                "HistoryData": json.dumps(data, default=str),
            }
        )
        del self.history[:-_HISTORY]


Transition = Callable[[Alarm, State, str], None]


class AlarmBook:
    """All alarms of the account, evaluated every virtual minute."""

    def __init__(self, cloud: Cloud, metrics: MetricStore, on_transition: Transition) -> None:
        """``on_transition(alarm, previous, previous reason data)`` acts on a new state."""
        self._cloud = cloud
        self._metrics = metrics
        self._on_transition = on_transition
        self._lock = threading.RLock()
        self._alarms: dict[str, Alarm] = {}

    def put(self, alarm: Alarm) -> None:
        """Add an alarm or redefine it; a redefined alarm keeps its state until evaluated."""
        with self._lock:
            known = self._alarms.get(alarm.name)
            if known:
                alarm.state, alarm.reason = known.state, known.reason
                alarm.reason_data, alarm.changed = known.reason_data, known.changed
                alarm.history = known.history
            self._alarms[alarm.name] = alarm
            verb = "updated" if known else "created"
            alarm.note(alarm.configured, "ConfigurationUpdate", f'Alarm "{alarm.name}" {verb}', {})

    def get(self, name: str) -> Alarm | None:
        """The alarm of a name."""
        with self._lock:
            return self._alarms.get(name)

    def all(self) -> list[Alarm]:
        """Every alarm, by name."""
        with self._lock:
            return [self._alarms[name] for name in sorted(self._alarms)]

    def delete(self, name: str) -> None:
        """Forget an alarm; no error if there is none."""
        with self._lock:
            self._alarms.pop(name, None)

    def evaluate_all(self) -> None:
        """Evaluate every alarm at virtual now."""
        now = self._cloud.clock.time()
        for alarm in self.all():
            self.evaluate(alarm, now)

    def evaluate(self, alarm: Alarm, now: float) -> None:
        """Bring one alarm to the state its datapoints call for."""
        values = self._datapoints(alarm, now)
        threshold = float(alarm.definition["Threshold"])
        operator = alarm.definition["ComparisonOperator"]
        run = [None if v is None else breaches(v, operator, threshold) for _, v, _ in values]
        with self._lock:
            wanted = judge(
                run, periods=alarm.periods, to_alarm=alarm.to_alarm,
                missing=alarm.definition.get("TreatMissingData", "missing"), current=alarm.state,
            )  # fmt: skip
            if wanted == alarm.state or self._alarms.get(alarm.name) is not alarm:
                return
            reason, data = _explain(alarm, values, run, now)
            self.change(alarm, wanted, reason, data)

    def change(self, alarm: Alarm, state: State, reason: str, data: str) -> None:
        """Put an alarm into a state, note it, and act on the transition."""
        with self._lock:
            previous, previous_data = alarm.state, alarm.reason_data
            alarm.state, alarm.reason, alarm.reason_data = state, reason, data
            alarm.changed = self._cloud.clock.time()
            alarm.note(
                alarm.changed, "StateUpdate", f"Alarm updated from {previous} to {state}",
                {"version": "1.0", "oldState": {"stateValue": previous},
                 "newState": {"stateValue": state, "stateReason": reason}},
            )  # fmt: skip
        if state != previous:
            self._on_transition(alarm, previous, previous_data)

    def _datapoints(
        self, alarm: Alarm, now: float
    ) -> list[tuple[float, float | None, list[Sample]]]:
        # Windows end with the minute that has begun, so a sample stamped "now" is inside.
        step = min(alarm.period, 60)
        end = (now // step + 1) * step
        count = alarm.periods + EXTRA_PERIODS
        found = []
        for index in range(count, 0, -1):
            start = end - index * alarm.period
            samples = self._metrics.between(alarm.series, start, start + alarm.period)
            found.append((start, statistic(samples, alarm.stat), samples))
        return found


def _explain(
    alarm: Alarm,
    values: list[tuple[float, float | None, list[Sample]]],
    run: list[bool | None],
    now: float,
) -> tuple[str, str]:
    real = [(start, v, s) for start, v, s in values if v is not None]
    recent = real[-alarm.periods :]
    bad = sum(1 for b in run[-alarm.periods :] if b)
    threshold = float(alarm.definition["Threshold"])
    points = ", ".join(f"{v} ({_stamp(start)})" for start, v, _ in reversed(recent))
    reason = (
        f"Threshold Crossed: {bad} out of the last {alarm.periods} datapoints [{points}] was "
        f"{alarm.definition['ComparisonOperator']} the threshold ({threshold}) (minimum "
        f"{alarm.to_alarm} for OK -> ALARM transition)."
        if real
        else f"Insufficient Data: {alarm.periods} datapoints were unknown."
    )
    data = {
        "version": "1.0",
        "queryDate": iso_millis(now),
        "startDate": iso_millis(recent[0][0]) if recent else None,
        "statistic": alarm.stat,
        "period": alarm.period,
        "recentDatapoints": [v for _, v, _ in recent],
        "threshold": threshold,
        "evaluatedDatapoints": [
            {"timestamp": iso_millis(start), "sampleCount": sum(x.count for x in s), "value": v}
            for start, v, s in reversed(recent)
        ],
    }
    return reason, json.dumps(data)


def iso_millis(time: float) -> str:
    """A moment as CloudWatch writes it: ``2026-01-02T03:04:05.678+0000``."""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def _stamp(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%d/%m/%y %H:%M:%S")
