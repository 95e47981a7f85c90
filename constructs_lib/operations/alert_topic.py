"""SNS topic for operator alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from .._private.checks import Checks, known
from .._private.emails import email_fault, repeated
from .._private.encryption import admit_service, use_statement
from .._private.policies import allow, attach, colon_arn


class AlertTopic(Construct):
    """Defines an encrypted SNS topic to which alarms and functions of the account publish.

    The key policy admits CloudWatch. CDK does not add this statement, and without it CloudWatch
    drops notifications to an encrypted topic and reports no error.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html

    Example:
        >>> alerts = AlertTopic(stack, "AlertTopic", key=store.key, emails=["oncall@example.org"])

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey | None = None,
        emails: Sequence[str] = (),
        topic: sns.ITopic | None = None,
    ) -> None:
        """Define the topic.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            key: KMS key of the messages.
            emails: Addresses to subscribe; each must confirm its subscription.
            topic: An existing topic, see ``from_topic``.

        Raises:
            ConfigurationError: If an address is not one, or is given twice.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            _check_emails(check, emails)
        self.key = key
        self.topic: sns.ITopic = self._build_topic(key) if topic is None else topic
        for address in emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(address))

    @classmethod
    def from_topic(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic,
        key: kms.IKey | None = None,
    ) -> AlertTopic:
        """Import an existing topic; its policy and its key must admit CloudWatch.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            topic: The topic.
            key: KMS key of the topic; none by default.

        """
        return AlertTopic(scope, construct_id, topic=topic, key=key)

    def grant_publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to publish alerts to the topic."""
        key = [] if self.key is None else [use_statement(self.key, ["sns"])]
        return attach(grantee, [allow(["sns:Publish"], [self.topic.topic_arn]), *key])

    def metric(self, name: str, **options: Any) -> cloudwatch.Metric:
        """A CloudWatch metric of the topic.

        Args:
            name: Name of the metric, for example ``NumberOfNotificationsFailed``.
            options: Options of CDK's ``metric``; ``period`` is 5 minutes by default.

        """
        return self.topic.metric(name, **options)

    def _build_topic(self, key: kms.IKey | None) -> sns.Topic:
        topic = sns.Topic(self, "Resource", master_key=key, enforce_ssl=True)
        if key is not None:
            admit_service(key, "cloudwatch")
        alarms = colon_arn(Stack.of(self), "cloudwatch", "alarm", "*")
        topic.add_to_resource_policy(iam.PolicyStatement(
            sid="AdmitAlarms", principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"], resources=[topic.topic_arn],
            conditions={
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                "ArnLike": {"aws:SourceArn": alarms},
            },
        ))  # fmt: skip
        return topic


def _check_emails(check: Checks, emails: Sequence[str]) -> None:
    known_ones = [address for address in emails if known(address)]
    for address in known_ones:
        fault = email_fault(address)
        if fault is not None:
            check.refuse("EmailNotAllowed", f"emails {fault}, got {address[:80]!r}")
    again = repeated(known_ones)
    if again is not None:
        check.refuse("EmailRepeated", f"emails must have each address once, got {again!r} twice")
