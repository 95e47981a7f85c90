"""Scaling activities: changes of capacity and refused changes, with their reasons.

https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.scaling.decisions import NotScaled
from sageloop.local_cloud.scaling.model import TargetKey
from sageloop.local_cloud.scaling.paging import page

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import VirtualClock

_KEPT = timedelta(weeks=6)
_MOST = 5000
_NOT_SCALED = "Attempting to scale due to alarm triggered"


@dataclass(eq=False)
class Activity:
    """A scaling activity with its current status."""

    key: TargetKey
    id: str
    description: str
    cause: str
    started: datetime
    status: str = "Pending"
    message: str | None = None
    ended: datetime | None = None
    not_scaled: NotScaled | None = None

    def described(self) -> dict[str, Any]:
        """The activity as AWS's ``ScalingActivity``."""
        members: dict[str, Any] = {
            "ActivityId": self.id, **self.key.members(), "Description": self.description,
            "Cause": self.cause, "StartTime": self.started, "EndTime": self.ended,
            "StatusCode": self.status, "StatusMessage": self.message,
        }  # fmt: skip
        if self.not_scaled is not None:
            reason = {"Code": self.not_scaled.code, **self.not_scaled.details}
            members["NotScaledReasons"] = [reason]
        return {k: v for k, v in members.items() if v is not None}


class ActivityLog:
    """The activities of the last six weeks."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._activities: deque[Activity] = deque(maxlen=_MOST)

    def begin(self, key: TargetKey, description: str, cause: str) -> Activity:
        """Start an activity with status Pending."""
        made = Activity(key, str(uuid.uuid4()), description, cause, self._clock.now())
        with self._lock:
            self._activities.append(made)
        return made

    def end(self, activity: Activity, status: str, message: str) -> None:
        """End an activity."""
        activity.status, activity.message = status, message
        activity.ended = self._clock.now()

    def not_scaled(self, key: TargetKey, cause: str, reason: NotScaled) -> None:
        """Record that capacity was not changed; a persistent reason is recorded once."""
        with self._lock:
            latest = next((a for a in reversed(self._activities) if a.key == key), None)
            if latest is not None and (latest.cause, latest.not_scaled) == (cause, reason):
                return
        made = self.begin(key, _NOT_SCALED, cause)
        made.status, made.not_scaled = "Failed", reason

    def failed(self, key: TargetKey, description: str, cause: str, message: str) -> None:
        """Record a failure; a persistent one is recorded once."""
        with self._lock:
            latest = next((a for a in reversed(self._activities) if a.key == key), None)
            if latest is not None and (latest.cause, latest.message) == (cause, message):
                return
        self.end(self.begin(key, description, cause), "Failed", message)

    @operation("DescribeScalingActivities")
    def describe_scaling_activities(self, call: Call) -> dict[str, Any]:
        """Return activities of a namespace, newest first, by resource and dimension."""
        params = call.params
        since = self._clock.now() - _KEPT
        with self._lock:
            matching = [
                a.described()
                for a in reversed(self._activities)
                if a.key.region == call.region
                and a.key.namespace == params["ServiceNamespace"]
                and params.get("ResourceId") in (None, a.key.resource)
                and params.get("ScalableDimension") in (None, a.key.dimension)
                and a.started >= since
                and (a.not_scaled is None or params.get("IncludeNotScaledActivities", False))
            ]
        return page("ScalingActivities", matching, call)
