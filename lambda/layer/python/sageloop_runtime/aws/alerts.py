"""Operator alerts: an outbox in the rows of the state table, which SNS never holds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.state_table import Append, Row, StateTable
from sageloop_runtime.log import log

_BACKOFF = 60.0
_LONGEST_BACKOFF = 3600.0
_MOST_WAITING = 100


def alert(text: str) -> Row:
    """The change of a row that adds an alert to its outbox."""
    return {"alerts": Append((text,))}


class AlertPublisher:
    """Publishes the alerts of a row to an SNS topic, oldest first, and removes each.

    A decision and its alert are written together. If a function dies before the alert is
    published, or SNS refuses it, a later invocation publishes it: after a refusal not before one
    minute, doubled with each further refusal up to one hour. Nothing else waits for it, and no
    error is raised. An alert may arrive twice.

    Args:
        sns: an SNS client.
        topic: the ARN of the topic for alerts.
        table: the state table.
        metrics: publishes AlertsSent and AlertsRefused.

    """

    def __init__(self, *, sns: Any, topic: str, table: StateTable, metrics: Metrics) -> None:
        self._sns = sns
        self._topic = topic
        self._table = table
        self._metrics = metrics

    def publish(
        self, row_id: str, row: Row | None, dimensions: Mapping[str, str], at: float | None
    ) -> bool:
        """Publish the alerts of a row, if it has any; whether one was published."""
        row = row or {}
        waiting = [*_of_previous_release(row), *row.get("alerts", [])]
        if at is not None and at < float(row.get("alerts_retry_at", 0.0)):
            return False
        for sent, text in enumerate(waiting):
            error = self._send(text, dimensions)
            if error is not None:
                self._postpone(row_id, row, error, dimensions, at)
                return sent > 0
            log("alert sent", text=text, **dimensions)
            self._remove(row_id, text)
            self._metrics.put_optional({"AlertsSent": 1.0}, dimensions, at=at)
        return bool(waiting)

    def _send(self, text: str, dimensions: Mapping[str, str]) -> str | None:
        """Publish one alert; the error, if SNS refuses it."""
        subject = f"sageloop: {next(iter(dimensions.values()))} needs attention"[:100]
        try:
            self._sns.publish(TopicArn=self._topic, Subject=subject, Message=text)
        except (ClientError, BotoCoreError) as error:
            return str(error)
        return None

    def _remove(self, row_id: str, text: str) -> None:
        """Remove the first alert; those that were added meanwhile stay."""
        for _ in range(3):
            row = self._table.get(row_id) or {}
            if row.get("alert") == text:
                change: Row = {"alert": None}
                expect: Row = {"alert": text}
            elif row.get("alerts", [])[:1] == [text]:
                change, expect = {"alerts": row["alerts"][1:] or None}, {"alerts": row["alerts"]}
            else:
                return
            change |= {"alerts_refused": None, "alerts_retry_at": None, "alerts_error": None}
            if self._table.swap(row_id, change=change, expect=expect):
                return

    def _postpone(
        self, row_id: str, row: Row, error: str, dimensions: Mapping[str, str], at: float | None
    ) -> None:
        refused = int(row.get("alerts_refused", 0)) + 1
        wait = min(_BACKOFF * 2 ** min(refused - 1, 10), _LONGEST_BACKOFF)
        log("alert refused", error=error, refusals=refused, **dimensions)
        change: Row = {
            "alerts_refused": refused,
            "alerts_error": error,
            "alerts_retry_at": None if at is None else at + wait,
        }
        self._table.swap(row_id, change=change)
        alerts = row.get("alerts", [])
        if len(alerts) > _MOST_WAITING:
            # A row has at most 400 KB: the newest alerts say what is wrong now.
            newest = {"alerts": alerts[-_MOST_WAITING:]}
            self._table.swap(row_id, change=newest, expect={"alerts": alerts})
        self._metrics.put_optional({"AlertsRefused": 1.0}, dimensions, at=at)


def _of_previous_release(row: Row) -> list[str]:
    """The previous release had one alert for each row, which a later one replaced."""
    return [row["alert"]] if row.get("alert") else []
