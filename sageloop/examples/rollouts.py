"""Watching what an endpoint says of itself while a new configuration comes in."""

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
    """Something that was seen: virtual epoch seconds, and what."""

    at: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """An alarm that went off: its name and the reason CloudWatch gives."""

    alarm: str
    at: float
    reason: str


@dataclass
class Watcher:
    """Asks DescribeEndpoint while a rollout is under way.

    ``on`` is called with each change of status or step, as ``moments`` has it.

    Attributes:
        moments: What changed and when.
        offered: The configuration that was to come in, once a rollout began.

    """

    cloud: LocalCloud
    endpoint: str
    on: Callable[[str], None]
    moments: list[Moment] = field(default_factory=list)
    offered: str | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[Watcher]:
        """Watch until the block ends."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def describe(self) -> dict[str, Any]:
        """The endpoint's description now."""
        sagemaker = self.cloud.client("sagemaker")
        found: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=self.endpoint)
        return found

    def trips(self, since: float) -> list[Trip]:
        """Rollback alarms of the last rollout that went off since then, the first one first."""
        found = self.describe().get("LastDeploymentConfig", {})
        named = found.get("AutoRollbackConfiguration", {}).get("Alarms", [])
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
            said = f"{status}: {step}" if step else status
            if not self.moments or said != self.moments[-1].said:
                self.moments.append(Moment(at=self.cloud.time(), said=said))
                self.on(said)


def clock_time(at: float) -> str:
    """Hours, minutes and seconds of the day, virtual and UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def _step(described: dict[str, Any]) -> str:
    variants = described.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
    said = [s["StatusMessage"] for v in variants for s in v.get("VariantStatus", [])]
    return str(said[0]) if said else ""


def _reason(item: dict[str, Any]) -> str:
    data = json.loads(item["HistoryData"])
    return str(data["newState"]["stateReason"])
