"""The requests of the state table."""

from __future__ import annotations

from typing import Any

from sageloop_runtime.aws.state_table import StateTable


class DynamoDB:
    """Records the reads of a table."""

    def __init__(self) -> None:
        self.reads: list[dict[str, Any]] = []

    def get_item(self, **request: Any) -> dict[str, Any]:
        self.reads.append(request)
        return {}


def test_rows_are_read_consistently() -> None:
    dynamodb = DynamoDB()

    assert StateTable(dynamodb, "state").get("loop#a") is None
    assert dynamodb.reads == [
        {"TableName": "state", "Key": {"id": {"S": "loop#a"}}, "ConsistentRead": True}
    ]
