from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Match, Template

from constructs_lib import (
    AlertTopic,
    Canary,
    ConfigurationError,
    DataStore,
    Endpoint,
    Evaluation,
    Gate,
    ModelQualityAlarms,
    RetrainingLoop,
)

from .conftest import Ground, ground_of

Loop = Callable[..., RetrainingLoop]


def test_alert_topic_and_key_allow_alarms(stack: Stack) -> None:
    store = DataStore(stack, "Store")

    AlertTopic(stack, "AlertTopic", key=store.key)

    template = Template.from_stack(stack)
    for kind in ("AWS::SNS::TopicPolicy", "AWS::KMS::Key"):
        (resource,) = template.find_resources(kind).values()
        assert "cloudwatch.amazonaws.com" in json.dumps(resource)


def test_alert_topic_from_topic_uses_topic(stack: Stack) -> None:
    topic = sns.Topic.from_topic_arn(stack, "Mine", "arn:aws:sns:eu-west-1:111122223333:mine")

    assert AlertTopic.from_topic(stack, "AlertTopic", topic=topic).topic is topic


def test_model_quality_alarm_ignores_missing_ground_truth(stack: Stack) -> None:
    endpoint = Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")

    ModelQualityAlarms(
        stack,
        "Alarms",
        endpoint=endpoint,
        alert_topic=sns.Topic(stack, "T"),
        model_quality_threshold=12.0,
    )

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
        ModelQualityAlarms(stack, "Alarms", endpoint=endpoint, alert_topic=sns.Topic(stack, "T"),
               model_quality_threshold=1, breaching=4)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": Duration.hours(2), "windows": 85}, "at most, got 85 periods of 7200 seconds"),
        ({"window": Duration.minutes(30), "windows": 49}, r"evaluate 1 day\(s\) at most, got 49"),
        ({"window": Duration.seconds(90)}, "multiple of 60 seconds, got 90"),
        ({"expected_traffic": Duration.days(8)}, r"expected_traffic must evaluate 7 day\(s\)"),
    ],
)
def test_alarms_refuse_what_cloudwatch_does_not_evaluate(
    stack: Stack, changes: dict[str, Any], message: str
) -> None:
    endpoint = Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")

    with pytest.raises(ConfigurationError, match=message):
        ModelQualityAlarms(stack, "Alarms", endpoint=endpoint, alert_topic=sns.Topic(stack, "T"),
               model_quality_threshold=1, **changes)  # fmt: skip


def test_longest_evaluation_is_allowed(stack: Stack) -> None:
    endpoint = Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")

    ModelQualityAlarms(
        stack, "Alarms", endpoint=endpoint, alert_topic=sns.Topic(stack, "T"), windows=84,
        model_quality_threshold=1, window=Duration.hours(2), expected_traffic=Duration.days(7),
    )  # fmt: skip


def test_traffic_alarm_is_optional(stack: Stack) -> None:
    endpoint = Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")

    alarms = ModelQualityAlarms(
        stack, "Alarms", endpoint=endpoint, alert_topic=sns.Topic(stack, "T"),
        model_quality_threshold=1, expected_traffic=Duration.hours(1),
    )  # fmt: skip

    assert alarms.no_traffic is not None
    Template.from_stack(stack).resource_count_is("AWS::CloudWatch::Alarm", 4)


@pytest.fixture(scope="module")
def template() -> Template:
    """A stack with a whole loop, to read."""
    ground = ground_of(Stack(App(), "Test"))
    RetrainingLoop(
        ground.stack, "Loop", job=ground.job(), endpoint=ground.champion(),
        network=ground.network, model_quality_alarm=ground.alarm(), gate=Gate(threshold=20),
    )  # fmt: skip
    return ground.template()


def test_loop_starts_on_the_manifest_and_on_the_alarm(template: Template) -> None:
    template.has_resource_properties("AWS::Events::Rule", {"EventPattern": Match.object_like({
        "source": ["aws.s3"],
        "detail": Match.object_like({"object": {"key": ["datasets/demo/manifest.json"]}}),
    })})  # fmt: skip
    template.has_resource_properties("AWS::Events::Rule", {"EventPattern": Match.object_like({
        "source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}},
    })})  # fmt: skip


def test_every_function_is_private_traced_and_has_dead_letters(template: Template) -> None:
    functions = template.find_resources("AWS::Lambda::Function").values()
    assert len(functions) == 8
    for function in functions:
        properties = function["Properties"]
        assert len(properties["VpcConfig"]["SubnetIds"]) == 2
        assert properties["TracingConfig"] == {"Mode": "Active"}
        assert "TargetArn" in properties["DeadLetterConfig"]
        assert "LogGroup" in properties["LoggingConfig"]
        assert properties["ReservedConcurrentExecutions"] >= 1
        assert "KmsKeyArn" in properties or "Environment" not in properties


def test_every_rule_has_dead_letter_queue_and_retries(template: Template) -> None:
    for rule in template.find_resources("AWS::Events::Rule").values():
        (target,) = rule["Properties"]["Targets"]
        assert "Arn" in target["DeadLetterConfig"]
        assert target["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": 21600,
            "MaximumRetryAttempts": 32,
        }


@pytest.mark.parametrize(
    ("value", "reserved"), [(None, 2), (True, 2), ("true", 2), (False, None), ("false", None)]
)
def test_context_key_switches_reserved_concurrency(
    anew: Ground, value: bool | str | None, reserved: int | None
) -> None:
    if value is not None:
        anew.stack.node.set_context("sageloop:reserveConcurrency", value)

    function = anew.job().function.function.node.default_child

    assert isinstance(function, lambda_.CfnFunction)
    assert function.reserved_concurrent_executions == reserved


def test_other_values_of_the_concurrency_context_are_refused(anew: Ground) -> None:
    anew.stack.node.set_context("sageloop:reserveConcurrency", "no")

    with pytest.raises(ConfigurationError, match="must be true or false, got 'no'"):
        anew.job()


@pytest.mark.parametrize(
    ("emails", "message"),
    [
        ([""], "emails must be an email address such as oncall@example.org, got ''"),
        (["on call@example.org"], "must be an email address"),
        (["a@example.org", "A@example.org"], "each address once, got 'A@example.org' twice"),
    ],
)
def test_alert_topic_refuses(anew: Ground, emails: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        AlertTopic(anew.stack, "Mine", emails=emails)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gate": Gate(threshold=1, objective="less")}, "must be Minimize for mae and rmse, got"),
        ({"gate": Gate(threshold=1, improvement=2)}, "gate.improvement must be between 0 and 1"),
        ({"evaluation": Evaluation(window_minutes=0)}, "window_minutes must be between 1 and 1440"),
        ({"evaluation": Evaluation(ground_truth_prefix="/t/")}, "must be a relative S3 prefix"),
        ({"max_attempts": 0}, "max_attempts must be between 1 and 10, got 0"),
    ],
)
def test_loop_refuses(loop: Loop, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        loop(**changes)


def _alarm(ground: Ground, *, hours: int, windows: int) -> cloudwatch.Alarm:
    metric = cloudwatch.Metric(
        namespace="sageloop", metric_name="MeanAbsoluteError", period=Duration.hours(hours)
    )
    return metric.create_alarm(ground.stack, "Model", threshold=1, evaluation_periods=windows)


def test_loop_refuses_cooldown_shorter_than_alarm(anew: Ground, loop: Loop) -> None:
    endpoint = anew.champion(rollout=Canary(wait_seconds=300, termination_wait_seconds=120))

    with pytest.raises(ConfigurationError) as refused:
        loop(endpoint=endpoint, model_quality_alarm=_alarm(anew, hours=1, windows=3),
             cooldown=Duration.seconds(12_120))  # fmt: skip

    assert str(refused.value) == (
        "[Case/Loop] CooldownTooShort: cooldown must be more than 12120 seconds, got 12120: the "
        "alarm's windows take 3 x 3600, ground truth may take 900, the rollout waits 420"
    ).replace("Case", anew.stack.node.path)


def test_loop_accepts_cooldown_longer_than_alarm(anew: Ground, loop: Loop) -> None:
    made = loop(
        model_quality_alarm=_alarm(anew, hours=1, windows=3), cooldown=Duration.seconds(11_821)
    )

    assert made.model_quality_alarm.alarm_arn


def test_imported_alarm_counts_as_one_window(anew: Ground, loop: Loop) -> None:
    mine = cloudwatch.Alarm.from_alarm_name(anew.stack, "Mine", "mine")

    with pytest.raises(ConfigurationError, match=r"take 1 x 3600, .* 900, .* waits 120"):
        loop(model_quality_alarm=mine, cooldown=Duration.hours(1))


def test_grant_start_allows_start_function_only(anew: Ground, loop: Loop) -> None:
    role = iam.Role(anew.stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))

    made = loop()

    (statement,) = made.grant_start(role).principal_statements
    assert statement.actions == ["lambda:InvokeFunction"]
    assert statement.resources == [made.start_training.arn]


def test_grant_publish_includes_use_of_key(stack: Stack) -> None:
    key = kms.Key(stack, "Key")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))

    AlertTopic(stack, "AlertTopic", key=key).grant_publish(role)

    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    publish, use = policy["Properties"]["PolicyDocument"]["Statement"]
    assert publish["Action"] == "sns:Publish"
    assert "kms:GenerateDataKey" in use["Action"]
