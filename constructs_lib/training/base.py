"""Base of jobs of all kinds, imported ones included."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from .._private.policies import allow, arn, attach
from .kinds import TRAINING, JobKind

NAME_LIMIT = TRAINING.name_limit
"""Job names have a suffix of 13 characters and at most 63 characters."""

ENDED = ("Completed", "Failed", "Stopped")
"""Final statuses of jobs."""


class JobBase(Construct):
    """Jobs of one kind and one name prefix, ``<job>-<hex digits>``.

    Attributes:
        job: The prefix, without the dash.
        kind: Kind of the jobs.

    """

    job: str
    kind: JobKind = TRAINING

    @property
    def jobs_arn(self) -> str:
        """ARN of all jobs of this name prefix."""
        return arn(self, "sagemaker", self.kind.resource, self.kind.names(self.job))

    @property
    def job_arns(self) -> list[str]:
        """ARNs of all jobs of this name prefix, including those that they start."""
        return [self.jobs_arn]

    def grant_stop(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to describe and stop jobs."""
        return attach(grantee, self.stop_statements())

    def status_statements(self) -> list[iam.PolicyStatement]:
        """Statements to describe jobs."""
        return [allow([self.kind.action("Describe")], [self.jobs_arn])]

    def describe_statements(self) -> list[iam.PolicyStatement]:
        """Statements to describe jobs and their results."""
        return self.status_statements()

    def stop_statements(self) -> list[iam.PolicyStatement]:
        """The statements of ``grant_stop``."""
        return [allow([self.kind.action(verb) for verb in ("Describe", "Stop")], [self.jobs_arn])]

    def state_pattern(self, *statuses: str) -> events.EventPattern:
        """Event pattern of the state changes of these jobs, and of none with a longer prefix.

        Args:
            statuses: ``Completed``, ``Failed`` or ``Stopped``; all three by default.

        """
        return events.EventPattern(
            source=["aws.sagemaker"],
            detail_type=[self.kind.event],
            detail=self.kind.event_detail(self.job, statuses if statuses else ENDED),
        )

    def on_state_change(
        self,
        construct_id: str,
        *,
        target: events.IRuleTarget,
        statuses: tuple[str, ...] = ENDED,
        description: str | None = None,
    ) -> events.Rule:
        """Define an event rule for the end of these jobs.

        Args:
            construct_id: Id of the rule among this construct's children.
            target: Target of the rule; give it a dead-letter queue.
            statuses: ``Completed``, ``Failed`` or ``Stopped``; all three by default.
            description: Description of the rule.

        Raises:
            ConfigurationError: If a status is unknown.

        See https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html

        """
        with Checks(self) as check:
            check.not_empty("statuses", statuses)
            for status in statuses:
                check.one_of("statuses", status, ENDED)
        return events.Rule(
            self, construct_id, event_pattern=self.state_pattern(*statuses), targets=[target],
            description=f"A job of {self.job} ended" if description is None else description,
        )  # fmt: skip

    def metric(self, name: str, **options: Any) -> cloudwatch.Metric:
        """A custom metric of the job, for example ``ChallengersRejected``."""
        return cloudwatch.Metric(
            namespace="sageloop",
            metric_name=name,
            dimensions_map={"Job": self.job},
            **{"statistic": "Sum", **options},
        )

    def metric_started(self, **options: Any) -> cloudwatch.Metric:
        """Jobs that started."""
        return self.metric("JobsStarted", **options)

    def metric_completed(self, **options: Any) -> cloudwatch.Metric:
        """Jobs that completed; published with a ``RetrainingLoop`` or ``JobTriggers``."""
        return self.metric("JobsCompleted", **options)

    def metric_failed(self, **options: Any) -> cloudwatch.Metric:
        """Jobs that failed; published with a ``RetrainingLoop`` or ``JobTriggers``."""
        return self.metric("JobsFailed", **options)

    def metric_stopped(self, **options: Any) -> cloudwatch.Metric:
        """Jobs that were stopped; published with a ``RetrainingLoop`` or ``JobTriggers``."""
        return self.metric("JobsStopped", **options)

    def metric_duration(self, **options: Any) -> cloudwatch.Metric:
        """Duration of jobs in seconds."""
        return self.metric("JobSeconds", **{"statistic": "Average", **options})

    def metric_rejections(self, **options: Any) -> cloudwatch.Metric:
        """Models that the gate rejected."""
        return self.metric("ChallengersRejected", **options)

    def failure_alarm(
        self,
        construct_id: str,
        *,
        alert_topic: sns.ITopic | None = None,
        period: Duration | None = None,
    ) -> cloudwatch.Alarm:
        """Define an alarm on failed jobs.

        Args:
            construct_id: Id of the alarm among this construct's children.
            alert_topic: SNS topic that is notified of ALARM and OK.
            period: Period of the metric, 5 minutes by default.

        Raises:
            ConfigurationError: If CloudWatch does not allow the period.

        """
        each = Duration.minutes(5) if period is None else period
        if not each.is_unresolved():
            with Checks(self) as check:
                check.alarm("failure_alarm", each.to_seconds(integral=False), 1)
        alarm = self.metric_failed(period=each).create_alarm(
            self,
            construct_id,
            alarm_description=f"A job of {self.job} failed",
            threshold=1,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
        )
        if alert_topic is not None:
            action = actions.SnsAction(alert_topic)
            alarm.add_alarm_action(action)
            alarm.add_ok_action(action)
        return alarm

    def metric_of_run(
        self, name: str, *, training_job: str, instance: int = 1, **options: Any
    ) -> cloudwatch.Metric:
        """An instance metric of one running job, which SageMaker publishes every minute.

        Args:
            name: ``CPUUtilization`` (100 for each core), ``MemoryUtilization``,
                ``DiskUtilization``, ``GPUUtilization`` or ``GPUMemoryUtilization``, in percent.
            training_job: Full name of the job, or of a tuning job's trial.
            instance: Number of the instance, from 1.
            options: Options of CDK's ``Metric``.

        """
        return cloudwatch.Metric(
            namespace=self.kind.namespace,
            metric_name=name,
            dimensions_map={"Host": f"{training_job}/algo-{instance}"},
            **{"statistic": "Average", **options},
        )


class TrainingJobBase(JobBase):
    """Training jobs of one name prefix, ``<job>-<12 hex digits>``."""

    kind = TRAINING

    @classmethod
    def from_job_name(cls, scope: Construct, construct_id: str, *, job: str) -> TrainingJobBase:
        """Import jobs that another stack defines.

        Imported jobs cannot be started: their specification is in the other stack.
        """
        with Checks(f"{scope.node.path}/{construct_id}") as check:
            check.name("job", job, NAME_LIMIT)
        imported = TrainingJobBase(scope, construct_id)
        imported.job = job
        return imported
