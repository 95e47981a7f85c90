"""EventBridge Scheduler: schedules that invoke a target with a role, on the virtual clock."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.events import delivery, targets
from sageloop.local_cloud.events.bus import page
from sageloop.local_cloud.events.dispatch import as_text, exhaustion, stamp
from sageloop.local_cloud.events.schedule_groups import ScheduleGroupsApi
from sageloop.local_cloud.events.schedule_store import (
    SERVICE,
    Entry,
    ScheduleStore,
    check_definition,
    check_name,
    schedule_of,
)
from sageloop.local_cloud.events.timetable import Recurrence

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_DEFINED = (
    "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "Description",
    "State", "KmsKeyArn", "Target", "FlexibleTimeWindow", "ActionAfterCompletion",
)  # fmt: skip


class SchedulerService(Service):
    """The operations of EventBridge Scheduler."""

    model = "scheduler"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._store = ScheduleStore(cloud.account_id, cloud.clock.time())
        self.include(ScheduleGroupsApi(cloud, self._store, self._forget))

    def stop(self) -> None:
        """Cancel every schedule."""
        with self._store.lock:
            for entry in self._store.entries.values():
                _cancel(entry)

    @operation("CreateSchedule")
    def create_schedule(self, call: Call) -> dict[str, Any]:
        """Create a schedule. Raises ConflictException if its group has one with the same name."""
        name = call.params["Name"]
        check_name(name)
        group = self._store.group(call.region, call.params.get("GroupName"))
        definition = _definition(call.params)
        check_definition(self.cloud, definition, group.arn)
        now = self.cloud.clock.time()
        entry = Entry(
            name=name, group=group.name, region=call.region, definition=definition,
            arn=self._store.entry_arn(call.region, group.name, name), created=now, modified=now,
        )  # fmt: skip
        with self._store.lock:
            key = (call.region, group.name, name)
            if key in self._store.entries:
                raise AwsError("ConflictException", f"Schedule {name} already exists.", 409)
            self._store.entries[key] = entry
        self._arm(entry)
        return {"ScheduleArn": entry.arn}

    @operation("UpdateSchedule")
    def update_schedule(self, call: Call) -> dict[str, Any]:
        """Replace a schedule's whole definition."""
        group = self._store.group(call.region, call.params.get("GroupName"))
        entry = self._store.entry(call.region, group.name, call.params["Name"])
        definition = _definition(call.params)
        check_definition(self.cloud, definition, group.arn)
        with self._store.lock:
            _cancel(entry)
            entry.definition = definition
            entry.modified = self.cloud.clock.time()
        self._arm(entry)
        return {"ScheduleArn": entry.arn}

    @operation("GetSchedule")
    def get_schedule(self, call: Call) -> dict[str, Any]:
        """One schedule."""
        params = call.params
        entry = self._store.entry(call.region, params.get("GroupName"), params["Name"])
        defaults = {"ScheduleExpressionTimezone": "UTC", "ActionAfterCompletion": "NONE"}
        return defaults | entry.definition | _identity(entry) | {"Target": _shown(entry.definition)}

    @operation("ListSchedules")
    def list_schedules(self, call: Call) -> dict[str, Any]:
        """Schedules of a group, or of all, by prefix and state."""
        params = call.params
        if params.get("GroupName") is not None:
            self._store.group(call.region, params["GroupName"])
        with self._store.lock:
            schedules = [
                entry
                for (region, group, name), entry in sorted(self._store.entries.items())
                if region == call.region
                and params.get("GroupName") in (None, group)
                and name.startswith(params.get("NamePrefix", ""))
                and params.get("State") in (None, entry.state)
            ]
        shown, token = page(schedules, params.get("NextToken"), params.get("MaxResults"))
        summaries = [
            _identity(e) | {"Target": {"Arn": e.definition["Target"]["Arn"]}} for e in shown
        ]
        return {"Schedules": summaries, "NextToken": token}

    @operation("DeleteSchedule")
    def delete_schedule(self, call: Call) -> None:
        """Delete a schedule."""
        params = call.params
        self._forget(self._store.entry(call.region, params.get("GroupName"), params["Name"]))

    def _forget(self, entry: Entry) -> None:
        with self._store.lock:
            _cancel(entry)
            self._store.entries.pop((entry.region, entry.group, entry.name), None)

    def _arm(self, entry: Entry) -> None:
        if entry.state != "ENABLED":
            return
        definition, start = entry.definition, entry.definition.get("StartDate")
        end = definition.get("EndDate")
        one_time = definition["ScheduleExpression"].startswith("at(")
        recurrence = Recurrence(
            clock=self.cloud.clock,
            schedule=schedule_of(definition, entry.modified),
            fire=lambda when: self._fire(entry, definition, when),
            label=f"schedule {entry.name}",
            until=None if end is None or one_time else end.timestamp(),
            ended=lambda: self._completed(entry, definition),
        )
        entry.recurrence = recurrence
        recurrence.begin(None if start is None or one_time else start.timestamp())

    def _completed(self, entry: Entry, definition: dict[str, Any]) -> None:
        if definition.get("ActionAfterCompletion") == "DELETE":
            self._forget(entry)

    def _fire(self, entry: Entry, definition: dict[str, Any], when: float) -> None:
        target, run = definition["Target"], str(uuid.uuid4())
        sender = self._sender(entry, target)
        tries = iter(range(1, 1_000))

        def message() -> targets.Message:
            context = {
                "schedule-arn": entry.arn, "scheduled-time": stamp(when), "execution-id": run,
                "attempt-number": str(next(tries)),
            }  # fmt: skip
            return targets.Message(
                body=self._body(entry, target, when, context),
                group_id=target.get("SqsParameters", {}).get("MessageGroupId"),
            )

        settings = target.get("RetryPolicy", {})
        policy = delivery.RetryPolicy(
            retries=settings.get("MaximumRetryAttempts", 185),
            age=settings.get("MaximumEventAgeInSeconds", 86_400),
        )
        made = delivery.Delivery(
            label=f"schedule {entry.name} to {target['Arn']}",
            send=lambda: targets.send(self.cloud, sender, target["Arn"], message()),
            give_up=lambda dead: self._give_up(entry, target, message().body, dead),
            policy=policy,
            wait=delivery.exponential,
        )
        delivery.start(self.cloud, made, inline=True)

    def _sender(self, entry: Entry, target: dict[str, Any]) -> targets.Sender:
        # The role is assumed for the group of the schedule, which its trust policy may name.
        return targets.Sender(
            service=SERVICE, source_arn=entry.arn, role_arn=target["RoleArn"],
            role_source=self._store.group_arn(entry.region, entry.group),
        )  # fmt: skip

    def _body(
        self, entry: Entry, target: dict[str, Any], when: float, context: dict[str, str]
    ) -> str:
        if target.get("Input") is not None:
            text = str(target["Input"])
            for name, value in context.items():
                text = text.replace(f"<aws.scheduler.{name}>", value)
            return text
        return json.dumps(
            {
                "version": "0",
                "id": context["execution-id"],
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": self.cloud.account_id,
                "time": stamp(when),
                "region": entry.region,
                "resources": [entry.arn],
                "detail": "{}",
            }
        )

    def _give_up(
        self, entry: Entry, target: dict[str, Any], body: str, dead: delivery.DeadLetter
    ) -> None:
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        if queue is None:
            return
        attributes = {
            "SCHEDULE_ARN": entry.arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": dead.failure.code,
            "ERROR_MESSAGE": dead.failure.message,
            "IS_PAYLOAD_TRUNCATED": "false",
        } | exhaustion(dead)
        letter = targets.Message(body=body, attributes=as_text(attributes))
        sender = self._sender(entry, target)
        delivery.start(
            self.cloud,
            delivery.Delivery(
                label=f"dead letter of schedule {entry.name}",
                send=lambda: targets.send(self.cloud, sender, queue, letter),
                give_up=lambda _: None,
                policy=delivery.RetryPolicy(),
                wait=delivery.exponential,
            ),
        )


def _definition(params: dict[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in _DEFINED if params.get(name) is not None}


def _identity(entry: Entry) -> dict[str, Any]:
    return {
        "Arn": entry.arn,
        "Name": entry.name,
        "GroupName": entry.group,
        "State": entry.state,
        "CreationDate": entry.created,
        "LastModificationDate": entry.modified,
    }


def _shown(definition: dict[str, Any]) -> dict[str, Any]:
    default = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
    target: dict[str, Any] = definition["Target"]
    return target | {"RetryPolicy": default | target.get("RetryPolicy", {})}


def _cancel(entry: Entry) -> None:
    if entry.recurrence is not None:
        entry.recurrence.cancel()
        entry.recurrence = None
