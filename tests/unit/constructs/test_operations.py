from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import Duration, Stack
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from constructs_lib import (
    Alarms,
    ConfigurationError,
    DataStore,
    Endpoint,
    Evaluation,
    Gate,
    Pages,
    RetrainingLoop,
)

from .conftest import Ground


def _loop(ground: Ground, **changes: Any) -> RetrainingLoop:
    values: dict[str, Any] = {"gate": Gate(threshold=20), **changes}
    return RetrainingLoop(
        ground.stack, "Loop", job=ground.job(), endpoint=ground.champion(),
        network=ground.network, live_error=ground.alarm(), **values,
    )  # fmt: skip


def test_pages_admit_alarms_to_topic_and_key(stack: Stack) -> None:
    store = DataStore(stack, "Store")

    Pages(stack, "Pages", key=store.key)

    template = Template.from_stack(stack)
    for kind in ("AWS::SNS::TopicPolicy", "AWS::KMS::Key"):
        (resource,) = template.find_resources(kind).values()
        assert "cloudwatch.amazonaws.com" in json.dumps(resource)


def test_pages_from_topic_uses_the_topic(stack: Stack) -> None:
    topic = sns.Topic.from_topic_arn(stack, "Mine", "arn:aws:sns:eu-west-1:111122223333:mine")

    assert Pages.from_topic(stack, "Pages", topic=topic).topic is topic


def test_live_error_alarm_waits_for_truth(stack: Stack) -> None:
    endpoint = Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")

    Alarms(stack, "Alarms", endpoint=endpoint, page_topic=sns.Topic(stack, "T"), live_error=12.0)

    Template.from_stack(stack).has_resource_properties("AWS::CloudWatch::Alarm", {
        "Namespace": "sageloop",
        "MetricName": "MeanAbsoluteError",
        "Dimensions": [{"Name": "EndpointName", "Value": "demo"}],
        "Period": 3600, "EvaluationPeriods": 3, "DatapointsToAlarm": 3, "Threshold": 12,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "ignore",
        "Statistic": "Average",
    })  # fmt: skip


def test_alarms_refuse_more_breaches_than_windows(stack: Stack) -> None:
    endpoint = Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")

    with pytest.raises(ConfigurationError, match="breaching must be between 1 and 3, got 4"):
        Alarms(stack, "Alarms", endpoint=endpoint, page_topic=sns.Topic(stack, "T"),
               live_error=1, breaching=4)  # fmt: skip


def test_silence_is_an_alarm_only_if_asked_for(stack: Stack) -> None:
    endpoint = Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")

    alarms = Alarms(stack, "Alarms", endpoint=endpoint, page_topic=sns.Topic(stack, "T"),
                    live_error=1, silence=Duration.hours(1))  # fmt: skip

    assert alarms.silence is not None
    Template.from_stack(stack).resource_count_is("AWS::CloudWatch::Alarm", 4)


def test_loop_starts_on_the_manifest_and_on_the_alarm(ground: Ground) -> None:
    _loop(ground)

    template = ground.template()
    template.has_resource_properties("AWS::Events::Rule", {"EventPattern": Match.object_like({
        "source": ["aws.s3"],
        "detail": Match.object_like({"object": {"key": ["datasets/demo/manifest.json"]}}),
    })})  # fmt: skip
    template.has_resource_properties("AWS::Events::Rule", {"EventPattern": Match.object_like({
        "source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}},
    })})  # fmt: skip


def test_every_function_is_private_traced_and_has_dead_letters(ground: Ground) -> None:
    _loop(ground)

    functions = ground.template().find_resources("AWS::Lambda::Function").values()
    assert len(functions) == 8
    for function in functions:
        properties = function["Properties"]
        assert len(properties["VpcConfig"]["SubnetIds"]) == 2
        assert properties["TracingConfig"] == {"Mode": "Active"}
        assert "TargetArn" in properties["DeadLetterConfig"]
        assert "LogGroup" in properties["LoggingConfig"]
        assert properties["ReservedConcurrentExecutions"] >= 1
        assert "KmsKeyArn" in properties or "Environment" not in properties


def test_every_rule_keeps_what_its_target_did_not_take(ground: Ground) -> None:
    _loop(ground)

    for rule in ground.template().find_resources("AWS::Events::Rule").values():
        (target,) = rule["Properties"]["Targets"]
        assert "Arn" in target["DeadLetterConfig"]
        assert target["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": 21600,
            "MaximumRetryAttempts": 32,
        }


def test_concurrency_is_the_accounts_if_asked_for(ground: Ground) -> None:
    loop = _loop(ground, reserve_concurrency=False)

    properties = ground.template().find_resources("AWS::Lambda::Function")[
        ground.stack.get_logical_id(loop.evaluate.function.node.default_child)  # type: ignore[arg-type]
    ]["Properties"]
    assert "ReservedConcurrentExecutions" not in properties


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gate": Gate(threshold=1, objective="less")}, "must be one of Maximize, Minimize"),
        ({"gate": Gate(threshold=1, improvement=2)}, "gate.improvement must be between 0 and 1"),
        ({"evaluation": Evaluation(window_minutes=0)}, "window_minutes must be between 1 and 1440"),
        ({"evaluation": Evaluation(truth_prefix="/t/")}, "must be a relative S3 prefix"),
        ({"max_attempts": 0}, "max_attempts must be between 1 and 10, got 0"),
    ],
)
def test_loop_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _loop(anew, **changes)
