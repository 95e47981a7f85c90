"""Baking periods of a deployment in virtual time, ended early by an alarm."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class AlarmTripped(Exception):
    """A rollback alarm is in ALARM."""


class Stopped(Exception):
    """The cloud is shutting down."""


class RollbackAlarms:
    """Notifies deployments in progress of alarm state changes."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._lock = threading.Lock()
        self._watches: list[AlarmWatch] = []
        self._listening = False

    def watch(self, names: Iterable[str]) -> AlarmWatch:
        """Watch alarms until :meth:`AlarmWatch.close`."""
        watch = AlarmWatch(self, frozenset(names))
        with self._lock:
            self._watches.append(watch)
            listen, self._listening = not self._listening, True
        if listen:
            self.cloud.services.cloudwatch.on_alarm(self._changed)
        return watch

    def drop(self, watch: AlarmWatch) -> None:
        """Remove a watch."""
        with self._lock:
            self._watches.remove(watch)

    def stop(self) -> None:
        """Release all waiting deployments."""
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.release()

    def _changed(self, name: str, state: str) -> None:
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.record_state(name, state)


class AlarmWatch:
    """The rollback alarms of one deployment."""

    def __init__(self, alarms: RollbackAlarms, names: frozenset[str]) -> None:
        self._alarms = alarms
        self._names = names
        self._interrupted = threading.Event()
        self._tripped: str | None = None
        self._released = False

    def check(self) -> None:
        """Raise :class:`AlarmTripped` if an alarm is or was in ALARM since the watch began."""
        for name in sorted(self._names):
            if self._alarms.cloud.services.cloudwatch.alarm_state(name) == "ALARM":
                self._tripped = self._tripped or name
        if self._released or self._alarms.cloud.stopped.is_set():
            raise Stopped
        if self._tripped is not None:
            raise AlarmTripped(self._tripped)

    def bake(self, seconds: float, label: str) -> None:
        """Wait virtual ``seconds``; raise :class:`AlarmTripped` as soon as an alarm is in ALARM."""
        self.check()
        if seconds > 0:
            timer = self._alarms.cloud.clock.call_later(
                seconds, self._interrupted.set, label=label, holds=True
            )
            self._interrupted.wait()
            timer.cancel()
            self._interrupted.clear()
        if self._names and not self._released:
            # A jump of the clock ends the period at the time at which alarms are evaluated.
            self._alarms.cloud.services.cloudwatch.evaluate_alarms()
        self.check()

    def record_state(self, name: str, state: str) -> None:
        """Record the new state of an alarm."""
        if state == "ALARM" and name in self._names:
            self._tripped = name
            self._interrupted.set()

    def release(self) -> None:
        """Release a waiting deployment."""
        self._released = True
        self._interrupted.set()

    def close(self) -> None:
        """End the watch."""
        self._alarms.drop(self)
