"""Dead-letter queues with an alarm."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from .acknowledge import acknowledge
from .encryption import admit_service


def dead_letter_queue(
    scope: Construct, *, key: kms.IKey | None, alert_topic: sns.ITopic | None
) -> sqs.Queue:
    """The dead-letter queue of a function, with a retention of 14 days.

    Args:
        scope: The function's construct.
        key: KMS key of the messages; SSE-SQS by default.
        alert_topic: SNS topic that is notified of messages; without it there is no alarm.

    """
    queue = sqs.Queue(
        scope,
        "DeadLetters",
        encryption=sqs.QueueEncryption.SQS_MANAGED if key is None else sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    acknowledge(queue, ["CT.SQS.PR.1"], "this is the dead-letter queue of a function")
    if key is not None:
        admit_service(key, "events")
    if alert_topic is not None:
        alarm = cloudwatch.Alarm(
            scope,
            "DeadLettersAlarm",
            alarm_description="Failed events are in the dead-letter queue",
            metric=queue.metric_approximate_number_of_messages_visible(
                period=Duration.minutes(1), statistic="Maximum"
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(alert_topic))
    return queue
