"""State, reason and history, which metric and composite alarms have in common."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from sageloop.local_cloud.cloudwatch.evaluation import State

_HISTORY = 500


@dataclass(eq=False, kw_only=True)
class AnyAlarm:
    """An alarm as its Put call defined it, with its state."""

    kind: ClassVar[str]

    name: str
    arn: str
    definition: dict[str, Any]
    configured: float
    state: State = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str = ""
    changed: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def acts(self) -> bool:
        """Whether the alarm's actions are enabled."""
        return bool(self.definition.get("ActionsEnabled", True))

    def inherit(self, former: AnyAlarm) -> None:
        """Take over the state and the history of the replaced definition."""
        self.state, self.reason = former.state, former.reason
        self.reason_data, self.changed = former.reason_data, former.changed
        self.history = former.history

    def enter(self, state: State, reason: str, data: str, now: float) -> None:
        """Change the state and add the change to the history."""
        previous = self.state
        self.state, self.reason, self.reason_data, self.changed = state, reason, data, now
        self.note(
            now, "StateUpdate", f"Alarm updated from {previous} to {state}",
            {"version": "1.0", "oldState": {"stateValue": previous},
             "newState": {"stateValue": state, "stateReason": reason}},
        )  # fmt: skip

    def note(self, time: float, kind: str, summary: str, data: dict[str, Any]) -> None:
        """Add an item to the history."""
        self.history.append(
            {
                "AlarmName": self.name,
                "AlarmType": self.kind,
                "Timestamp": datetime.fromtimestamp(time, UTC),
                "HistoryItemType": kind,
                "HistorySummary": summary,
                "HistoryData": json.dumps(data, default=str),
            }
        )
        del self.history[:-_HISTORY]


def iso_millis(time: float) -> str:
    """Format epoch seconds as CloudWatch does: ``2026-01-02T03:04:05.678+0000``."""
    moment = datetime.fromtimestamp(time, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"
