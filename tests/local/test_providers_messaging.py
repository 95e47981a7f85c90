"""SNS, SQS and CloudWatch Logs through their providers, and what is only kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from tests.local.provider_bench import Bench


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    cloud = Cloud(CloudConfig())
    cloud.start()
    yield Bench(cloud)
    cloud.stop()


def test_queue_takes_every_attribute(bench: Bench) -> None:
    sqs = bench.client("sqs")
    dead = bench.create("AWS::SQS::Queue", {"MessageRetentionPeriod": 1209600})
    made = bench.create(
        "AWS::SQS::Queue",
        {"VisibilityTimeout": "60", "DelaySeconds": 5, "KmsMasterKeyId": "alias/aws/sqs",
         "KmsDataKeyReusePeriodSeconds": 600,
         "RedrivePolicy": {"deadLetterTargetArn": dead["Arn"], "maxReceiveCount": 3},
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    found = sqs.get_queue_attributes(QueueUrl=made.id, AttributeNames=["All"])["Attributes"]
    assert found["QueueArn"] == made["Arn"]
    assert (found["VisibilityTimeout"], found["DelaySeconds"]) == ("60", "5")
    assert json.loads(found["RedrivePolicy"])["deadLetterTargetArn"] == dead["Arn"]
    assert sqs.list_queue_tags(QueueUrl=made.id)["Tags"] == {"a": "b"}
    assert made.id == f"{bench.cloud.endpoint_url}/123456789012/{made['QueueName']}"
    made = bench.update(made, VisibilityTimeout=None, DelaySeconds=7, RedrivePolicy=None, Tags=None)
    found = sqs.get_queue_attributes(QueueUrl=made.id, AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["DelaySeconds"]) == ("30", "7")
    assert "RedrivePolicy" not in found
    bench.delete_twice(made)


def test_fifo_queue_gets_its_ending(bench: Bench) -> None:
    made = bench.create("AWS::SQS::Queue", {"FifoQueue": True, "ContentBasedDeduplication": True})
    assert made["QueueName"].endswith(".fifo")
    assert made.id.endswith(".fifo")


def test_queue_policy_is_set_and_cleared(bench: Bench) -> None:
    sqs = bench.client("sqs")
    queue = bench.create("AWS::SQS::Queue", {})
    statement = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
                 "Action": "sqs:SendMessage", "Resource": queue["Arn"]}  # fmt: skip
    made = bench.create(
        "AWS::SQS::QueuePolicy",
        {"Queues": [queue.id], "PolicyDocument": {"Version": "2012-10-17",
                                                  "Statement": [statement]}},
    )  # fmt: skip
    found = sqs.get_queue_attributes(QueueUrl=queue.id, AttributeNames=["Policy"])["Attributes"]
    assert json.loads(found["Policy"])["Statement"] == [statement]
    bench.delete_twice(made)
    found = sqs.get_queue_attributes(QueueUrl=queue.id, AttributeNames=["Policy"])
    assert not found.get("Attributes", {}).get("Policy")


def test_topic_takes_attributes_subscriptions_and_tags(bench: Bench) -> None:
    sns = bench.client("sns")
    queue = bench.create("AWS::SQS::Queue", {})
    made = bench.create(
        "AWS::SNS::Topic",
        {"DisplayName": "d", "KmsMasterKeyId": "alias/aws/sns", "TracingConfig": "Active",
         "Subscription": [{"Endpoint": queue["Arn"], "Protocol": "sqs"}],
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    found = sns.get_topic_attributes(TopicArn=made.id)["Attributes"]
    assert (found["DisplayName"], found["KmsMasterKeyId"]) == ("d", "alias/aws/sns")
    assert made["TopicArn"] == made.id
    assert made["TopicName"] == made.id.rpartition(":")[2]
    assert len(sns.list_subscriptions_by_topic(TopicArn=made.id)["Subscriptions"]) == 1
    assert sns.list_tags_for_resource(ResourceArn=made.id)["Tags"] == [{"Key": "a", "Value": "b"}]
    made = bench.update(made, DisplayName="e", Subscription=None, KmsMasterKeyId=None)
    found = sns.get_topic_attributes(TopicArn=made.id)["Attributes"]
    assert (found["DisplayName"], found.get("KmsMasterKeyId", "")) == ("e", "")
    assert sns.list_subscriptions_by_topic(TopicArn=made.id)["Subscriptions"] == []
    bench.delete_twice(made)


def test_subscription_takes_its_filter(bench: Bench) -> None:
    sns = bench.client("sns")
    topic = bench.create("AWS::SNS::Topic", {})
    queue = bench.create("AWS::SQS::Queue", {})
    made = bench.create(
        "AWS::SNS::Subscription",
        {"TopicArn": topic.id, "Protocol": "sqs", "Endpoint": queue["Arn"],
         "RawMessageDelivery": True, "FilterPolicy": {"kind": ["a"]}},
    )  # fmt: skip
    found = sns.get_subscription_attributes(SubscriptionArn=made.id)["Attributes"]
    assert json.loads(found["FilterPolicy"]) == {"kind": ["a"]}
    assert found["RawMessageDelivery"] == "true"
    made = bench.update(made, FilterPolicy={"kind": ["b"]}, RawMessageDelivery=None)
    found = sns.get_subscription_attributes(SubscriptionArn=made.id)["Attributes"]
    assert json.loads(found["FilterPolicy"]) == {"kind": ["b"]}
    assert found["RawMessageDelivery"] == "false"
    bench.delete_twice(made)


@pytest.mark.parametrize("kind", ["TopicPolicy", "TopicInlinePolicy"])
def test_topic_policy_is_set_and_reset(bench: Bench, kind: str) -> None:
    sns = bench.client("sns")
    topic = bench.create("AWS::SNS::Topic", {})
    statement = {"Sid": "mine", "Effect": "Allow", "Action": "sns:Publish", "Resource": topic.id,
                 "Principal": {"Service": "cloudwatch.amazonaws.com"}}  # fmt: skip
    where = {"Topics": [topic.id]} if kind == "TopicPolicy" else {"TopicArn": topic.id}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    made = bench.create(f"AWS::SNS::{kind}", {**where, "PolicyDocument": policy})
    found = sns.get_topic_attributes(TopicArn=topic.id)["Attributes"]["Policy"]
    assert json.loads(found)["Statement"][0]["Sid"] == "mine"
    bench.delete_twice(made)
    found = sns.get_topic_attributes(TopicArn=topic.id)["Attributes"]["Policy"]
    assert json.loads(found)["Statement"][0]["Sid"] == "__default_statement_ID"


def test_log_group_keeps_retention_and_key(bench: Bench) -> None:
    logs = bench.client("logs")
    key = bench.create("AWS::KMS::Key", {})
    made = bench.create(
        "AWS::Logs::LogGroup",
        {"LogGroupName": "/g", "RetentionInDays": "30", "KmsKeyId": key["Arn"],
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    found = logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"][0]
    assert (found["retentionInDays"], found["kmsKeyId"]) == (30, key["Arn"])
    assert made["Arn"] == found["arn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/g:*"
    made = bench.update(made, RetentionInDays=None, Tags=[{"Key": "c", "Value": "d"}])
    found = logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"][0]
    assert "retentionInDays" not in found
    assert logs.list_tags_log_group(logGroupName="/g")["tags"] == {"c": "d"}
    bench.delete_twice(made)


def test_log_policy_and_filter_are_put(bench: Bench) -> None:
    logs = bench.client("logs")
    bench.create("AWS::Logs::LogGroup", {"LogGroupName": "/h"})
    policy = bench.create(
        "AWS::Logs::ResourcePolicy", {"PolicyName": "p", "PolicyDocument": '{"Statement": []}'}
    )
    metric = {"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1"}
    made = bench.create(
        "AWS::Logs::MetricFilter",
        {"LogGroupName": "/h", "FilterPattern": "x", "MetricTransformations": [metric]},
    )
    found = logs.describe_metric_filters(logGroupName="/h")["metricFilters"]
    assert [f["filterName"] for f in found] == [made.id]
    bench.delete_twice(made)
    bench.delete_twice(policy)


def test_subscription_filter_is_kept_only(bench: Bench) -> None:
    made = bench.create(
        "AWS::Logs::SubscriptionFilter",
        {"LogGroupName": "/x", "FilterPattern": "", "DestinationArn": "arn", "FilterName": "f"},
    )
    assert made.id == "f"
    bench.delete_twice(made)


def test_kept_types_have_a_physical_id(bench: Bench) -> None:
    made = bench.create("AWS::CDK::Metadata", {"Analytics": "v2"})
    assert made.id
    waited = bench.create("AWS::CloudFormation::WaitCondition", {"Handle": "h", "Timeout": "1"})
    assert waited["Data"] == "{}"


def test_a_value_of_the_wrong_kind_is_named(bench: Bench) -> None:
    with pytest.raises(AwsError, match=r"retentionInDays must be a whole number, got 'soon'"):
        bench.create("AWS::Logs::LogGroup", {"LogGroupName": "/i", "RetentionInDays": "soon"})
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        bench.client("logs").put_retention_policy(logGroupName="/i", retentionInDays=1)
