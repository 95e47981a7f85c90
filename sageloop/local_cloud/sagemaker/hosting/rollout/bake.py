"""Waits of a deployment: virtual time, cut short by an alarm."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class AlarmTripped(Exception):
    """A rollback alarm is in ALARM."""


class Stopped(Exception):
    """The cloud goes down."""


class Alarms:
    """Tells running deployments about alarms."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._lock = threading.Lock()
        self._watches: list[Watch] = []
        self._listening = False

    def watch(self, names: Iterable[str]) -> Watch:
        """Begin to watch; end it with :meth:`Watch.close`."""
        watch = Watch(self, frozenset(names))
        with self._lock:
            self._watches.append(watch)
            listen, self._listening = not self._listening, True
        if listen:
            self.cloud.services.cloudwatch.on_alarm(self._changed)
        return watch

    def drop(self, watch: Watch) -> None:
        """End a watch."""
        with self._lock:
            self._watches.remove(watch)

    def stop(self) -> None:
        """Release everyone who waits."""
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.release()

    def _changed(self, name: str, state: str) -> None:
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            watch.note(name, state)


class Watch:
    """The rollback alarms of one deployment."""

    def __init__(self, alarms: Alarms, names: frozenset[str]) -> None:
        self._alarms = alarms
        self._names = names
        self._cut = threading.Event()
        self._tripped: str | None = None
        self._released = False

    def check(self) -> None:
        """Raise :class:`AlarmTripped` if an alarm is, or was seen, in ALARM."""
        for name in sorted(self._names):
            if self._alarms.cloud.services.cloudwatch.alarm_state(name) == "ALARM":
                self._tripped = self._tripped or name
        if self._released or self._alarms.cloud.stopped.is_set():
            raise Stopped
        if self._tripped is not None:
            raise AlarmTripped(self._tripped)

    def bake(self, seconds: float, label: str) -> None:
        """Wait virtual ``seconds``; raises :class:`AlarmTripped` as soon as an alarm does."""
        self.check()
        if seconds > 0:
            timer = self._alarms.cloud.clock.call_later(
                seconds, self._cut.set, label=label, holds=True
            )
            self._cut.wait()
            timer.cancel()
            self._cut.clear()
        if self._names and not self._released:
            # A jump of the clock ends the bake in the very moment the alarms are due.
            self._alarms.cloud.services.cloudwatch.evaluate_alarms()
        self.check()

    def note(self, name: str, state: str) -> None:
        """An alarm has changed."""
        if state == "ALARM" and name in self._names:
            self._tripped = name
            self._cut.set()

    def release(self) -> None:
        """Let go of who waits."""
        self._released = True
        self._cut.set()

    def close(self) -> None:
        """Watch no more."""
        self._alarms.drop(self)
