"""Operations on rules, and the schedules of rules."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.events import schedules
from sageloop.local_cloud.events.bus import DEFAULT_BUS, Bus, Buses, Rule, invalid, page
from sageloop.local_cloud.events.dispatch import Dispatcher, stamp
from sageloop.local_cloud.events.injected_faults import deliver
from sageloop.local_cloud.events.patterns import parsed
from sageloop.local_cloud.events.timetable import Recurrence

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_NAME = re.compile(r"[.\-_A-Za-z0-9]{1,64}")
_STATES = ("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
_MOST_RULES = 300


class RulesApi:
    """The API of rules."""

    def __init__(self, cloud: Cloud, buses: Buses, dispatcher: Dispatcher) -> None:
        self._cloud = cloud
        self._buses = buses
        self._dispatcher = dispatcher

    @operation("PutRule")
    def put_rule(self, call: Call) -> dict[str, Any]:
        """Create a rule or replace its definition; its targets are kept."""
        bus = self._buses.get(call.region, call.params.get("EventBusName"))
        rule = self._rule_from(call.params, bus)
        with self._buses.lock:
            existing = bus.rules.get(rule.name)
            if existing is None and len(bus.rules) >= _MOST_RULES:
                raise AwsError("LimitExceededException", f"a bus may have {_MOST_RULES} rules.")
            if existing is not None:
                rule.targets = existing.targets
            elif call.params.get("Tags"):
                self._buses.tags[rule.arn] = {t["Key"]: t["Value"] for t in call.params["Tags"]}
            bus.rules[rule.name] = rule
            self._reschedule(existing, rule)
        return {"RuleArn": rule.arn}

    @operation("DescribeRule")
    def describe_rule(self, call: Call) -> dict[str, Any]:
        """One rule."""
        rule = self._rule(call)
        return _summary(rule) | {"CreatedBy": self._cloud.account_id}

    @operation("ListRules")
    def list_rules(self, call: Call) -> dict[str, Any]:
        """The rules of a bus, by prefix of their names."""
        bus = self._buses.get(call.region, call.params.get("EventBusName"))
        prefix = call.params.get("NamePrefix", "")
        with self._buses.lock:
            matching = [r for name, r in sorted(bus.rules.items()) if name.startswith(prefix)]
        shown, token = page(matching, call.params.get("NextToken"), call.params.get("Limit"))
        return {"Rules": [_summary(rule) for rule in shown], "NextToken": token}

    @operation("ListRuleNamesByTarget")
    def list_rule_names_by_target(self, call: Call) -> dict[str, Any]:
        """Names of the rules of a bus that have a target."""
        bus = self._buses.get(call.region, call.params.get("EventBusName"))
        target_arn = call.params["TargetArn"]
        with self._buses.lock:
            names = sorted(
                rule.name
                for rule in bus.rules.values()
                if any(target["Arn"] == target_arn for target in rule.targets.values())
            )
        shown, token = page(names, call.params.get("NextToken"), call.params.get("Limit"))
        return {"RuleNames": shown, "NextToken": token}

    @operation("EnableRule")
    def enable_rule(self, call: Call) -> None:
        """Enable a rule."""
        self._set_state(self._rule(call), "ENABLED")

    @operation("DisableRule")
    def disable_rule(self, call: Call) -> None:
        """Disable a rule."""
        self._set_state(self._rule(call), "DISABLED")

    @operation("DeleteRule")
    def delete_rule(self, call: Call) -> None:
        """Delete a rule without targets; no error if it does not exist."""
        bus = self._buses.get(call.region, call.params.get("EventBusName"))
        with self._buses.lock:
            rule = bus.rules.get(call.params["Name"])
            if rule is None:
                return
            if rule.targets:
                raise invalid("Rule can't be deleted since it has targets.")
            del bus.rules[rule.name]
            self._buses.tags.pop(rule.arn, None)
            if rule.recurrence is not None:
                rule.recurrence.cancel()

    def stop(self) -> None:
        """Cancel every schedule."""
        with self._buses.lock:
            for bus in self._buses.of_region(self._cloud.region):
                for rule in bus.rules.values():
                    if rule.recurrence is not None:
                        rule.recurrence.cancel()

    def _rule(self, call: Call) -> Rule:
        bus = self._buses.get(call.region, call.params.get("EventBusName"))
        with self._buses.lock:
            return bus.rule(call.params["Name"])

    def _rule_from(self, params: dict[str, Any], bus: Bus) -> Rule:
        name, state = params["Name"], params.get("State", "ENABLED")
        pattern, schedule = params.get("EventPattern"), params.get("ScheduleExpression")
        if not _NAME.fullmatch(name):
            raise invalid(f"Rule name {name!r} must be 1-64 of letters, digits, '.', '-' and '_'.")
        if state not in _STATES:
            raise invalid(f"State must be one of {', '.join(_STATES)}, got {state!r}.")
        if not pattern and not schedule:
            raise invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        if schedule and bus.name != DEFAULT_BUS:
            raise invalid("ScheduleExpression is supported only on the default event bus.")
        if schedule:
            _schedule(schedule, 0.0)
        middle = "" if bus.name == DEFAULT_BUS else f"{bus.name}/"
        return Rule(
            name=name,
            arn=regional_arn("events", bus.region, self._cloud.account_id, f"rule/{middle}{name}"),
            bus=bus.name, region=bus.region, pattern_text=pattern,
            pattern=parsed(pattern) if pattern else None, schedule=schedule, state=state,
            description=params.get("Description"), role_arn=params.get("RoleArn"),
        )  # fmt: skip

    def _set_state(self, rule: Rule, state: str) -> None:
        with self._buses.lock:
            was_enabled, rule.state = rule.is_enabled, state
            if was_enabled != rule.is_enabled:
                self._reschedule(rule, rule)

    def _reschedule(self, old: Rule | None, new: Rule) -> None:
        if old is not None and old.recurrence is not None:
            if old is not new and old.schedule == new.schedule and new.is_enabled:
                # An unchanged schedule keeps its phase when another property of the rule changes.
                old.recurrence.cancel()
                new.recurrence = self._recurrence(new, old.recurrence.schedule)
                new.recurrence.begin()
                return
            old.recurrence.cancel()
            old.recurrence = None
        if new.schedule is not None and new.is_enabled:
            schedule = _schedule(new.schedule, self._cloud.clock.time())
            new.recurrence = self._recurrence(new, schedule)
            new.recurrence.begin()

    def _recurrence(self, rule: Rule, schedule: schedules.Schedule) -> Recurrence:
        return Recurrence(
            clock=self._cloud.clock,
            schedule=schedule,
            fire=lambda when: self._fire(rule, when),
            label=f"schedule of rule {rule.name}",
        )

    def _fire(self, rule: Rule, when: float) -> None:
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self._cloud.account_id,
            "time": stamp(when),
            "region": rule.region,
            "resources": [rule.arn],
            "detail": {},
        }
        deliver(
            self._cloud, "Scheduled Event",
            lambda: self._dispatcher.fire(rule, event, inline=True),
            label=f"event of rule {rule.name}",
        )  # fmt: skip


def _schedule(expression: str, start: float) -> schedules.Schedule:
    try:
        # The first occurrence of a rate is one period after the rule's creation.
        made = schedules.parse(expression, start=start)
    except ValueError as error:
        raise invalid(f"Parameter ScheduleExpression is not valid. Reason: {error}") from error
    return made


def _summary(rule: Rule) -> dict[str, Any]:
    return {
        "Name": rule.name,
        "Arn": rule.arn,
        "EventPattern": rule.pattern_text,
        "ScheduleExpression": rule.schedule,
        "State": rule.state,
        "Description": rule.description,
        "RoleArn": rule.role_arn,
        "EventBusName": rule.bus,
    }
