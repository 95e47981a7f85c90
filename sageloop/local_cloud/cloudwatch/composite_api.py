"""PutCompositeAlarm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.cloudwatch.actions import refuse_unsupported
from sageloop.local_cloud.cloudwatch.alarm_rules import invalid, parse
from sageloop.local_cloud.cloudwatch.composite import CompositeAlarm
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.service import Call, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.cloudwatch.composite import CompositeAlarmRepository
    from sageloop.local_cloud.core.clock import VirtualClock

_PERIODS = ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")


class CompositeApi:
    """PutCompositeAlarm; the other operations are those of all alarms."""

    def __init__(
        self,
        composites: CompositeAlarmRepository,
        tags: dict[str, dict[str, str]],
        clock: VirtualClock,
    ) -> None:
        self._composites = composites
        self._tags = tags
        self._clock = clock

    @operation("PutCompositeAlarm")
    def put_composite_alarm(self, call: Call) -> None:
        """Define a composite alarm and evaluate it."""
        definition = {k: v for k, v in call.params.items() if k != "Tags"}
        name = definition["AlarmName"]
        _check(name, definition)
        arn = regional_arn("cloudwatch", call.region, call.account_id, f"alarm:{name}")
        alarm = CompositeAlarm(
            name=name, arn=arn, definition=definition, rule=parse(definition["AlarmRule"]),
            configured=self._clock.time(),
        )  # fmt: skip
        self._composites.put(alarm)
        if call.params.get("Tags"):
            self._tags[arn] = {t["Key"]: t["Value"] for t in call.params["Tags"]}


def _check(name: str, definition: Mapping[str, Any]) -> None:
    if definition.get("ActionConfiguration"):
        raise invalid(f"alarm {name}: ActionConfiguration is not supported here")
    for member in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        refuse_unsupported(definition.get(member, []), composite=True)
    suppressed = bool(definition.get("ActionsSuppressor"))
    for member in _PERIODS:
        if (member in definition) != suppressed:
            raise invalid(
                f"alarm {name}: ActionsSuppressor, {' and '.join(_PERIODS)} are required together"
            )
        if definition.get(member, 0) < 0:
            raise invalid(f"alarm {name}: {member} must be 0 or more, got {definition[member]}")
