"""Triggers of jobs outside of a retraining loop."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks, text_of
from .._private.errors import ConfigurationError
from .._private.function import ProjectFunction
from .._private.statements import alert_statements, metric_statement
from ..network import PrivateNetwork
from .resource import JobResource
from .starting import (
    NAMESPACE,
    check_starting,
    grant_invoke,
    invoke_statement,
    start_environment,
    start_function,
    start_on_alarms,
    start_on_data,
)


class JobTriggers(Construct):
    """Defines the triggers of a job: new data, a schedule, alarms and manual requests.

    Each event starts one job, one job at a time; an event during a job starts another job after it.
    A failed job is counted, sends an alert, and is retried on the next fallback instance type. A
    job of a ``RetrainingLoop`` needs no ``JobTriggers``.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html

    Example:
        >>> triggers = JobTriggers(stack, "Triggers", job=job, network=network, on_data=True,
        ...                        schedule=Duration.days(7), alert_topic=alerts.topic)
        >>> triggers.grant_start(people)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job: JobResource,
        network: PrivateNetwork,
        on_data: bool | Sequence[str] = False,
        schedule: Duration | events.Schedule | None = None,
        alarms: Sequence[cloudwatch.IAlarm] = (),
        cooldown: Duration | None = None,
        backoff: Duration | None = None,
        reconcile_every: Duration | None = None,
        max_attempts: int = 3,
        alert_topic: sns.ITopic | None = None,
    ) -> None:
        """Define the triggers; without any, only manual requests start the job.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            job: A training, tuning, processing or batch transform job.
            network: Network of the functions.
            on_data: Whether a completed delivery of the job's dataset starts it; or keys of objects
                in its data store, or prefixes that end in a slash.
            schedule: Interval, or a schedule of EventBridge; none by default.
            alarms: Alarms that start the job when they go to ALARM.
            cooldown: Minimum time between two jobs that alarms start, 6 hours by default.
            backoff: Time before a failed job is retried, 15 minutes by default; doubled with each
                attempt.
            reconcile_every: Interval of the check for lost events, 15 minutes by default.
            max_attempts: Jobs that one trigger may start, 1 to 10.
            alert_topic: SNS topic that is notified when a job or a function fails.

        Raises:
            ConfigurationError: If a value is not allowed, or the job has no dataset.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check_starting(check, max_attempts=max_attempts)
        keys = _keys(self, job, on_data)
        self.job, self.alert_topic = job, alert_topic
        self._backoff = Duration.minutes(15) if backoff is None else backoff
        self._max_attempts = max_attempts
        self.start_training = start_function(
            self, job, alert_topic=alert_topic, sends_alerts=True,
            watches_alarms=len(alarms) > 0, network=network,
            environment=start_environment(
                job, cooldown=Duration.hours(6) if cooldown is None else cooldown,
                max_attempts=max_attempts,
            ),
        )  # fmt: skip
        self.on_job_change = self._build_on_job_change(network)
        self.on_job_change.schedule(
            "Every",
            description=f"Checks jobs of {job.job}",
            every=Duration.minutes(15) if reconcile_every is None else reconcile_every,
        )
        self.rules = self._build_rules(keys, schedule, alarms)

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to start a job manually.

        Invoke the function ``start_training`` with ``{"source": "manual", "id": "<any>",
        "time": "<ISO 8601>"}``; an id starts one job, even if the request is repeated.
        """
        return grant_invoke(grantee, self.start_training)

    def _build_rules(
        self,
        keys: Sequence[str],
        schedule: Duration | events.Schedule | None,
        alarms: Sequence[cloudwatch.IAlarm],
    ) -> list[events.Rule]:
        function, job = self.start_training, self.job
        rules: list[events.Rule] = []
        if keys:
            rules.append(start_on_data(function, job, keys))
        if alarms:
            description = f"Alarms that start a job of {job.job}"
            rules.append(start_on_alarms(function, alarms, description=description))
        if schedule is not None:
            rules.append(
                function.schedule("OnSchedule", description=f"Starts {job.job}", every=schedule)
            )
        return rules

    def _build_on_job_change(self, network: PrivateNetwork) -> ProjectFunction:
        job, topic = self.job, self.alert_topic
        environment = {
            "STATE_TABLE": job.state.table_name,
            "JOB": job.job,
            "METRIC_NAMESPACE": NAMESPACE,
            "START_FUNCTION": self.start_training.arn,
            "BACKOFF_SECONDS": text_of(self._backoff.to_seconds()),
            "MAX_ATTEMPTS": text_of(self._max_attempts),
        }
        if topic is not None:
            environment["ALERT_TOPIC_ARN"] = topic.topic_arn
        function = ProjectFunction(
            self,
            "OnJobChange",
            folder="on_job_change",
            description=f"Handles the end of jobs ({job.job})",
            network=network,
            key=job.state.key,
            environment=environment,
            timeout=Duration.minutes(5),
            alert_topic=topic,
        )
        function.allow(
            *job.state.statements("GetItem", "PutItem", "UpdateItem"),
            *job.describe_statements(),
            invoke_statement(self.start_training),
            metric_statement(),
            *([] if topic is None else alert_statements(topic)),
        )
        function.listen(
            "OnJob", description=f"A job of {job.job} ended", pattern=job.state_pattern()
        )
        return function


def _keys(scope: Construct, job: JobResource, on_data: bool | Sequence[str]) -> Sequence[str]:
    if not isinstance(on_data, bool):
        with Checks(scope) as check:
            check.not_empty("on_data", on_data)
            for key in on_data:
                check.matches("on_data", key, r"[^/][\s\S]*", 1024)
        return on_data
    if not on_data:
        return []
    if job.data is None:
        raise ConfigurationError("ValueMissing", scope, "on_data must name the keys to wait for: "
                                 "the job has no daily data with a manifest")  # fmt: skip
    return [job.data.manifest_key]
