"""Statements that functions of several capabilities have in common."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from .encryption import use_statement
from .policies import allow, colon_arn


def metric_statement() -> iam.PolicyStatement:
    """Publish the project's own metrics and no others."""
    return allow(["cloudwatch:PutMetricData"], ["*"],
                 {"StringEquals": {"cloudwatch:namespace": "sageloop"}})  # fmt: skip


def alarm_statement(scope: Construct) -> iam.PolicyStatement:
    """Look at alarms; the action knows only all of them."""
    return allow(["cloudwatch:DescribeAlarms"], [colon_arn(scope, "cloudwatch", "alarm", "*")])


def page_statements(topic: sns.ITopic) -> list[iam.PolicyStatement]:
    """Send a page to a topic, with the use of its key if it is known to have one."""
    key = [] if topic.master_key is None else [use_statement(topic.master_key, ["sns"])]
    return [allow(["sns:Publish"], [topic.topic_arn]), *key]
