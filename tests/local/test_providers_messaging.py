"""SNS, SQS and CloudWatch Logs through their providers, and types that are stored only."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from tests.local.provider_bench import Bench
from tests.local.roles import key_policy


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    cloud = Cloud(CloudConfig())
    cloud.start()
    yield Bench(cloud)
    cloud.stop()


def test_queue_has_every_attribute(bench: Bench) -> None:
    sqs = bench.client("sqs")
    dead = bench.create("AWS::SQS::Queue", {"MessageRetentionPeriod": 1209600})
    made = bench.create(
        "AWS::SQS::Queue",
        {"VisibilityTimeout": "60", "DelaySeconds": 5, "KmsMasterKeyId": "alias/aws/sqs",
         "KmsDataKeyReusePeriodSeconds": 600,
         "RedrivePolicy": {"deadLetterTargetArn": dead["Arn"], "maxReceiveCount": 3},
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    actual = sqs.get_queue_attributes(QueueUrl=made.id, AttributeNames=["All"])["Attributes"]
    assert actual["QueueArn"] == made["Arn"]
    assert (actual["VisibilityTimeout"], actual["DelaySeconds"]) == ("60", "5")
    assert json.loads(actual["RedrivePolicy"])["deadLetterTargetArn"] == dead["Arn"]
    assert sqs.list_queue_tags(QueueUrl=made.id)["Tags"] == {"a": "b"}
    assert made.id == f"{bench.cloud.endpoint_url}/123456789012/{made['QueueName']}"
    made = bench.update(made, VisibilityTimeout=None, DelaySeconds=7, RedrivePolicy=None, Tags=None)
    actual = sqs.get_queue_attributes(QueueUrl=made.id, AttributeNames=["All"])["Attributes"]
    assert (actual["VisibilityTimeout"], actual["DelaySeconds"]) == ("30", "7")
    assert "RedrivePolicy" not in actual
    bench.delete_twice(made)


def test_fifo_queue_name_has_its_suffix(bench: Bench) -> None:
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
    actual = sqs.get_queue_attributes(QueueUrl=queue.id, AttributeNames=["Policy"])["Attributes"]
    assert json.loads(actual["Policy"])["Statement"] == [statement]
    bench.delete_twice(made)
    actual = sqs.get_queue_attributes(QueueUrl=queue.id, AttributeNames=["Policy"])
    assert not actual.get("Attributes", {}).get("Policy")


def test_topic_has_attributes_subscriptions_and_tags(bench: Bench) -> None:
    sns = bench.client("sns")
    queue = bench.create("AWS::SQS::Queue", {})
    made = bench.create(
        "AWS::SNS::Topic",
        {"DisplayName": "d", "KmsMasterKeyId": "alias/aws/sns", "TracingConfig": "Active",
         "Subscription": [{"Endpoint": queue["Arn"], "Protocol": "sqs"}],
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    actual = sns.get_topic_attributes(TopicArn=made.id)["Attributes"]
    assert (actual["DisplayName"], actual["KmsMasterKeyId"]) == ("d", "alias/aws/sns")
    assert made["TopicArn"] == made.id
    assert made["TopicName"] == made.id.rpartition(":")[2]
    assert len(sns.list_subscriptions_by_topic(TopicArn=made.id)["Subscriptions"]) == 1
    assert sns.list_tags_for_resource(ResourceArn=made.id)["Tags"] == [{"Key": "a", "Value": "b"}]
    made = bench.update(made, DisplayName="e", Subscription=None, KmsMasterKeyId=None)
    actual = sns.get_topic_attributes(TopicArn=made.id)["Attributes"]
    assert (actual["DisplayName"], actual.get("KmsMasterKeyId", "")) == ("e", "")
    assert sns.list_subscriptions_by_topic(TopicArn=made.id)["Subscriptions"] == []
    bench.delete_twice(made)


def test_subscription_has_its_filter(bench: Bench) -> None:
    sns = bench.client("sns")
    topic = bench.create("AWS::SNS::Topic", {})
    queue = bench.create("AWS::SQS::Queue", {})
    made = bench.create(
        "AWS::SNS::Subscription",
        {"TopicArn": topic.id, "Protocol": "sqs", "Endpoint": queue["Arn"],
         "RawMessageDelivery": True, "FilterPolicy": {"kind": ["a"]}},
    )  # fmt: skip
    actual = sns.get_subscription_attributes(SubscriptionArn=made.id)["Attributes"]
    assert json.loads(actual["FilterPolicy"]) == {"kind": ["a"]}
    assert actual["RawMessageDelivery"] == "true"
    made = bench.update(made, FilterPolicy={"kind": ["b"]}, RawMessageDelivery=None)
    actual = sns.get_subscription_attributes(SubscriptionArn=made.id)["Attributes"]
    assert json.loads(actual["FilterPolicy"]) == {"kind": ["b"]}
    assert actual["RawMessageDelivery"] == "false"
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
    actual = sns.get_topic_attributes(TopicArn=topic.id)["Attributes"]["Policy"]
    assert json.loads(actual)["Statement"][0]["Sid"] == "mine"
    bench.delete_twice(made)
    actual = sns.get_topic_attributes(TopicArn=topic.id)["Attributes"]["Policy"]
    assert json.loads(actual)["Statement"][0]["Sid"] == "__default_statement_ID"


def test_log_group_has_retention_and_key(bench: Bench) -> None:
    logs = bench.client("logs")
    policy = key_policy("logs.us-east-1.amazonaws.com")
    key = bench.create("AWS::KMS::Key", {"KeyPolicy": policy})
    made = bench.create(
        "AWS::Logs::LogGroup",
        {"LogGroupName": "/g", "RetentionInDays": "30", "KmsKeyId": key["Arn"],
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    actual = logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"][0]
    assert (actual["retentionInDays"], actual["kmsKeyId"]) == (30, key["Arn"])
    assert made["Arn"] == actual["arn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/g:*"
    made = bench.update(made, RetentionInDays=None, Tags=[{"Key": "c", "Value": "d"}])
    actual = logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"][0]
    assert "retentionInDays" not in actual
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
    actual = logs.describe_metric_filters(logGroupName="/h")["metricFilters"]
    assert [f["filterName"] for f in actual] == [made.id]
    bench.delete_twice(made)
    bench.delete_twice(policy)


def test_subscription_filter_is_stored_only(bench: Bench) -> None:
    made = bench.create(
        "AWS::Logs::SubscriptionFilter",
        {"LogGroupName": "/x", "FilterPattern": "", "DestinationArn": "arn", "FilterName": "f"},
    )
    assert made.id == "f"
    bench.delete_twice(made)


def test_stored_only_types_have_a_physical_id(bench: Bench) -> None:
    made = bench.create("AWS::CDK::Metadata", {"Analytics": "v2"})
    assert made.id
    waited = bench.create("AWS::CloudFormation::WaitCondition", {"Handle": "h", "Timeout": "1"})
    assert waited["Data"] == "{}"


def test_value_of_the_wrong_type_is_refused_with_its_path(bench: Bench) -> None:
    with pytest.raises(AwsError, match=r"retentionInDays must be a whole number, got 'soon'"):
        bench.create("AWS::Logs::LogGroup", {"LogGroupName": "/i", "RetentionInDays": "soon"})
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        bench.client("logs").put_retention_policy(logGroupName="/i", retentionInDays=1)
