"""Pages: what a person must look at, kept in the state until it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop_runtime.log import log
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.state import Row, StateTable


class Pager:
    """Sends what the ``page`` attribute of a row says, then clears it.

    A decision and its page are written together; a crash between writing and sending leaves
    the page for the next pass, so that none is lost.

    Args:
        sns: an SNS client.
        topic: the ARN of the topic that people subscribe to.
        table: the state table.
        metrics: where PagesSent goes.

    """

    def __init__(self, *, sns: Any, topic: str, table: StateTable, metrics: Metrics) -> None:
        self._sns = sns
        self._topic = topic
        self._table = table
        self._metrics = metrics

    def flush(
        self, row_id: str, row: Row | None, dimensions: Mapping[str, str], at: float | None
    ) -> bool:
        """Send the row's page if it has one; whether one was sent."""
        text = (row or {}).get("page")
        if not text:
            return False
        subject = f"sageloop: {next(iter(dimensions.values()))} needs attention"[:100]
        self._sns.publish(TopicArn=self._topic, Subject=subject, Message=text)
        log("page sent", text=text, **dimensions)
        self._table.swap(row_id, change={"page": None}, expect={"page": text})
        self._metrics.put("PagesSent", 1.0, dimensions, at=at)
        return True
