"""Store of schedules and schedule groups, with the validation of their definitions."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sageloop.local_cloud.access.enforcement.service_acts import can_assume
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.events import schedules, targets
from sageloop.local_cloud.events.targets_api import check_dead_letters, check_retry_policy
from sageloop.local_cloud.events.timetable import Recurrence

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

# The principal of EventBridge Scheduler.
SERVICE = "scheduler.amazonaws.com"
DEFAULT_GROUP = "default"
_NAME = re.compile(r"[0-9a-zA-Z\-_.]{1,64}")
_KINDS = ("lambda", "sqs", "sns")
_TARGET_MEMBERS = frozenset(
    ("Arn", "RoleArn", "DeadLetterConfig", "RetryPolicy", "Input", "SqsParameters")
)


@dataclass(kw_only=True)
class Group:
    """A group of schedules."""

    name: str
    arn: str
    created: float
    tags: list[dict[str, str]] = field(default_factory=list)


@dataclass(kw_only=True)
class Entry:
    """One schedule: the request that defined it, and its timer."""

    name: str
    group: str
    arn: str
    region: str
    definition: dict[str, Any]
    created: float
    modified: float
    recurrence: Recurrence | None = None

    @property
    def state(self) -> str:
        """ENABLED or DISABLED."""
        return str(self.definition.get("State", "ENABLED"))


class ScheduleStore:
    """Groups and schedules by region; ``lock`` guards them."""

    def __init__(self, account_id: str, now: float) -> None:
        self.lock = threading.RLock()
        self.groups: dict[tuple[str, str], Group] = {}
        self.entries: dict[tuple[str, str, str], Entry] = {}
        self._account_id = account_id
        self._now = now

    def group(self, region: str, name: str | None) -> Group:
        """A group, by default the default group. Raises ResourceNotFoundException."""
        group_name = DEFAULT_GROUP if name is None else name
        with self.lock:
            group = self.groups.get((region, group_name))
            if group is None and group_name == DEFAULT_GROUP:
                group = self.add_group(region, group_name, self._now, [])
        if group is None:
            raise missing(f"Schedule group {group_name} does not exist.")
        return group

    def add_group(self, region: str, name: str, now: float, tags: list[dict[str, str]]) -> Group:
        """Create a group. Raises ConflictException."""
        with self.lock:
            if (region, name) in self.groups:
                raise AwsError("ConflictException", f"Schedule group {name} already exists.", 409)
            arn = self.group_arn(region, name)
            made = Group(name=name, arn=arn, created=now, tags=tags)
            self.groups[(region, name)] = made
            return made

    def entry(self, region: str, group: str | None, name: str) -> Entry:
        """A schedule. Raises ResourceNotFoundException."""
        key = (region, DEFAULT_GROUP if group is None else group, name)
        with self.lock:
            entry = self.entries.get(key)
        if entry is None:
            raise missing(f"Schedule {name} does not exist.")
        return entry

    def group_arn(self, region: str, name: str) -> str:
        """The ARN of a group, whether or not it exists."""
        return regional_arn("scheduler", region, self._account_id, f"schedule-group/{name}")

    def entry_arn(self, region: str, group: str, name: str) -> str:
        """The ARN of a schedule."""
        return regional_arn("scheduler", region, self._account_id, f"schedule/{group}/{name}")


def missing(message: str) -> AwsError:
    """Scheduler's error for a resource that does not exist."""
    return AwsError("ResourceNotFoundException", message, 404)


def invalid(message: str) -> AwsError:
    """Scheduler's error for an invalid request."""
    return AwsError("ValidationException", message)


def check_name(name: str) -> None:
    """Refuse a name with characters that AWS does not allow."""
    if not _NAME.fullmatch(name):
        raise invalid(f"a name is 1-64 of letters, digits, '-', '_' and '.', got {name!r}.")


def schedule_of(definition: dict[str, Any], created: float) -> schedules.Schedule:
    """The schedule of a definition's expression, time zone and start."""
    start = definition.get("StartDate")
    expression = definition["ScheduleExpression"]
    try:
        made = schedules.parse(expression, start=created, zone=_zone(definition), one_time=True)
    except ValueError as error:
        raise invalid(f"Invalid Schedule Expression {expression}. Reason: {error}.") from error
    if isinstance(made, schedules.Rate) and start is not None:
        return schedules.Rate(made.period, start.timestamp())  # the start is the first occurrence
    return made


def check_definition(cloud: Cloud, definition: dict[str, Any], group_arn: str) -> None:
    """Refuse an invalid definition, and an unsupported one."""
    _check_window(definition["FlexibleTimeWindow"])
    schedule_of(definition, 0.0)
    begin, end = definition.get("StartDate"), definition.get("EndDate")
    if begin is not None and end is not None and end <= begin:
        raise invalid("The EndDate you specify must come after the StartDate.")
    for member, allowed in (("State", ("ENABLED", "DISABLED")),
                            ("ActionAfterCompletion", ("NONE", "DELETE"))):  # fmt: skip
        if definition.get(member, allowed[0]) not in allowed:
            raise invalid(f"{member} must be one of {', '.join(allowed)}.")
    _check_target(definition["Target"])
    _check_role(cloud, definition["Target"]["RoleArn"], group_arn)


def _zone(definition: dict[str, Any]) -> tzinfo:
    name = definition.get("ScheduleExpressionTimezone", "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise invalid(f"Invalid ScheduleExpressionTimezone {name}.") from error


def _check_window(window: dict[str, Any]) -> None:
    minutes = window.get("MaximumWindowInMinutes")
    if window["Mode"] == "OFF" and minutes is not None:
        raise invalid("MaximumWindowInMinutes is allowed with the Mode FLEXIBLE only.")
    if window["Mode"] == "FLEXIBLE" and not 1 <= (minutes or 0) <= 1440:
        raise invalid(f"MaximumWindowInMinutes must be 1-1440, got {minutes}.")
    if window["Mode"] not in ("OFF", "FLEXIBLE"):
        raise invalid(f"FlexibleTimeWindow.Mode must be OFF or FLEXIBLE, got {window['Mode']}.")


def _check_target(target: dict[str, Any]) -> None:
    arn = target["Arn"]
    if targets.kind_of(arn) not in _KINDS:
        raise invalid(
            f"the local cloud's schedules do not support the target {arn}; "
            f"they support {', '.join(_KINDS)}."
        )
    unknown = sorted(target.keys() - _TARGET_MEMBERS)
    if unknown:
        raise invalid(f"the local cloud does not support Target.{', Target.'.join(unknown)}.")
    check_retry_policy(target.get("RetryPolicy", {}), "Target")
    check_dead_letters(target.get("DeadLetterConfig", {}), "Target")


def _check_role(cloud: Cloud, role_arn: str, group_arn: str) -> None:
    if not can_assume(cloud, SERVICE, role_arn, group_arn):
        raise invalid(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the "
            "role."
        )
