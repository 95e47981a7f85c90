"""Triggers of jobs, and the functions at their end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Match, Template

from constructs_lib import ConfigurationError, JobTriggers, RetrainingLoop, TrainingJobBase
from constructs_lib.operations import Gate
from constructs_lib.training.resource import JobResource

from .conftest import Ground, ground_of
from .jobs import processing, transform, tuning
from .serving import endpoint

_PERMISSIONS = Path(__file__).resolve().parents[3] / "lambda" / "permissions.json"
_OURS = {"s3", "dynamodb", "sagemaker", "cloudwatch", "lambda", "sns", "iam"}


def _triggers(ground: Ground, job: JobResource, **changes: Any) -> JobTriggers:
    return JobTriggers(ground.stack, "Triggers", job=job, network=ground.network, **changes)


@pytest.fixture(scope="module")
def template() -> Template:
    """A stack with a training job that everything starts, to read."""
    ground = ground_of(Stack(App(), "Test"))
    _triggers(
        ground, ground.job(), on_data=True, schedule=events.Schedule.cron(hour="3", minute="0"),
        alarms=[ground.alarm()], alert_topic=ground.alerts.topic,
    )  # fmt: skip
    return ground.template()


@pytest.mark.feature("lifecycle: on new data in S3")
def test_a_delivery_starts_the_job(template: Template) -> None:
    template.has_resource_properties("AWS::Events::Rule", {"EventPattern": Match.object_like({
        "source": ["aws.s3"],
        "detail": Match.object_like({"object": {"key": ["datasets/demo/manifest.json"]}}),
    })})  # fmt: skip


@pytest.mark.feature("lifecycle: on schedule")
def test_a_cron_expression_starts_the_job(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Events::Rule", {"ScheduleExpression": "cron(0 3 * * ? *)"}
    )


@pytest.mark.feature("lifecycle: on alarm")
def test_an_alarm_starts_the_job(template: Template) -> None:
    template.has_resource_properties("AWS::Events::Rule", {"EventPattern": Match.object_like({
        "source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}},
    })})  # fmt: skip


@pytest.mark.feature("lifecycle: manual start")
def test_parameter_has_arn_of_start_function(template: Template) -> None:
    (parameter,) = template.find_resources("AWS::SSM::Parameter").values()

    assert parameter["Properties"]["Name"] == "/sageloop/jobs/demo/start-function"
    (name,) = parameter["Properties"]["Value"]["Fn::GetAtt"][:1]
    assert name.startswith("TriggersStartTraining")


@pytest.mark.feature("lifecycle: status as events")
def test_job_end_event_invokes_function(template: Template) -> None:
    template.has_resource_properties("AWS::Events::Rule", {"EventPattern": Match.object_like({
        "detail-type": ["SageMaker Training Job State Change"],
        "detail": {"TrainingJobName": [{"prefix": "demo-"}],
                   "TrainingJobStatus": ["Completed", "Failed", "Stopped"]},
    })})  # fmt: skip


def test_functions_have_environment_of_job_without_gate(template: Template) -> None:
    reported = {}
    for name, function in template.find_resources("AWS::Lambda::Function").items():
        reported[name.rstrip("0123456789ABCDEF")] = set(
            function["Properties"].get("Environment", {}).get("Variables", {})
        )
    assert reported["TriggersStartTraining"] == {
        "COOLDOWN_SECONDS", "JOB", "MAX_ATTEMPTS", "METRIC_NAMESPACE", "ALERT_TOPIC_ARN",
        "STATE_TABLE",
    }  # fmt: skip
    assert reported["TriggersOnJobChange"] == {
        "BACKOFF_SECONDS", "JOB", "MAX_ATTEMPTS", "METRIC_NAMESPACE", "ALERT_TOPIC_ARN",
        "START_FUNCTION", "STATE_TABLE",
    }  # fmt: skip


@pytest.mark.feature("lifecycle: manually (grant_start)")
def test_grant_start_allows_the_start_function(anew: Ground) -> None:
    made = _triggers(anew, processing(anew))
    role = iam.Role(anew.stack, "Who", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))

    (statement,) = made.grant_start(role).principal_statements

    assert statement.resources == [made.start_training.arn]


def test_job_without_rules_starts_manually(anew: Ground) -> None:
    assert _triggers(anew, processing(anew)).rules == []


def test_keys_and_prefixes_start_job_without_dataset(anew: Ground) -> None:
    made = _triggers(anew, transform(anew), on_data=["to-score/_SUCCESS", "inbox/"])

    (rule,) = made.rules
    resource = rule.node.default_child
    assert isinstance(resource, events.CfnRule)
    pattern = anew.stack.resolve(resource.event_pattern)
    assert pattern["detail"]["object"]["key"] == ["to-score/_SUCCESS", {"prefix": "inbox/"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"on_data": True}, "on_data must name the keys to wait for"),
        ({"on_data": []}, "on_data must have at least one entry"),
        ({"on_data": ["/absolute"]}, "on_data must match"),
        ({"max_attempts": 11}, "max_attempts must be between 1 and 10, got 11"),
    ],
)
def test_triggers_refuse(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _triggers(anew, processing(anew), **changes)


def _actions_of(stack: Stack, function: str) -> set[str]:
    """Actions of a function's role in services that the code speaks to."""
    construct = stack.node.find_child("Triggers").node.find_child(function)
    result: set[str] = set()
    for policy in construct.permissions:  # type: ignore[attr-defined]
        for statement in stack.resolve(policy.document)["Statement"]:
            actions = statement["Action"]
            result |= {actions} if isinstance(actions, str) else set(actions)
    return {action for action in result if action.split(":")[0] in _OURS}


@pytest.mark.feature("lifecycle: each kind of job starts with no more than its rights")
@pytest.mark.parametrize(
    ("make", "kind", "parts"),
    [
        (Ground.job, "training", ("data", "role")),
        (tuning, "tuning", ("data", "role")),
        (processing, "processing", ("role",)),
        (transform, "transform", ()),
    ],
)
def test_permissions_are_those_of_the_code(
    anew: Ground, make: Any, kind: str, parts: tuple[str, ...]
) -> None:
    _triggers(anew, make(anew), alert_topic=anew.alerts.topic)
    known = json.loads(_PERMISSIONS.read_text(encoding="utf-8"))

    for function, folder in (("StartTraining", "start_training"), ("OnJobChange", "on_job_change")):
        needed = {
            action
            for part in ("always", "standalone", kind, *parts)
            for action in known[folder].get(part, [])
        }
        assert _actions_of(anew.stack, function) == needed, folder


@pytest.mark.feature("lifecycle: status as metrics")
def test_metrics_count_how_jobs_end(anew: Ground) -> None:
    job = tuning(anew)

    made = [job.metric_started(), job.metric_completed(), job.metric_failed(),
            job.metric_stopped(), job.metric_duration()]  # fmt: skip
    assert [metric.metric_name for metric in made] == [
        "JobsStarted", "JobsCompleted", "JobsFailed", "JobsStopped", "JobSeconds",
    ]  # fmt: skip
    assert {str(metric.dimensions) for metric in made} == {"{'Job': 'demo'}"}


@pytest.mark.feature("lifecycle: status as alarms")
def test_failure_alarm_notifies_topic(ground: Ground) -> None:
    processing(ground).failure_alarm("Failed", alert_topic=ground.alerts.topic)

    (alarm,) = [
        each["Properties"]
        for each in ground.template().find_resources("AWS::CloudWatch::Alarm").values()
        if each["Properties"].get("MetricName") == "JobsFailed"
    ]
    assert alarm["TreatMissingData"] == "notBreaching"
    assert len(alarm["AlarmActions"]) == 1


def test_state_changes_have_custom_target(stack: Stack) -> None:
    job = TrainingJobBase.from_job_name(stack, "Job", job="demo")

    job.on_state_change(
        "Failed", target=targets.SqsQueue(sqs.Queue(stack, "Queue")), statuses=("Failed",)
    )

    Template.from_stack(stack).has_resource_properties("AWS::Events::Rule", {
        "EventPattern": Match.object_like({"detail": Match.object_like({
            "TrainingJobStatus": ["Failed"],
        })}),
    })  # fmt: skip


def test_unknown_final_status_is_refused(stack: Stack) -> None:
    job = TrainingJobBase.from_job_name(stack, "Job", job="demo")

    with pytest.raises(ConfigurationError, match="statuses must be one of Completed, Failed"):
        job.on_state_change(
            "Rule", target=targets.SqsQueue(sqs.Queue(stack, "Queue")), statuses=("Done",)
        )


def _loop(ground: Ground, **changes: Any) -> RetrainingLoop:
    values: dict[str, Any] = {"gate": Gate(threshold=20, metric="validation:mae"), **changes}
    return RetrainingLoop(
        ground.stack, "Loop", job=tuning(ground), endpoint=ground.champion(),
        network=ground.network, model_quality_alarm=ground.alarm(),
        cooldown=Duration.hours(6), **values,
    )  # fmt: skip


@pytest.mark.feature("tuning: the retraining loop may tune instead of train")
def test_loop_accepts_tuning_job(ground: Ground) -> None:
    _loop(ground)

    template = ground.template()
    template.has_resource_properties("AWS::Events::Rule", {"EventPattern": Match.object_like({
        "detail-type": ["SageMaker HyperParameter Tuning Job State Change"],
        "detail": {"HyperParameterTuningJobName": [{"prefix": "demo-"}],
                   "HyperParameterTuningJobStatus": ["Completed", "Failed", "Stopped"]},
    })})  # fmt: skip
    template.has_resource_properties(
        "AWS::SSM::Parameter", {"Name": "/sageloop/jobs/demo/start-function"}
    )


def test_tuning_objective_must_equal_gate(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="must Minimize validation:rmse as the gate does"):
        _loop(anew, gate=Gate(threshold=20, metric="validation:rmse"))


@pytest.mark.feature("rollout constructs: the alarm of retraining never rolls back")
def test_alarm_that_starts_job_as_rollback_alarm_is_refused(anew: Ground) -> None:
    alarm = anew.alarm()
    _triggers(anew, anew.job(), alarms=[alarm])

    with pytest.raises(ConfigurationError, match="AlarmHasOtherDuty"):
        endpoint(anew, rollback_alarms=[alarm])
