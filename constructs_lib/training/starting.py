"""Start function of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from .._private.alarm_duties import RETRAINING, claim
from .._private.checks import Checks, known, text_of
from .._private.function import ProjectFunction
from .._private.policies import allow, attach
from .._private.statements import alarm_statement, alert_statements, metric_statement
from ..network import PrivateNetwork
from .resource import JobResource

NAMESPACE = "sageloop"
"""CloudWatch namespace of the project's custom metrics."""


def start_environment(job: JobResource, *, cooldown: Duration, max_attempts: int) -> dict[str, str]:
    """Environment variables of the functions that start jobs."""
    return {
        "STATE_TABLE": job.state.table_name,
        "JOB": job.job,
        "COOLDOWN_SECONDS": text_of(cooldown.to_seconds()),
        "MAX_ATTEMPTS": text_of(max_attempts),
        "METRIC_NAMESPACE": NAMESPACE,
    }


def start_function(
    scope: Construct,
    job: JobResource,
    *,
    network: PrivateNetwork,
    environment: Mapping[str, str],
    alert_topic: sns.ITopic | None,
    watches_alarms: bool = True,
    sends_alerts: bool = False,
) -> ProjectFunction:
    """Define the start function of a job, and the parameter with its ARN.

    Args:
        scope: Parent.
        job: Job that it starts.
        network: Network of the function.
        environment: Environment variables, see ``start_environment``.
        alert_topic: SNS topic that is notified of dead letters.
        watches_alarms: Whether an alarm may start the job.
        sends_alerts: Whether it sends alerts, for jobs without a reconciler.

    """
    variables = dict(environment)
    if sends_alerts and alert_topic is not None:
        variables["ALERT_TOPIC_ARN"] = alert_topic.topic_arn
    function = ProjectFunction(
        scope,
        "StartTraining",
        folder="start_training",
        description=f"Starts a {job.kind.name} job once per event ({job.job})",
        network=network,
        key=job.state.key,
        environment=variables,
        timeout=Duration.minutes(5),
        alert_topic=alert_topic,
    )
    function.allow(
        *job.state.statements("GetItem", "PutItem", "UpdateItem"),
        metric_statement(),
        *([alarm_statement()] if watches_alarms else []),
    )
    if sends_alerts and alert_topic is not None:
        function.allow(*alert_statements(alert_topic))
    function.allow_apart("Start", [*job.start_statements(), *_manifest_statements(job)])
    ssm.StringParameter(
        scope,
        "StartParameter",
        parameter_name=f"/sageloop/jobs/{job.job}/start-function",
        simple_name=False,
        string_value=function.arn,
        description=f"ARN of the function that starts {job.job}",
    )
    return function


def invoke_statement(function: ProjectFunction) -> iam.PolicyStatement:
    """Start a job manually."""
    return allow(["lambda:InvokeFunction"], [function.arn])


def grant_invoke(grantee: iam.IGrantable, function: ProjectFunction) -> iam.Grant:
    """Grant permission to start a job manually."""
    return attach(grantee, [invoke_statement(function)])


def start_on_data(function: ProjectFunction, job: JobResource, keys: Sequence[str]) -> events.Rule:
    """Start a job when an object is created.

    Args:
        function: The job's start function.
        job: The job.
        keys: Keys of objects in the job's store, or prefixes that end in a slash.

    """
    listed = [{"prefix": key} if known(key) and key.endswith("/") else key for key in keys]
    return function.listen(
        "OnData",
        description=f"A data set for {job.job} is complete",
        pattern=events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={
                "bucket": {"name": [job.store.bucket.bucket_name]},
                "object": {"key": listed},
            },
        ),
    )


def start_on_alarms(
    function: ProjectFunction, alarms: Sequence[cloudwatch.IAlarm], *, description: str
) -> events.Rule:
    """Start a job when an alarm goes to ALARM.

    Raises:
        ConfigurationError: If one of the alarms is a rollback alarm.

    """
    claim(function, alarms, RETRAINING)
    return function.listen(
        "OnAlarm",
        description=description,
        pattern=events.EventPattern(
            source=["aws.cloudwatch"],
            detail_type=["CloudWatch Alarm State Change"],
            resources=[alarm.alarm_arn for alarm in alarms],
            detail={"state": {"value": ["ALARM"]}},
        ),
    )


def check_starting(check: Checks, *, max_attempts: int) -> None:
    """Refuse numbers out of range."""
    check.whole("max_attempts", max_attempts, 1, 10)


def _manifest_statements(job: JobResource) -> list[iam.PolicyStatement]:
    data = job.data
    if data is None:
        return []
    manifest = job.store.bucket.arn_for_objects(data.manifest_key)
    return [allow(["s3:GetObject"], [manifest]), *job.store.key_statements(writes=False)]
