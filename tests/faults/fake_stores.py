"""DynamoDB, S3 and the smaller services, in memory."""

from __future__ import annotations

import io
import json
import re
from datetime import datetime
from typing import Any

from documents import BUCKET
from fake_client import client_error


class Stores:
    """The part of the world that only keeps things."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.rows_before: dict[str, dict[str, Any] | None] = {}
        self.objects: dict[tuple[str, str], bytes] = {}
        self.alarms: dict[str, dict[str, Any]] = {}
        self.metrics: list[dict[str, Any]] = []
        self.alerts_sent: list[str] = []
        self.targets: dict[str, dict[str, Any]] = {}
        self.queue: list[tuple[str, dict[str, Any]]] = []
        self.interfaces: list[dict[str, Any]] = []
        self.groups: dict[str, dict[str, Any]] = {}
        self.event_rules: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    # dynamodb

    def _get_item(self, Key: Any, ConsistentRead: bool = False, **_: Any) -> Any:
        """The row; without a consistent read, as it was before the last write."""
        row_id = Key["id"]["S"]
        row = self.rows.get(row_id)
        if not ConsistentRead:
            row = self.rows_before.get(row_id, row)
        return {} if row is None else {"Item": {**row, **Key}}

    def _put_item(self, Item: Any, ConditionExpression: str | None = None, **_: Any) -> Any:
        row_id = Item["id"]["S"]
        if ConditionExpression is not None and row_id in self.rows:
            raise client_error("ConditionalCheckFailedException", "The conditional request failed")
        self._write(row_id, dict(Item))

    def _update_item(
        self, Key: Any, UpdateExpression: str, ExpressionAttributeNames: Any,
        ConditionExpression: str = "", ExpressionAttributeValues: Any = None, **_: Any,
    ) -> Any:  # fmt: skip
        names, values = ExpressionAttributeNames, ExpressionAttributeValues or {}
        row = dict(self.rows.get(Key["id"]["S"], Key))
        if ConditionExpression and not _holds(ConditionExpression, row, names, values):
            raise client_error("ConditionalCheckFailedException", "The condition failed")
        match = re.fullmatch(r"(?:SET (.*?))?\s?(?:REMOVE (.*))?", UpdateExpression)
        assert match is not None
        for item in re.split(r", (?=#)(?![^(]*\))", match[1]) if match[1] else []:
            left, right = item.split(" = ")
            row[names[left]] = _value(right, row, names, values)
        for item in match[2].split(", ") if match[2] else []:
            row.pop(names[item], None)
        self._write(Key["id"]["S"], row)

    def _delete_item(self, Key: Any, **_: Any) -> Any:
        self._write(Key["id"]["S"], None)

    def _write(self, row_id: str, row: dict[str, Any] | None) -> None:
        self.rows_before[row_id] = self.rows.pop(row_id, None)
        if row is not None:
            self.rows[row_id] = row

    # s3

    def _list_objects_v2(self, Bucket: str, Prefix: str, **_: Any) -> Any:
        keys = sorted(k for b, k in self.objects if b == Bucket and k.startswith(Prefix))
        contents = [
            {"Key": key, "Size": len(self.objects[Bucket, key]), "ETag": str(hash(key))}
            for key in keys
        ]
        return {"Contents": contents, "IsTruncated": False}

    def _get_object(self, Bucket: str, Key: str, Range: str | None = None) -> Any:
        body = self.objects.get((Bucket, Key))
        if body is None:
            raise client_error("NoSuchKey", "The specified key does not exist.", 404)
        if Range is not None:
            if not body:
                raise client_error("InvalidRange", "The requested range is not satisfiable", 416)
            body = body[:2]
        return {"Body": io.BytesIO(body), "ContentLength": len(body)}

    def _put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> Any:
        self.objects[Bucket, Key] = Body

    def deliver_days(self, first: str, last: str, *, label: int = 100) -> None:
        start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
        for ordinal in range(start.toordinal(), end.toordinal() + 1):
            day = datetime.fromordinal(ordinal).date().isoformat()
            self.objects[BUCKET, f"sets/dt={day}/part.csv"] = f"{label},1,2\n".encode() * 3

    # the rest

    def _describe_alarms(
        self, AlarmNames: list[str], AlarmTypes: list[str] | None = None, **_: Any
    ) -> Any:
        """The alarms of the types; without any only metric alarms, as CloudWatch documents."""
        types = ["MetricAlarm"] if AlarmTypes is None else AlarmTypes
        alarms = [self.alarms[n] for n in AlarmNames if n in self.alarms]
        metric = [each for each in alarms if "AlarmRule" not in each]
        composite = [each for each in alarms if "AlarmRule" in each]
        return {
            "MetricAlarms": metric if "MetricAlarm" in types else [],
            "CompositeAlarms": composite if "CompositeAlarm" in types else [],
        }

    def _put_metric_data(self, Namespace: str, MetricData: list[Any]) -> Any:
        self.metrics.extend(MetricData)

    def metric(self, name: str, **dimensions: str) -> list[float]:
        expected = dimensions.items()
        return [
            d["Value"] for d in self.metrics
            if d["MetricName"] == name
            and expected <= {p["Name"]: p["Value"] for p in d["Dimensions"]}.items()
        ]  # fmt: skip

    def _describe_rule(self, Name: str) -> Any:
        if Name not in self.event_rules:
            raise client_error("ResourceNotFoundException", f"Rule {Name} does not exist.")
        return {"Name": Name, "State": self.event_rules[Name]}

    def _describe_key(self, KeyId: str) -> Any:
        return {"KeyMetadata": {"KeyId": KeyId, "KeyState": self.keys[KeyId]}}

    def _publish(self, Message: str, **_: Any) -> Any:
        self.alerts_sent.append(Message)

    def _register_scalable_target(self, ResourceId: str, **request: Any) -> Any:
        before = self.targets.get(ResourceId, {})
        self.targets[ResourceId] = {"policies": {}, "actions": {}, **before, **request}

    def _deregister_scalable_target(self, ResourceId: str, **_: Any) -> Any:
        if self.targets.pop(ResourceId, None) is None:
            raise client_error("ObjectNotFoundException", "No scalable target found")

    def _put_scaling_policy(self, ResourceId: str, PolicyName: str, **request: Any) -> Any:
        self._attach(ResourceId, "policies", PolicyName, request)
        return {}

    def _put_scheduled_action(
        self, ResourceId: str, ScheduledActionName: str, **request: Any
    ) -> Any:
        self._attach(ResourceId, "actions", ScheduledActionName, request)

    def _attach(self, resource: str, kind: str, name: str, request: dict[str, Any]) -> None:
        if resource not in self.targets:
            raise client_error("ObjectNotFoundException", "No scalable target registered")
        on = ("ServiceNamespace", "ScalableDimension")
        self.targets[resource][kind][name] = {k: v for k, v in request.items() if k not in on}

    def _describe_scalable_targets(self, ResourceIds: list[str], **_: Any) -> Any:
        assert ResourceIds, "without any, all are meant"
        return {
            "ScalableTargets": [
                {"ResourceId": name, **self.targets[name]}
                for name in ResourceIds
                if name in self.targets
            ]
        }

    def _describe_scaling_policies(self, ResourceId: str, **_: Any) -> Any:
        policies = self.targets[ResourceId]["policies"]
        return {"ScalingPolicies": [{"PolicyName": n, **each} for n, each in policies.items()]}

    def _describe_scheduled_actions(self, ResourceId: str, **_: Any) -> Any:
        actions = self.targets[ResourceId]["actions"]
        return {
            "ScheduledActions": [{"ScheduledActionName": n, **each} for n, each in actions.items()]
        }

    def _invoke(self, FunctionName: str, Payload: bytes, **_: Any) -> Any:
        self.queue.append((FunctionName, json.loads(Payload)))

    def _describe_network_interfaces(self, **_: Any) -> Any:
        return {"NetworkInterfaces": self.interfaces}

    def _describe_security_groups(self, GroupIds: list[str]) -> Any:
        return {"SecurityGroups": [self.groups[group] for group in GroupIds]}

    def _revoke_security_group_ingress(self, GroupId: str, **_: Any) -> Any:
        self.groups[GroupId]["IpPermissions"] = []

    def _revoke_security_group_egress(self, GroupId: str, **_: Any) -> Any:
        self.groups[GroupId]["IpPermissionsEgress"] = []


def _value(
    expression: str, row: dict[str, Any], names: dict[str, str], values: dict[str, Any]
) -> Any:
    """The value of an operand: a given one, or a list with items at its end."""
    appended = re.fullmatch(r"list_append\(if_not_exists\((#\w+), (:\w+)\), (:\w+)\)", expression)
    if appended is None:
        return values[expression]
    present = row.get(names[appended[1]], values[appended[2]])
    return {"L": [*present["L"], *values[appended[3]]["L"]]}


def _holds(
    expression: str, row: dict[str, Any], names: dict[str, str], values: dict[str, Any]
) -> bool:
    """Whether a row meets a condition of AND, OR, parentheses, absence and equality."""
    for operator, combine in ((" AND ", all), (" OR ", any)):
        parts = _split(expression, operator)
        if len(parts) > 1:
            return combine(_holds(part, row, names, values) for part in parts)
    if expression.startswith("("):
        return _holds(expression[1:-1], row, names, values)
    absent = re.fullmatch(r"attribute_not_exists\((#\w+)\)", expression)
    if absent:
        return names[absent[1]] not in row
    left, right = expression.split(" = ")
    return bool(row.get(names[left]) == values[right])


def _split(expression: str, operator: str) -> list[str]:
    """The operands of an operator outside parentheses."""
    parts = [""]
    for part in expression.split(operator):
        complete = parts[-1].count("(") == parts[-1].count(")")
        if complete and parts[-1]:
            parts.append(part)
        else:
            parts[-1] = f"{parts[-1]}{operator}{part}" if parts[-1] else part
    return parts
