"""The state table: every write that decides something is conditional on what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import code_of

Row = dict[str, Any]


def to_wire(value: Any) -> dict[str, Any]:
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
        return {"M": {key: to_wire(item) for key, item in value.items()}}
    return {"L": [to_wire(item) for item in value]}


def from_wire(attribute: Mapping[str, Any]) -> Any:
    """The Python value of a DynamoDB attribute."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return int(value) if value.lstrip("-").isdigit() else float(value)
    if kind == "M":
        return {key: from_wire(item) for key, item in value.items()}
    if kind == "L":
        return [from_wire(item) for item in value]
    return None if kind == "NULL" else value


class StateTable:
    """Rows by id; ``None`` stands for an absent attribute everywhere.

    Args:
        dynamodb: a DynamoDB client.
        name: the table's name.

    """

    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def get(self, row_id: str) -> Row | None:
        """The row as it is now (a consistent read), without its id."""
        found = self._dynamodb.get_item(
            TableName=self._name, Key={"id": {"S": row_id}}, ConsistentRead=True
        ).get("Item")
        if found is None:
            return None
        return {key: from_wire(item) for key, item in found.items() if key != "id"}

    def put_new(self, row_id: str, attributes: Mapping[str, Any]) -> bool:
        """Write a row unless one of this id exists; whether it was written."""
        item = {key: to_wire(v) for key, v in attributes.items() if v is not None}
        return self._decided(
            self._dynamodb.put_item,
            Item={"id": {"S": row_id}, **item},
            ConditionExpression="attribute_not_exists(#id)",
            ExpressionAttributeNames={"#id": "id"},
        )

    def swap(
        self, row_id: str, *, change: Mapping[str, Any], expect: Mapping[str, Any] | None = None
    ) -> bool:
        """Change attributes if those of ``expect`` are still what was read.

        Args:
            row_id: which row; it is made if it does not exist and nothing else is expected.
            change: new values; ``None`` removes an attribute.
            expect: values read before; ``None`` expects the attribute to be absent.

        Returns:
            Whether the change was made.

        """
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        sets, removes = [], []
        for i, (key, value) in enumerate(change.items()):
            names[f"#c{i}"] = key
            if value is None:
                removes.append(f"#c{i}")
            else:
                values[f":c{i}"] = to_wire(value)
                sets.append(f"#c{i} = :c{i}")
        request = {"Key": {"id": {"S": row_id}}, "UpdateExpression": _clauses(sets, removes)}
        conditions = _conditions((expect or {}).items(), names, values)
        if conditions:
            request["ConditionExpression"] = " AND ".join(conditions)
        if values:
            request["ExpressionAttributeValues"] = values
        request["ExpressionAttributeNames"] = names
        return self._decided(self._dynamodb.update_item, **request)

    def delete(self, row_id: str) -> None:
        """Remove a row; removing what is not there is no error."""
        self._dynamodb.delete_item(TableName=self._name, Key={"id": {"S": row_id}})

    def _decided(self, call: Any, **request: Any) -> bool:
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
    expected: Iterable[tuple[str, Any]], names: dict[str, str], values: dict[str, Any]
) -> list[str]:
    conditions = []
    for i, (key, value) in enumerate(expected):
        names[f"#e{i}"] = key
        if value is None:
            conditions.append(f"attribute_not_exists(#e{i})")
        else:
            values[f":e{i}"] = to_wire(value)
            conditions.append(f"#e{i} = :e{i}")
    return conditions
