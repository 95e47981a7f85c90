"""PutCompositeAlarm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.cloudwatch.actions import refuse_unsupported
from sageloop.local_cloud.cloudwatch.alarm_rules import invalid, parse
from sageloop.local_cloud.cloudwatch.composite import CompositeAlarm
from sageloop.local_cloud.core.service import Call, operation

if TYPE_CHECKING:
    from sageloop.local_cloud.cloudwatch.composite import CompositeBook
    from sageloop.local_cloud.core.clock import VirtualClock

_PERIODS = ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")


class CompositeApi:
    """The operation that defines composite alarms; the others are those of all alarms."""

    def __init__(
        self, composites: CompositeBook, tags: dict[str, dict[str, str]], clock: VirtualClock
    ) -> None:
        self._composites = composites
        self._tags = tags
        self._clock = clock

    @operation("PutCompositeAlarm")
    def put_composite_alarm(self, call: Call) -> None:
        """Define an alarm on the states of other alarms, and evaluate it at once."""
        given = {k: v for k, v in call.params.items() if k != "Tags"}
        name = given["AlarmName"]
        _check(name, given)
        arn = f"arn:aws:cloudwatch:{call.region}:{call.account_id}:alarm:{name}"
        alarm = CompositeAlarm(
            name=name, arn=arn, definition=given, rule=parse(given["AlarmRule"]),
            configured=self._clock.time(),
        )  # fmt: skip
        self._composites.put(alarm)
        if call.params.get("Tags"):
            self._tags[arn] = {t["Key"]: t["Value"] for t in call.params["Tags"]}


def _check(name: str, given: Mapping[str, Any]) -> None:
    if given.get("ActionConfiguration"):
        raise invalid(f"alarm {name}: ActionConfiguration is not supported here")
    for member in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        refuse_unsupported(given.get(member, []), composite=True)
    suppressed = bool(given.get("ActionsSuppressor"))
    for member in _PERIODS:
        if (member in given) != suppressed:
            raise invalid(
                f"alarm {name}: ActionsSuppressor, {' and '.join(_PERIODS)} come together or not "
                "at all"
            )
        if given.get(member, 0) < 0:
            raise invalid(f"alarm {name}: {member} must be 0 or more, got {given[member]}")
