"""Operations on buses: create, update, delete, permissions (stored), tags of buses and rules."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.naming import partition_of
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.events.bus import (
    DEFAULT_BUS,
    Bus,
    Buses,
    invalid,
    not_found,
    page,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_NAME = re.compile(r"[.\-_A-Za-z0-9]{1,256}")
_SETTINGS = ("Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig")


class BusesApi:
    """The API of event buses."""

    def __init__(self, cloud: Cloud, buses: Buses) -> None:
        self._cloud = cloud
        self._buses = buses

    @operation("CreateEventBus")
    def create_event_bus(self, call: Call) -> dict[str, Any]:
        """Create a custom bus."""
        name = call.params["Name"]
        if call.params.get("EventSourceName") is not None:
            raise invalid("the local cloud has no partner event sources (EventSourceName).")
        if not _NAME.fullmatch(name):
            raise invalid(f"Event bus name {name!r} must be letters, digits, '.', '-' and '_'.")
        self._buses.get(call.region, None)
        settings = {k: call.params[k] for k in _SETTINGS if k in call.params}
        with self._buses.lock:
            bus = self._buses.add(call.region, name, self._cloud.clock.time(), settings)
            if call.params.get("Tags"):
                self._buses.tags[bus.arn] = {t["Key"]: t["Value"] for t in call.params["Tags"]}
        return {"EventBusArn": bus.arn} | settings

    @operation("DescribeEventBus")
    def describe_event_bus(self, call: Call) -> dict[str, Any]:
        """One bus, by default the default bus."""
        bus = self._buses.get(call.region, call.params.get("Name"))
        return _summary(bus) | bus.settings

    @operation("UpdateEventBus")
    def update_event_bus(self, call: Call) -> dict[str, Any]:
        """Update the settings in the request."""
        bus = self._buses.get(call.region, call.params.get("Name"))
        with self._buses.lock:
            bus.settings |= {k: call.params[k] for k in _SETTINGS if k in call.params}
            bus.modified = self._cloud.clock.time()
        return {"Arn": bus.arn, "Name": bus.name} | bus.settings

    @operation("ListEventBuses")
    def list_event_buses(self, call: Call) -> dict[str, Any]:
        """The buses, by prefix of their names."""
        prefix = call.params.get("NamePrefix", "")
        buses = [b for b in self._buses.of_region(call.region) if b.name.startswith(prefix)]
        shown, token = page(buses, call.params.get("NextToken"), call.params.get("Limit"))
        return {"EventBuses": [_summary(bus) for bus in shown], "NextToken": token}

    @operation("DeleteEventBus")
    def delete_event_bus(self, call: Call) -> None:
        """Delete a custom bus without rules; no error if it does not exist."""
        bus = self._buses.find(call.region, call.params["Name"])
        if bus is None:
            return
        if bus.name == DEFAULT_BUS:
            raise invalid("Cannot delete event bus default.")
        if bus.rules:
            raise invalid("Event bus cannot be deleted since it has rules.")
        self._buses.remove(bus)

    @operation("PutPermission")
    def put_permission(self, call: Call) -> None:
        """Store a statement, or a whole policy, of a bus."""
        bus = self._buses.get(call.region, call.params.get("EventBusName"))
        with self._buses.lock:
            if call.params.get("Policy") is not None:
                bus.statements = _statements_of(call.params["Policy"])
            else:
                added = _statement(call.params, bus)
                kept = [s for s in bus.statements if s.get("Sid") != added["Sid"]]
                bus.statements = [*kept, added]
            bus.modified = self._cloud.clock.time()

    @operation("RemovePermission")
    def remove_permission(self, call: Call) -> None:
        """Remove one statement of a bus's policy, or all of them."""
        bus = self._buses.get(call.region, call.params.get("EventBusName"))
        with self._buses.lock:
            if call.params.get("RemoveAllPermissions"):
                bus.statements = []
                return
            statement_id = call.params.get("StatementId")
            kept = [s for s in bus.statements if s.get("Sid") != statement_id]
            if len(kept) == len(bus.statements):
                raise not_found(f"Statement with the provided id {statement_id} does not exist.")
            bus.statements = kept

    @operation("TagResource")
    def tag_resource(self, call: Call) -> None:
        """Add tags to a bus or a rule."""
        with self._buses.lock:
            tags = self._tags(call.params["ResourceARN"])
            tags.update({t["Key"]: t["Value"] for t in call.params["Tags"]})

    @operation("UntagResource")
    def untag_resource(self, call: Call) -> None:
        """Remove tags from a bus or a rule."""
        with self._buses.lock:
            tags = self._tags(call.params["ResourceARN"])
            for key in call.params["TagKeys"]:
                tags.pop(key, None)

    @operation("ListTagsForResource")
    def list_tags_for_resource(self, call: Call) -> dict[str, Any]:
        """The tags of a bus or a rule."""
        with self._buses.lock:
            tags = self._tags(call.params["ResourceARN"])
            return {"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}

    def _tags(self, arn: str) -> dict[str, str]:
        if not self._buses.has(arn):
            raise not_found(f"Resource {arn} does not exist.")
        return self._buses.tags.setdefault(arn, {})


def _summary(bus: Bus) -> dict[str, Any]:
    return {
        "Name": bus.name,
        "Arn": bus.arn,
        "Policy": bus.policy(),
        "CreationTime": bus.created,
        "LastModifiedTime": bus.modified,
    }


def _statements_of(policy: str) -> list[dict[str, Any]]:
    try:
        document = json.loads(policy)
    except ValueError as error:
        raise AwsError("ValidationException", f"the policy is not JSON ({error})") from error
    statements = document.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


def _statement(params: dict[str, Any], bus: Bus) -> dict[str, Any]:
    for member in ("Action", "Principal", "StatementId"):
        if params.get(member) is None:
            raise invalid(f"Parameter {member} must be specified.")
    principal = params["Principal"]
    statement: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": "*"
        if principal == "*"
        else {
            "AWS": f"arn:{partition_of(bus.region)}:iam::{principal}:root",
        },
        "Action": params["Action"],
        "Resource": bus.arn,
    }
    condition = params.get("Condition")
    if condition is not None:
        statement["Condition"] = {condition["Type"]: {condition["Key"]: condition["Value"]}}
    return statement
