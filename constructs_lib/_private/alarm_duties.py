"""Roles of alarms: a retraining alarm cannot be a rollback alarm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import IConstruct

from .errors import ConfigurationError

RETRAINING = "starts retraining"
ROLLBACK = "rolls back a rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """The role of an alarm; ``rule`` is the expanded rule of a composite alarm."""

    duty: str
    arn: str
    name: str
    path: str
    rule: str

    def meets(self, other: _Claim) -> bool:
        """Whether one of the two alarms is, or contains, the other."""
        if self.arn == other.arn:
            return True
        mine = _mentions(self.rule, other.arn, other.name)
        return mine or _mentions(other.rule, self.arn, self.name)


# By app, because an alarm of one stack can have a role in another. Beside its root, which may be
# an object of any class that is not ours to add to; weakly, so that claims end with their app.
_claims: WeakKeyDictionary[IConstruct, list[_Claim]] = WeakKeyDictionary()


def claim(where: IConstruct, alarms: Iterable[cloudwatch.IAlarm], duty: str) -> None:
    """Assign a role to alarms.

    Args:
        where: Construct that uses the alarms.
        alarms: The alarms.
        duty: ``RETRAINING`` or ``ROLLBACK``.

    Raises:
        ConfigurationError: If an alarm, or one within a composite alarm, has the other role.

    """
    claims = _claims.setdefault(where.node.root, [])
    for alarm in alarms:
        made = _Claim(
            duty=duty, arn=alarm.alarm_arn, name=alarm.alarm_name, path=alarm.node.path,
            rule=_rule_of(where, alarm),
        )  # fmt: skip
        for other in claims:
            if other.duty != duty and made.meets(other):
                among = "" if made.arn == other.arn else f" (with {other.path})"
                message = (
                    f"the alarm {made.path}{among} {other.duty}, so it cannot be one that {duty}: "
                    "it is in ALARM when the rollout of a better model begins"
                )
                raise ConfigurationError("AlarmHasOtherDuty", where, message)
        claims.append(made)


def _rule_of(where: IConstruct, alarm: cloudwatch.IAlarm) -> str:
    """The rule of a composite alarm, with those of composite alarms in it; otherwise empty."""
    if not isinstance(alarm, cloudwatch.CompositeAlarm):
        return ""
    nested = [each for each in where.node.root.node.find_all()
              if isinstance(each, cloudwatch.CompositeAlarm)]  # fmt: skip
    whole, expanded = _own_rule(alarm), {alarm.alarm_arn}
    while True:
        more = [each for each in nested if each.alarm_arn not in expanded
                and _mentions(whole, each.alarm_arn, each.alarm_name)]  # fmt: skip
        if not more:
            return whole
        expanded |= {each.alarm_arn for each in more}
        whole += "".join(_own_rule(each) for each in more)


def _own_rule(alarm: cloudwatch.CompositeAlarm) -> str:
    resource = alarm.node.default_child
    assert isinstance(resource, cloudwatch.CfnCompositeAlarm)
    return resource.alarm_rule


def _mentions(rule: str, arn: str, name: str) -> bool:
    """Whether a rule contains an alarm, by ARN or name, quoted or not."""
    return any(f"({each})" in rule for one in (arn, name) for each in (one, f'"{one}"'))
