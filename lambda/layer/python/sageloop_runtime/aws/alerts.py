"""Operator alerts, kept in the state table until SNS accepts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.log import log


class AlertPublisher:
    """Publishes the ``alert`` attribute of a row to an SNS topic, then removes it.

    A decision and its alert are written together. If a function dies between writing and
    publishing, the next invocation publishes the alert.

    Args:
        sns: an SNS client.
        topic: the ARN of the topic for alerts.
        table: the state table.
        metrics: publishes AlertsSent.

    """

    def __init__(self, *, sns: Any, topic: str, table: StateTable, metrics: Metrics) -> None:
        self._sns = sns
        self._topic = topic
        self._table = table
        self._metrics = metrics

    def publish(
        self, row_id: str, row: Row | None, dimensions: Mapping[str, str], at: float | None
    ) -> bool:
        """Publish the alert of a row, if it has one; whether one was published."""
        text = (row or {}).get("alert")
        if not text:
            return False
        subject = f"sageloop: {next(iter(dimensions.values()))} needs attention"[:100]
        self._sns.publish(TopicArn=self._topic, Subject=subject, Message=text)
        log("alert sent", text=text, **dimensions)
        self._table.swap(row_id, change={"alert": None}, expect={"alert": text})
        self._metrics.put("AlertsSent", 1.0, dimensions, at=at)
        return True
