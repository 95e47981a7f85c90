"""What an alarm does when its state changes: events, topics, functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudwatch.alarms import Alarm, iso_millis
from sageloop.local_cloud.cloudwatch.evaluation import State
from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_ACTIONS_OF = {
    "OK": "OKActions",
    "ALARM": "AlarmActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
_LAMBDA_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"


def refuse_unsupported(arns: list[str]) -> None:
    """Refuse actions that could never be carried out here, when the alarm is defined."""
    for arn in arns:
        if arn.split(":")[2:3] not in (["sns"], ["lambda"]):
            raise AwsError(
                "ValidationError",
                f"the alarm action {arn} is not supported here; topics and functions are",
            )


class AlarmActions:
    """Carries out the actions of a transition, in the background, noting each outcome."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def on_transition(self, alarm: Alarm, previous: State, previous_data: str) -> None:
        """Emit the state-change event and run the actions of the new state."""
        message = _payload(alarm, previous, previous_data)
        self._emit(alarm, message)
        if not alarm.definition.get("ActionsEnabled", True):
            return
        for arn in alarm.definition.get(_ACTIONS_OF[alarm.state], []):
            work = partial(
                self._noted, alarm, arn, partial(self._act, alarm, arn, previous, message)
            )
            self._cloud.activity.spawn(f"alarm action {alarm.name}", work)

    def _act(self, alarm: Alarm, arn: str, previous: State, message: dict[str, Any]) -> None:
        if ":lambda:" in arn:
            self._invoke(alarm, arn, message)
        else:
            self._publish(alarm, arn, previous)

    def _emit(self, alarm: Alarm, message: dict[str, Any]) -> None:
        if "events" in self._cloud.front.services:
            self._cloud.service("events").emit(
                "aws.cloudwatch", "CloudWatch Alarm State Change", message, resources=[alarm.arn]
            )

    def _noted(self, alarm: Alarm, arn: str, act: Callable[[], None]) -> None:
        try:
            act()
            summary = f"Successfully executed action {arn}"
        except (AwsError, ClientError) as error:
            summary = f"Failed to execute action {arn}. Received error: {error}"
        alarm.note(self._cloud.clock.time(), "Action", summary, {"actionState": summary.split()[0]})

    def _invoke(self, alarm: Alarm, arn: str, message: dict[str, Any]) -> None:
        body = {
            "source": "aws.cloudwatch",
            "alarmArn": alarm.arn,
            "accountId": self._cloud.account_id,
            "time": iso_millis(alarm.changed),
            "region": self._cloud.region,
            "alarmData": message,
        }
        self._cloud.service("lambda").invoke_for(
            _LAMBDA_PRINCIPAL, arn, json.dumps(body).encode(), alarm.arn
        )

    def _publish(self, alarm: Alarm, arn: str, previous: State) -> None:
        # Imported here: events builds on this package's neighbours, not the other way round.
        from sageloop.local_cloud.events.permissions import admits

        refused = admits(self._cloud, "cloudwatch.amazonaws.com", arn, alarm.arn)
        if refused:
            raise AwsError("AuthorizationError", refused, 403)
        sns = self._cloud.client("sns", principal="cloudwatch.amazonaws.com")
        sns.publish(
            TopicArn=arn,
            Subject=f'{alarm.state}: "{alarm.name}" in {self._cloud.region}'[:100],
            Message=json.dumps(_notice(alarm, previous, self._cloud)),
        )


def _payload(alarm: Alarm, previous: State, previous_data: str) -> dict[str, Any]:
    stamp = iso_millis(alarm.changed)
    return {
        "alarmName": alarm.name,
        "state": {
            "value": alarm.state,
            "reason": alarm.reason,
            "reasonData": alarm.reason_data,
            "timestamp": stamp,
        },
        "previousState": {"value": previous, "reasonData": previous_data, "timestamp": stamp},
        "configuration": {
            "description": alarm.definition.get("AlarmDescription", ""),
            "metrics": [
                {
                    "id": "m1",
                    "metricStat": {
                        "metric": {
                            "namespace": alarm.series.namespace,
                            "name": alarm.series.name,
                            "dimensions": dict(alarm.series.dimensions),
                        },
                        "period": alarm.period,
                        "stat": alarm.stat,
                    },
                    "returnData": True,
                }
            ],
        },
    }


def _notice(alarm: Alarm, previous: State, cloud: Cloud) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.definition.get("AlarmDescription"),
        "AWSAccountId": cloud.account_id,
        "NewStateValue": alarm.state,
        "NewStateReason": alarm.reason,
        "StateChangeTime": datetime.fromtimestamp(alarm.changed, UTC).isoformat(),
        "Region": cloud.region,
        "AlarmArn": alarm.arn,
        "OldStateValue": previous,
        "Trigger": {
            "MetricName": alarm.series.name,
            "Namespace": alarm.series.namespace,
            "Statistic": alarm.stat,
            "Dimensions": [{"name": n, "value": v} for n, v in alarm.series.dimensions],
            "Period": alarm.period,
            "EvaluationPeriods": alarm.periods,
            "ComparisonOperator": alarm.definition["ComparisonOperator"],
            "Threshold": alarm.definition["Threshold"],
        },
    }
