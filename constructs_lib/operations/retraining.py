"""The loop that retrains a model which is found wanting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from .._private.alarm_duties import RETRAINING, claim
from .._private.checks import Checks, text_of
from .._private.function import ProjectFunction
from .._private.policies import allow
from .._private.statements import metric_statement
from ..network import PrivateNetwork
from ..serving import ChampionEndpoint
from ..training import TrainingJob, TuningJob
from ..training.date_partitioned_dataset import DatePartitionedDataset
from ..training.starting import (
    NAMESPACE,
    check_starting,
    grant_invoke,
    invoke_statement,
    start_environment,
    start_function,
    start_on_alarms,
    start_on_data,
)
from .cooldown import check_cooldown, red_time
from .loop_rules import check_job
from .metrics import project_sum
from .values import Evaluation, Gate

_REASONS = ("cooldown", "duplicate", "in_flight", "stale")


class RetrainingLoop(Construct):
    """Defines the functions and rules that lead from an alarm to a better model.

    New data or the live error's alarm start a job, once per event, never two at a time, with a
    pause in between. The job trains, or it tunes: then its best trial stands for it. A finished
    job goes through the gate into the registry. Live answers are
    evaluated on schedule. A reconciler finds what an event lost, tries again with back-off, and
    pages when it gives up.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html

    Example:
        >>> loop = RetrainingLoop(stack, "Loop", job=job, endpoint=endpoint, network=network,
        ...                       model_quality_alarm=alarms.model_quality,
        ...                       gate=Gate(threshold=20.0))
        >>> loop.metric_pages().create_alarm(stack, "Paged", threshold=1, evaluation_periods=1)

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job: TrainingJob | TuningJob,
        endpoint: ChampionEndpoint,
        network: PrivateNetwork,
        model_quality_alarm: cloudwatch.IAlarm,
        gate: Gate,
        evaluation: Evaluation | None = None,
        cooldown: Duration | None = None,
        reconcile_every: Duration | None = None,
        retrain_every: Duration | None = None,
        backoff: Duration | None = None,
        max_attempts: int = 3,
        content_type: str = "text/csv",
    ) -> None:
        """Define the loop.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            job: What trains, or tunes, on daily data: by a built-in algorithm, or by an image of
                your own that serves its artifact as well.
            endpoint: What serves.
            network: Network of the functions.
            model_quality_alarm: Alarm that asks for retraining.
            gate: What a challenger must show.
            evaluation: How live answers are judged.
            cooldown: Pause between the starts of two trainings that the alarm asks for, 6 hours
                by default. It must be longer than the alarm stays red after a better model
                came (its windows, the truth's delay, the rollout's waits); leave room for the
                training itself as well.
            reconcile_every: How often lost events are looked for, 15 minutes by default.
            retrain_every: Train on a schedule as well; never by default.
            backoff: Pause before a failed training is tried again, doubled each time; 15 minutes
                by default.
            max_attempts: Trainings that one trigger may cost, 1 to 10.
            content_type: Type of the hold-out that the champion is asked with.

        Raises:
            ConfigurationError: If a value is not allowed, the cooldown is too short, the job does
                not report the gate's metric, or its image cannot serve without code.

        """
        super().__init__(scope, construct_id)
        self.evaluation = Evaluation() if evaluation is None else evaluation
        self._cooldown = Duration.hours(6) if cooldown is None else cooldown
        with Checks(self) as check:
            gate.check(check)
            self.evaluation.check(check)
            check_starting(check, max_attempts=max_attempts)
            check_job(check, job, gate)
            check_cooldown(
                check, self._cooldown, red_time(endpoint, self.evaluation, model_quality_alarm)
            )
        claim(self, [model_quality_alarm], RETRAINING)
        self.job, self.endpoint, self.gate = job, endpoint, gate
        self.model_quality_alarm = model_quality_alarm
        self._network, self._content_type = network, content_type
        self._backoff = Duration.minutes(15) if backoff is None else backoff
        self._max_attempts = max_attempts
        self.start_training = self._build_start_training(retrain_every)
        self.on_job_change = self._build_on_job_change()
        self.evaluate = self._build_evaluate()
        self.reconcile = self._build_reconcile(
            Duration.minutes(15) if reconcile_every is None else reconcile_every
        )

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let someone start a training by hand.

        They invoke the function ``start_training`` with ``{"source": "manual", "id": "<any>",
        "time": "<ISO 8601>"}``; an id starts one job, however often it comes.
        """
        return grant_invoke(grantee, self.start_training)

    def metric(self, name: str, **options: Any) -> cloudwatch.Metric:
        """A metric of the project about the loop's job.

        Args:
            name: Name of the metric, for example ``ChallengersRejected``.
            options: CDK's own.

        """
        return self.job.metric(name, **options)

    def metric_rejections(self, **options: Any) -> cloudwatch.Metric:
        """Finished models that did not pass the gate."""
        return self.job.metric_rejections(**options)

    def metric_promotions(self, **options: Any) -> cloudwatch.Metric:
        """Champions that came to serve."""
        return self.endpoint.metric_promotions(**options)

    def metric_rollbacks(self, **options: Any) -> cloudwatch.Metric:
        """Rollouts that ended with the configuration before."""
        return self.endpoint.metric_rollbacks(**options)

    def metric_suppressed(
        self, *, reason: str | None = None, period: Duration | None = None
    ) -> cloudwatch.MathExpression:
        """Triggers that started no training.

        Args:
            reason: ``cooldown``, ``duplicate``, ``in_flight`` or ``stale``; all by default.
            period: 5 minutes by default.

        Raises:
            ConfigurationError: If there is no such reason.

        """
        with Checks(self) as check:
            if reason is not None:
                check.one_of("reason", reason, _REASONS)
        counted = _REASONS if reason is None else (reason,)
        by = [{"Job": self.job.job, "Reason": each} for each in counted]
        return project_sum("Triggers suppressed", "TriggersSuppressed", by, period=period)

    def metric_pages(self, *, period: Duration | None = None) -> cloudwatch.MathExpression:
        """Calls for a human, about the job and about the endpoint."""
        by = [{"Job": self.job.job}, {"EndpointName": self.endpoint.endpoint_name}]
        return project_sum("Alerts", "AlertsSent", by, period=period)

    def _build_start_training(self, every: Duration | None) -> ProjectFunction:
        function = start_function(
            self, self.job, network=self._network, environment=self._start_environment(),
            alert_topic=self.endpoint.alert_topic,
        )  # fmt: skip
        start_on_data(function, self.job, [self._data.manifest_key])
        start_on_alarms(
            function, [self.model_quality_alarm],
            description=f"The model of {self.endpoint.endpoint_name} errs too much",
        )  # fmt: skip
        if every is not None:
            function.schedule("OnSchedule", description=f"Trains {self.job.job}", every=every)
        return function

    def _build_on_job_change(self) -> ProjectFunction:
        environment = {
            **self._common(),
            "JOB": self.job.job,
            "START_FUNCTION": self.start_training.arn,
            "MODEL_PACKAGE_GROUP": self.endpoint.registry.group_name,
            "GATE": self.gate.rendered(self),
            "CONTENT_TYPE": self._content_type,
        }
        function = self._function("on_job_change", "Lets a finished model through the gate", 2,
                                  environment, memory_size=512)  # fmt: skip
        specification = self.job.specification
        store = specification.store
        function.allow(
            *self.job.state.statements("GetItem", "PutItem", "UpdateItem"),
            *store.read_statements(self._data.prefix),
            *store.read_statements(specification.output_prefix)[:2],
            *self.job.describe_statements(),
            invoke_statement(self.start_training),
            allow(["sagemaker:InvokeEndpoint"], [self.endpoint.endpoint_arn]),
            allow(["sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage",
                   "sagemaker:ListModelPackages"], self.endpoint.registry.arns(self)),
            metric_statement(),
        )  # fmt: skip
        function.listen(
            "OnJob",
            description=f"A job of {self.job.job} ended",
            pattern=self.job.state_pattern(),
        )
        return function

    def _build_evaluate(self) -> ProjectFunction:
        evaluation, store = self.evaluation, self.endpoint.store
        environment = {
            **self._common(),
            "CAPTURE_URI": self.endpoint.capture_uri,
            "GROUND_TRUTH_URI": store.uri(evaluation.ground_truth_prefix).rstrip("/"),
            "WINDOW_MINUTES": text_of(evaluation.window_minutes),
            "GROUND_TRUTH_DELAY_MINUTES": text_of(evaluation.ground_truth_delay_minutes),
            "METRIC_NAME": "MeanAbsoluteError",
        }
        function = self._function("evaluate", "Holds live answers against the truth", 1,
                                  environment, memory_size=1024)  # fmt: skip
        capture = self.endpoint.capture
        prefix = "capture/" if capture is None else capture.prefix
        function.allow(
            *self.job.state.statements("GetItem"),
            *store.read_statements(prefix),
            *store.read_statements(evaluation.ground_truth_prefix)[:2],
            metric_statement(),
        )
        function.schedule(
            "Every",
            description=f"Evaluates {self.endpoint.endpoint_name}",
            every=Duration.minutes(evaluation.window_minutes),
        )
        return function

    def _build_reconcile(self, every: Duration) -> ProjectFunction:
        environment = {
            **self._start_environment(),
            "ENDPOINT_NAME": self.endpoint.endpoint_name,
            "MODEL_PACKAGE_GROUP": self.endpoint.registry.group_name,
            "ALERT_TOPIC_ARN": self.endpoint.alert_topic.topic_arn,
            "ALARM_NAME": self.model_quality_alarm.alarm_name,
            "BACKOFF_SECONDS": text_of(self._backoff.to_seconds()),
            "ON_JOB_CHANGE_FUNCTION": self.on_job_change.arn,
            "START_FUNCTION": self.start_training.arn,
        }
        function = self._function("reconcile", "Finds what an event lost", 1, environment)
        function.allow(
            *self.job.state.statements("GetItem", "UpdateItem"),
            self.endpoint.registry.read_statement(function),
            *self.job.status_statements(),
            allow(["lambda:InvokeFunction"], [self.on_job_change.arn, self.start_training.arn]),
        )
        function.allow_apart("Rollout", self.endpoint.promote_statements(function))
        function.allow_apart("Scaling", self.endpoint.scaling_statements(function))
        function.schedule("Every", description=f"Reconciles {self.job.job}", every=every)
        return function

    def _common(self) -> dict[str, str]:
        return {
            "STATE_TABLE": self.job.state.table_name,
            "ENDPOINT_NAME": self.endpoint.endpoint_name,
            "METRIC_NAMESPACE": NAMESPACE,
        }

    def _start_environment(self) -> dict[str, str]:
        return start_environment(self.job, cooldown=self._cooldown, max_attempts=self._max_attempts)

    @property
    def _data(self) -> DatePartitionedDataset:
        data = self.job.data
        assert data is not None
        return data

    def _function(
        self,
        folder: str,
        description: str,
        concurrency: int,
        environment: Mapping[str, str],
        *,
        memory_size: int = 256,
    ) -> ProjectFunction:
        return ProjectFunction(
            self,
            "".join(word.capitalize() for word in folder.split("_")),
            folder=folder,
            description=f"{description} ({self.job.job})",
            network=self._network,
            key=self.job.state.key,
            environment=environment,
            timeout=Duration.minutes(5),
            memory_size=memory_size,
            reserved_concurrency=concurrency,
            alert_topic=self.endpoint.alert_topic,
        )
