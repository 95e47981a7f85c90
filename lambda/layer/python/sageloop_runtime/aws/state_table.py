"""The state table in DynamoDB: rows, and writes that are conditional on what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import code_of
from sageloop_runtime.previous_release import present_row, previous_names, previous_value

Row = dict[str, Any]


@dataclass(frozen=True)
class Append:
    """In a change: items for the end of a list attribute, whatever the list is by then."""

    items: tuple[str, ...]


def to_attribute(value: Any) -> dict[str, Any]:
    """A Python value as a DynamoDB attribute."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, Mapping):
        return {"M": {key: to_attribute(item) for key, item in value.items()}}
    return {"L": [to_attribute(item) for item in value]}


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """The Python value of a DynamoDB attribute."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return int(value) if value.lstrip("-").isdigit() else float(value)
    if kind == "M":
        return {key: from_attribute(item) for key, item in value.items()}
    if kind == "L":
        return [from_attribute(item) for item in value]
    return None if kind == "NULL" else value


class StateTable:
    """Rows by id; ``None`` is an absent attribute.

    Args:
        dynamodb: a DynamoDB client.
        name: the table's name.

    """

    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def get(self, row_id: str) -> Row | None:
        """The row without its id, by a consistent read."""
        item = self._dynamodb.get_item(
            TableName=self._name, Key={"id": {"S": row_id}}, ConsistentRead=True
        ).get("Item")
        if item is None:
            return None
        row = {key: from_attribute(value) for key, value in item.items() if key != "id"}
        return present_row(row_id, row)

    def put_new(self, row_id: str, attributes: Mapping[str, Any]) -> bool:
        """Write a row unless a row of this id exists; whether it was written."""
        item = {key: to_attribute(v) for key, v in attributes.items() if v is not None}
        return self._write_if(
            self._dynamodb.put_item,
            Item={"id": {"S": row_id}, **item},
            ConditionExpression="attribute_not_exists(#id)",
            ExpressionAttributeNames={"#id": "id"},
        )

    def swap(
        self, row_id: str, *, change: Mapping[str, Any], expect: Mapping[str, Any] | None = None
    ) -> bool:
        """Change attributes if those of ``expect`` have not changed since they were read.

        Args:
            row_id: id of the row; the row is created if it does not exist and ``expect`` allows.
            change: new values; ``None`` removes an attribute, ``Append`` extends a list.
            expect: values that were read; ``None`` expects the attribute to be absent.

        Returns:
            Whether the row was changed.

        """
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        sets, removes = [], []
        previous = previous_names(row_id)
        for i, (key, value) in enumerate(change.items()):
            names[f"#c{i}"] = key
            if value is None:
                removes.append(f"#c{i}")
            elif isinstance(value, Append):
                values |= {f":c{i}": to_attribute(value.items), ":none": {"L": []}}
                sets.append(f"#c{i} = list_append(if_not_exists(#c{i}, :none), :c{i})")
            else:
                values[f":c{i}"] = to_attribute(value)
                sets.append(f"#c{i} = :c{i}")
            if key in previous:
                names[f"#p{i}"] = previous[key]
                removes.append(f"#p{i}")
        request = {"Key": {"id": {"S": row_id}}, "UpdateExpression": _clauses(sets, removes)}
        conditions = _conditions(row_id, (expect or {}).items(), names, values)
        if conditions:
            request["ConditionExpression"] = " AND ".join(conditions)
        if values:
            request["ExpressionAttributeValues"] = values
        request["ExpressionAttributeNames"] = names
        return self._write_if(self._dynamodb.update_item, **request)

    def delete(self, row_id: str) -> None:
        """Delete a row; a row that does not exist is no error."""
        self._dynamodb.delete_item(TableName=self._name, Key={"id": {"S": row_id}})

    def _write_if(self, call: Any, **request: Any) -> bool:
        try:
            call(TableName=self._name, **request)
        except ClientError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True


def _clauses(sets: list[str], removes: list[str]) -> str:
    parts = [f"SET {', '.join(sets)}"] if sets else []
    if removes:
        parts.append(f"REMOVE {', '.join(removes)}")
    return " ".join(parts)


def _conditions(
    row_id: str,
    expected: Iterable[tuple[str, Any]],
    names: dict[str, str],
    values: dict[str, Any],
) -> list[str]:
    """Conditions on attributes; a renamed attribute may still have its previous name."""
    conditions = []
    previous = previous_names(row_id)
    for i, (key, value) in enumerate(expected):
        names[f"#e{i}"] = key
        absent = f"attribute_not_exists(#e{i})"
        if key in previous:
            names[f"#q{i}"] = previous[key]
        if value is None:
            conditions.append(absent)
            if key in previous:
                conditions.append(f"attribute_not_exists(#q{i})")
            continue
        values[f":e{i}"] = to_attribute(value)
        condition = f"#e{i} = :e{i}"
        if key in previous:
            values[f":q{i}"] = to_attribute(previous_value(row_id, key, value))
            condition = f"({condition} OR ({absent} AND #q{i} = :q{i}))"
        conditions.append(condition)
    return conditions
