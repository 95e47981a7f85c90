"""What alarms are for: one that asks for retraining is red before the rollout that mends it."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import IConstruct

from .errors import ConfigurationError

RETRAINING = "asks for retraining"
ROLLBACK = "ends a bad rollout"

_duties: WeakKeyDictionary[IConstruct, dict[str, str]] = WeakKeyDictionary()


def claim(where: IConstruct, alarms: Iterable[cloudwatch.IAlarm], duty: str) -> None:
    """Give alarms a duty.

    Args:
        where: The construct that uses them.
        alarms: The alarms.
        duty: ``RETRAINING`` or ``ROLLBACK``.

    Raises:
        ConfigurationError: If an alarm has the other duty: it would undo each better model.

    """
    taken = _duties.setdefault(where.node.root, {})
    for alarm in alarms:
        if taken.setdefault(alarm.alarm_arn, duty) != duty:
            message = (
                f"the alarm {alarm.node.path} {taken[alarm.alarm_arn]}, so it cannot be one that "
                f"{duty}: it is red when the better model comes, and would undo it"
            )
            raise ConfigurationError("AlarmHasOtherDuty", where, message)
