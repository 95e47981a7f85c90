"""IAM statements that several functions share."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns

from .encryption import use_statement
from .policies import allow


def metric_statement() -> iam.PolicyStatement:
    """Publish the project's custom metrics only."""
    return allow(["cloudwatch:PutMetricData"], ["*"],
                 {"StringEquals": {"cloudwatch:namespace": "sageloop"}})  # fmt: skip


def alarm_statement() -> iam.PolicyStatement:
    """Describe alarms; with a narrower resource CloudWatch returns no composite alarms.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    """
    return allow(["cloudwatch:DescribeAlarms"], ["*"])


def alert_statements(topic: sns.ITopic) -> list[iam.PolicyStatement]:
    """Publish alerts to a topic, and use its key if there is one."""
    key = [] if topic.master_key is None else [use_statement(topic.master_key, ["sns"])]
    return [allow(["sns:Publish"], [topic.topic_arn]), *key]
