"""Actions of an alarm's transition: events, topics, functions and scaling policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm, iso_millis
from sageloop.local_cloud.cloudwatch.evaluation import State
from sageloop.local_cloud.cloudwatch.payloads import event_detail, notice
from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_ACTIONS_OF = {
    "OK": "OKActions",
    "ALARM": "AlarmActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
_LAMBDA_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"


def refuse_unsupported(arns: list[str], *, composite: bool = False) -> None:
    """Refuse unsupported actions when the alarm is defined. Raises ``ValidationError``."""
    for arn in arns:
        service = arn.split(":")[2:3]
        if composite and service == ["autoscaling"]:
            raise AwsError("ValidationError", f"a composite alarm cannot have the action {arn}")
        if service not in (["sns"], ["lambda"], ["autoscaling"]):
            raise AwsError(
                "ValidationError",
                f"the alarm action {arn} is not supported here; supported are topics, functions "
                "and policies of Application Auto Scaling",
            )


class AlarmActions:
    """Runs the actions of a transition in the background and adds each outcome to the history."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def on_transition(self, alarm: AnyAlarm, previous: State, previous_data: str) -> None:
        """Emit the state-change event and run the actions of the new state."""
        self.announce(alarm, previous, previous_data)
        self.perform(alarm, previous, previous_data)

    def announce(self, alarm: AnyAlarm, previous: State, previous_data: str) -> None:
        """Emit the state-change event."""
        if self._cloud.services.has("events"):
            self._cloud.services.events.emit(
                "aws.cloudwatch", "CloudWatch Alarm State Change",
                event_detail(alarm, previous, previous_data), resources=[alarm.arn],
            )  # fmt: skip

    def perform(self, alarm: AnyAlarm, previous: State, previous_data: str = "") -> None:
        """Run the actions of the state that an alarm is in, in the background."""
        if not alarm.acts:
            return
        message = event_detail(alarm, previous, previous_data)
        for arn in alarm.definition.get(_ACTIONS_OF[alarm.state], []):
            work = partial(
                self._noted, alarm, arn, partial(self._act, alarm, arn, previous, message)
            )
            self._cloud.activity.spawn(f"alarm action {alarm.name}", work)

    def repeat(self, alarm: AnyAlarm) -> None:
        """Run the scaling policies of an alarm that stays in its state again, as AWS does."""
        if not alarm.acts:
            return
        for arn in alarm.definition.get(_ACTIONS_OF[alarm.state], []):
            if _is_policy(arn):
                self._cloud.activity.spawn(
                    f"alarm action {alarm.name}", partial(self._scale, alarm, arn)
                )

    def _scale(self, alarm: AnyAlarm, arn: str) -> None:
        if not self._cloud.services.has("application-autoscaling"):
            raise AwsError(
                "ObjectNotFoundException", f"no service can run the scaling policy {arn}"
            )
        scaling = self._cloud.services.scaling
        scaling.run_policy(arn, alarm.name, alarm.state)

    def _act(self, alarm: AnyAlarm, arn: str, previous: State, message: dict[str, Any]) -> None:
        if ":lambda:" in arn:
            self._invoke(alarm, arn, message)
        elif _is_policy(arn):
            self._scale(alarm, arn)
        else:
            self._publish(alarm, arn, previous)

    def _noted(self, alarm: AnyAlarm, arn: str, act: Callable[[], None]) -> None:
        try:
            act()
            summary = f"Successfully executed action {arn}"
        except (AwsError, ClientError) as error:
            summary = f"Failed to execute action {arn}. Received error: {error}"
        alarm.note(self._cloud.clock.time(), "Action", summary, {"actionState": summary.split()[0]})

    def _invoke(self, alarm: AnyAlarm, arn: str, message: dict[str, Any]) -> None:
        body = {
            "source": "aws.cloudwatch",
            "alarmArn": alarm.arn,
            "accountId": self._cloud.account_id,
            "time": iso_millis(alarm.changed),
            "region": self._cloud.region,
            "alarmData": message,
        }
        self._cloud.services.functions.invoke_for(
            _LAMBDA_PRINCIPAL, arn, json.dumps(body).encode(), alarm.arn
        )

    def _publish(self, alarm: AnyAlarm, arn: str, previous: State) -> None:
        # Imported in the method: events depends on this package's neighbours, not the reverse.
        from sageloop.local_cloud.events.permissions import admits

        refused = admits(self._cloud, "cloudwatch.amazonaws.com", arn, alarm.arn)
        if refused:
            raise AwsError("AuthorizationError", refused, 403)
        sns = self._cloud.client("sns", principal="cloudwatch.amazonaws.com")
        sns.publish(
            TopicArn=arn,
            Subject=f'{alarm.state}: "{alarm.name}" in {self._cloud.region}'[:100],
            Message=json.dumps(notice(alarm, previous, self._cloud)),
        )


def _is_policy(arn: str) -> bool:
    return arn.split(":")[2:3] == ["autoscaling"]
