"""Composite alarms: states derived from other alarms, with suppressible actions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from sageloop.local_cloud.cloudwatch.alarm_rules import Rule, children, invalid, name_of
from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm, iso_millis
from sageloop.local_cloud.cloudwatch.alarms import AlarmRepository
from sageloop.local_cloud.cloudwatch.evaluation import State

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

Withheld = Literal["Alarm", "WaitPeriod", "ExtensionPeriod"]


@dataclass(eq=False, kw_only=True)
class CompositeAlarm(AnyAlarm):
    """A composite alarm as PutCompositeAlarm defined it, with its state."""

    kind: ClassVar[str] = "CompositeAlarm"

    rule: Rule
    # The reason why actions are suppressed, and a counter that identifies the suppression.
    withheld: Withheld | None = None
    turn: int = 0
    suppressor_left: float = 0.0

    @property
    def children(self) -> frozenset[str]:
        """The names of the alarms in the rule."""
        return children(self.rule)

    @property
    def suppressor(self) -> str | None:
        """The name of the alarm that suppresses the actions, or ``None``."""
        name = self.definition.get("ActionsSuppressor")
        return name_of(name) if name else None

    @property
    def wait_period(self) -> float:
        """Seconds to wait for the suppressor to go into ALARM."""
        return float(self.definition.get("ActionsSuppressorWaitPeriod", 0))

    @property
    def extension_period(self) -> float:
        """Seconds to wait after the suppressor has left ALARM."""
        return float(self.definition.get("ActionsSuppressorExtensionPeriod", 0))

    @property
    def withheld_because(self) -> str | None:
        """The ActionsSuppressedReason of DescribeAlarms."""
        return f"Actions suppressed by {self.withheld}" if self.withheld else None


@dataclass(frozen=True, slots=True)
class Acts:
    """Callbacks of a composite alarm's change: the event, the actions and the listeners."""

    announce: Callable[[CompositeAlarm, State, str], None]
    perform: Callable[[CompositeAlarm, State], None]
    listeners: Callable[[AnyAlarm], None]


class CompositeAlarmRepository:
    """The composite alarms of the account, evaluated when one of their children changes."""

    def __init__(self, cloud: Cloud, metric_alarms: AlarmRepository, acts: Acts) -> None:
        self._cloud = cloud
        self._metric_alarms = metric_alarms
        self._acts = acts
        # One lock for all alarms: a change propagates from a child to its parents.
        self._lock = metric_alarms.lock
        self._alarms: dict[str, CompositeAlarm] = {}

    def put(self, alarm: CompositeAlarm) -> None:
        """Create or update an alarm, and evaluate it.

        Raises ``ValidationError`` if alarms of its rule do not exist, or if the rule is circular.
        """
        with self._lock:
            self._check(alarm)
            known = self._alarms.get(alarm.name)
            if known:
                alarm.inherit(known)
                known.turn += 1
            self._alarms[alarm.name] = alarm
            verb = "updated" if known else "created"
            alarm.note(alarm.configured, "ConfigurationUpdate", f'Alarm "{alarm.name}" {verb}', {})
            self._evaluate(alarm, None)

    def get(self, name: str) -> CompositeAlarm | None:
        """The alarm with a name, or ``None``."""
        with self._lock:
            return self._alarms.get(name)

    def all(self) -> list[CompositeAlarm]:
        """Every composite alarm, by name."""
        with self._lock:
            return [self._alarms[name] for name in sorted(self._alarms)]

    def parents(self, name: str) -> list[CompositeAlarm]:
        """The alarms whose rules contain an alarm."""
        return [alarm for alarm in self.all() if name in alarm.children]

    def delete(self, name: str) -> None:
        """Delete an alarm; no error if it does not exist."""
        with self._lock:
            gone = self._alarms.pop(name, None)
            if gone is not None:
                gone.turn += 1

    def changed(self, alarm: AnyAlarm, previous: State) -> None:
        """Evaluate all parents of a changed alarm, metric or composite."""
        with self._lock:
            for other in self.all():
                if other.suppressor == alarm.name:
                    self._suppressor_changed(other, alarm.state, previous)
            for parent in self.parents(alarm.name):
                self._evaluate(parent, alarm)

    def change(self, alarm: CompositeAlarm, state: State, reason: str, data: str) -> None:
        """Change the state, add it to the history, publish it, and act unless suppressed."""
        with self._lock:
            previous, previous_data = alarm.state, alarm.reason_data
            alarm.enter(state, reason, data, self._cloud.clock.time())
            if state == previous:
                return
            acts = self._enter(alarm, previous)
            self._acts.announce(alarm, previous, previous_data)
            if acts:
                self._acts.perform(alarm, previous)
        self._acts.listeners(alarm)
        self.changed(alarm, previous)

    def _evaluate(self, alarm: CompositeAlarm, cause: AnyAlarm | None) -> None:
        state: State = "ALARM" if alarm.rule.holds(self._state_of) else "OK"
        if state == alarm.state:
            return
        now = self._cloud.clock.time()
        reason = (
            f"{alarm.arn} was created or changed, and its rule evaluates to {state}"
            if cause is None
            else f"{cause.arn} transitioned to {cause.state} at {_spoken(now)}"
        )
        causes = [] if cause is None else [cause]
        data = {
            "triggeringAlarms": [
                {"arn": a.arn, "state": {"value": a.state, "timestamp": iso_millis(a.changed)}}
                for a in causes
            ]
        }
        self.change(alarm, state, reason, json.dumps(data))

    def _state_of(self, name: str) -> State | None:
        alarm = self._find(name)
        return alarm.state if alarm else None

    def _find(self, name: str) -> AnyAlarm | None:
        return self._alarms.get(name) or self._metric_alarms.get(name)

    def _check(self, alarm: CompositeAlarm) -> None:
        if self._metric_alarms.get(alarm.name) is not None:
            raise invalid(f"{alarm.name} is a metric alarm; an alarm cannot change its type")
        named = {*alarm.children, *([alarm.suppressor] if alarm.suppressor else [])}
        missing = sorted(n for n in named if n != alarm.name and self._find(n) is None)
        if missing:
            raise invalid(
                f"Could not save the composite alarm {alarm.name}: the alarms "
                f"{', '.join(missing)} do not exist"
            )
        circle = self._way_back(alarm.children, alarm.name, (alarm.name,))
        if circle:
            raise invalid(
                f"Could not save the composite alarm {alarm.name}: its rule is circular: "
                f"{' -> '.join(circle)}"
            )

    def _way_back(
        self, names: frozenset[str], goal: str, way: tuple[str, ...]
    ) -> tuple[str, ...] | None:
        for name in sorted(names):
            if name == goal:
                return (*way, name)
            alarm = self._alarms.get(name)
            circle = self._way_back(alarm.children, goal, (*way, name)) if alarm else None
            if circle:
                return circle
        return None

    def _enter(self, alarm: CompositeAlarm, previous: State) -> bool:
        """Suppress or release the actions by the suppressor's state; returns whether to act."""
        held, now = alarm.withheld is not None, self._cloud.clock.time()
        alarm.withheld, alarm.turn = None, alarm.turn + 1
        if alarm.suppressor is None:
            return True
        suppressing = self._state_of(alarm.suppressor) == "ALARM"
        if alarm.state != "ALARM":
            # The ALARM was suppressed, or this change is: no action reports its end either.
            return not (held or suppressing)
        extended = alarm.suppressor_left + alarm.extension_period - now
        if suppressing:
            self._hold(alarm, "Alarm", None, previous)
        elif alarm.suppressor_left and extended > 0:
            self._hold(alarm, "ExtensionPeriod", extended, previous)
        elif alarm.wait_period > 0:
            self._hold(alarm, "WaitPeriod", alarm.wait_period, previous)
        return alarm.withheld is None

    def _suppressor_changed(self, alarm: CompositeAlarm, state: State, previous: State) -> None:
        if previous == "ALARM":
            alarm.suppressor_left = self._cloud.clock.time()
        if alarm.withheld is None:
            return
        if state == "ALARM":
            self._hold(alarm, "Alarm", None, "OK")
        elif previous == "ALARM" and alarm.extension_period > 0:
            self._hold(alarm, "ExtensionPeriod", alarm.extension_period, "OK")
        elif previous == "ALARM":
            self._release(alarm, alarm.turn, "OK")
            return
        self._acts.announce(alarm, alarm.state, alarm.reason_data)

    def _hold(
        self, alarm: CompositeAlarm, why: Withheld, seconds: float | None, previous: State
    ) -> None:
        alarm.withheld, alarm.turn = why, alarm.turn + 1
        turn = alarm.turn
        alarm.note(
            self._cloud.clock.time(), "Action", f"Actions suppressed by {why}",
            {"actionsSuppressedBy": why},
        )  # fmt: skip
        if seconds is not None:
            self._cloud.clock.call_later(
                seconds, lambda: self._release(alarm, turn, previous),
                label=f"{why} of alarm {alarm.name}", holds=True,
            )  # fmt: skip

    def _release(self, alarm: CompositeAlarm, turn: int, previous: State) -> None:
        with self._lock:
            if alarm.turn != turn or alarm.withheld is None:
                return
            alarm.withheld, alarm.turn = None, alarm.turn + 1
            self._acts.announce(alarm, alarm.state, alarm.reason_data)
            self._acts.perform(alarm, previous)


def _spoken(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%A %d %B, %Y %H:%M:%S UTC")
