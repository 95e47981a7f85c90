"""Scaling activities: what was done, or not done, and why.

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
    """One activity as it stands."""

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
        """AWS's ``ScalingActivity``."""
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
        """Open an activity; it is Pending."""
        made = Activity(key, str(uuid.uuid4()), description, cause, self._clock.now())
        with self._lock:
            self._activities.append(made)
        return made

    def end(self, activity: Activity, status: str, message: str) -> None:
        """Close an activity."""
        activity.status, activity.message = status, message
        activity.ended = self._clock.now()

    def not_scaled(self, key: TargetKey, cause: str, reason: NotScaled) -> None:
        """Note that nothing was done; a reason that goes on is noted once."""
        with self._lock:
            latest = next((a for a in reversed(self._activities) if a.key == key), None)
            if latest is not None and (latest.cause, latest.not_scaled) == (cause, reason):
                return
        made = self.begin(key, _NOT_SCALED, cause)
        made.status, made.not_scaled = "Failed", reason

    def failed(self, key: TargetKey, description: str, cause: str, message: str) -> None:
        """Note a failure; one that goes on is noted once."""
        with self._lock:
            latest = next((a for a in reversed(self._activities) if a.key == key), None)
            if latest is not None and (latest.cause, latest.message) == (cause, message):
                return
        self.end(self.begin(key, description, cause), "Failed", message)

    @operation("DescribeScalingActivities")
    def describe_scaling_activities(self, call: Call) -> dict[str, Any]:
        """Activities of a namespace, newest first, narrowed by resource and dimension."""
        given = call.params
        since = self._clock.now() - _KEPT
        with self._lock:
            found = [
                a.described()
                for a in reversed(self._activities)
                if a.key.region == call.region
                and a.key.namespace == given["ServiceNamespace"]
                and given.get("ResourceId") in (None, a.key.resource)
                and given.get("ScalableDimension") in (None, a.key.dimension)
                and a.started >= since
                and (a.not_scaled is None or given.get("IncludeNotScaledActivities", False))
            ]
        return page("ScalingActivities", found, call)
