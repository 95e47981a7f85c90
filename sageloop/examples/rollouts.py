"""Observes DescribeEndpoint during a deployment."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sageloop.local_cloud.client import LocalCloud

_PAUSE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An observation: virtual epoch seconds, and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A transition to ALARM: the alarm's name and CloudWatch's reason."""

    alarm: str
    at: float
    reason: str


@dataclass
class Watcher:
    """Polls DescribeEndpoint during a deployment.

    ``on`` receives each change of status or step, like ``moments``.

    Attributes:
        moments: Changes with their times.
        offered: The new configuration, once a deployment has started.

    """

    cloud: LocalCloud
    endpoint: str
    on: Callable[[str], None]
    moments: list[Moment] = field(default_factory=list)
    offered: str | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Observe until the block ends."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def describe(self) -> dict[str, Any]:
        """The current description of the endpoint."""
        sagemaker = self.cloud.client("sagemaker")
        described: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=self.endpoint)
        return described

    def trips(self, since: float) -> list[Trip]:
        """Rollback alarms of the last deployment that went to ALARM since then, in order."""
        config = self.describe().get("LastDeploymentConfig", {})
        named = config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
        trips = [trip for alarm in named for trip in self._trips(alarm["AlarmName"], since)]
        return sorted(trips, key=lambda trip: trip.at)

    def _trips(self, alarm: str, since: float) -> Iterator[Trip]:
        cloudwatch = self.cloud.client("cloudwatch")
        for each in cloudwatch.describe_alarm_history(
            AlarmName=alarm, HistoryItemType="StateUpdate"
        )["AlarmHistoryItems"]:
            at = each["Timestamp"].timestamp()
            if at >= since and each["HistorySummary"].endswith("to ALARM"):
                yield Trip(alarm=alarm, at=at, reason=_reason(each))

    def _run(self) -> None:
        while not self._ended.wait(_PAUSE):
            described = self.describe()
            status, step = described["EndpointStatus"], _step(described)
            if self.offered is None:
                pending = described.get("PendingDeploymentSummary", {})
                self.offered = pending.get("EndpointConfigName")
            text = f"{status}: {step}" if step else status
            if not self.moments or text != self.moments[-1].text:
                self.moments.append(Moment(at=self.cloud.time(), text=text))
                self.on(text)


def clock_time(at: float) -> str:
    """Hours, minutes and seconds of virtual time, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _step(described: dict[str, Any]) -> str:
    variants = described.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
    text = [s["StatusMessage"] for v in variants for s in v.get("VariantStatus", [])]
    return str(text[0]) if text else ""


def _reason(item: dict[str, Any]) -> str:
    data = json.loads(item["HistoryData"])
    return str(data["newState"]["stateReason"])
