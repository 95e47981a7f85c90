"""Retrains a model when its quality alarm fires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from .._private.alarm_duties import RETRAINING, claim
from .._private.checks import Checks, text_of
from .._private.function import ProjectFunction
from .._private.policies import allow, attach
from .._private.statements import alarm_statement, metric_statement
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
from .cooldown import alarm_duration, check_cooldown
from .loop_rules import check_job
from .metrics import project_sum
from .values import Evaluation, Gate

_REASONS = ("cooldown", "duplicate", "in_flight", "stale")


class RetrainingLoop(Construct):
    """Defines a retraining loop: its functions, event rules and schedules.

    New data or the model quality alarm start a job: once per event, one job at a time, with a
    cooldown. Of a tuning job the best trial is the candidate. The gate evaluates the model of a
    completed job and registers it in the model registry. Model quality is evaluated on a schedule.
    A reconciler replaces lost events, retries failed jobs with back-off, and sends an alert after
    the last attempt.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html

    Example:
        >>> loop = RetrainingLoop(stack, "Loop", job=job, endpoint=endpoint, network=network,
        ...                       model_quality_alarm=alarms.model_quality,
        ...                       gate=Gate(threshold=20.0))
        >>> loop.metric_alerts().create_alarm(stack, "Alerted", threshold=1, evaluation_periods=1)

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
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            job: Training or tuning job with a ``DatePartitionedDataset``, of a built-in algorithm
                or of a custom image that can serve its artifact.
            endpoint: Endpoint that serves the champion.
            network: Network of the functions.
            model_quality_alarm: Alarm that starts retraining.
            gate: Conditions that a challenger must meet.
            evaluation: How model quality is evaluated.
            cooldown: Minimum time between two jobs that the alarm starts, 6 hours by default. It
                must be longer than the alarm can stay in ALARM after a promotion (its windows,
                the delay of ground truth and the waits of the rollout); add the duration of
                the job.
            reconcile_every: Interval of the reconciler, 15 minutes by default.
            retrain_every: Interval of scheduled retraining; none by default.
            backoff: Time before a failed job is retried, 15 minutes by default; doubled with each
                attempt.
            max_attempts: Jobs that one trigger may start, 1 to 10.
            content_type: Content type of the hold-out that is sent to the champion.

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
                check,
                self._cooldown,
                alarm_duration(endpoint, self.evaluation, model_quality_alarm),
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
        every = Duration.minutes(15) if reconcile_every is None else reconcile_every
        self.reconcile = self._build_reconcile(every)
        self.parameter = self._build_parameter(every)

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to start a job manually.

        Invoke the function ``start_training`` with ``{"source": "manual", "id": "<any>",
        "time": "<ISO 8601>"}``; an id starts one job, even if the request is repeated.
        """
        return grant_invoke(grantee, self.start_training)

    def grant_status(self, grantee: iam.IGrantable) -> iam.Grant:
        """Grant permission to read what ``sageloop status`` shows of this loop."""
        return attach(grantee, [
            allow(["ssm:GetParameter"],
                  [self.parameter.parameter_arn, self.endpoint.parameter.parameter_arn]),
            allow(["sagemaker:DescribeEndpoint"], [self.endpoint.endpoint_arn]),
            *self.job.state.statements("GetItem"),
            *self.job.status_statements(),
            alarm_statement(),
        ])  # fmt: skip

    def metric(self, name: str, **options: Any) -> cloudwatch.Metric:
        """A custom metric of the loop's job.

        Args:
            name: Name of the metric, for example ``ChallengersRejected``.
            options: Options of CDK's ``Metric``.

        """
        return self.job.metric(name, **options)

    def metric_rejections(self, **options: Any) -> cloudwatch.Metric:
        """Models that the gate rejected."""
        return self.job.metric_rejections(**options)

    def metric_promotions(self, **options: Any) -> cloudwatch.Metric:
        """Champions that were promoted."""
        return self.endpoint.metric_promotions(**options)

    def metric_rollbacks(self, **options: Any) -> cloudwatch.Metric:
        """Rollouts that were rolled back."""
        return self.endpoint.metric_rollbacks(**options)

    def metric_suppressed(
        self, *, reason: str | None = None, period: Duration | None = None
    ) -> cloudwatch.MathExpression:
        """Triggers that started no job.

        Args:
            reason: ``cooldown``, ``duplicate``, ``in_flight`` or ``stale``; all by default.
            period: 5 minutes by default.

        Raises:
            ConfigurationError: If the reason is unknown.

        """
        with Checks(self) as check:
            if reason is not None:
                check.one_of("reason", reason, _REASONS)
        counted = _REASONS if reason is None else (reason,)
        by = [{"Job": self.job.job, "Reason": each} for each in counted]
        return project_sum("Triggers suppressed", "TriggersSuppressed", by, period=period)

    def metric_alerts(self, *, period: Duration | None = None) -> cloudwatch.MathExpression:
        """Alerts about the job and the endpoint."""
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
            description=f"Model quality alarm of {self.endpoint.endpoint_name}",
        )  # fmt: skip
        if every is not None:
            function.schedule("OnSchedule", description=f"Trains {self.job.job}", every=every)
        return function

    def _build_on_job_change(self) -> ProjectFunction:
        specification = self.job.specification
        # It starts a job itself only on the next instance type, after a capacity error.
        fallbacks = specification.compute.fallback_instance_types
        environment = {
            **self._common(),
            "JOB": self.job.job,
            **({"START_FUNCTION": self.start_training.arn} if fallbacks else {}),
            "MODEL_PACKAGE_GROUP": self.endpoint.registry.group_name,
            "GATE": self.gate.rendered(self),
            "CONTENT_TYPE": self._content_type,
        }
        function = self._function("on_job_change", "Evaluates and registers completed models", 2,
                                  environment, memory_size=512)  # fmt: skip
        store = specification.store
        function.allow(
            *self.job.state.statements("GetItem", "PutItem", "UpdateItem"),
            # Keys of the hold-out and of the artifact are known: nothing is listed.
            *store.read_statements(self._data.prefix)[1:],
            store.read_statements(specification.output_prefix)[1],
            *self.job.describe_statements(),
            *([invoke_statement(self.start_training)] if fallbacks else []),
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
        function = self._function("evaluate", "Evaluates model quality against ground truth", 1,
                                  environment, memory_size=1024,
                                  timeout=Duration.minutes(15), invokes_itself=True)  # fmt: skip
        capture = self.endpoint.capture
        base = "capture/" if capture is None else capture.prefix
        prefix = f"{base}{self.endpoint.endpoint_name}/"
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
            "RULES": Stack.of(self).to_json_string([rule.rule_name for rule in self._rules]),
        }
        function = self._function("reconcile", "Reconciles jobs and promotions", 1, environment)
        function.allow(
            *self.job.state.statements("GetItem", "UpdateItem"),
            self.endpoint.registry.read_statement(function),
            *self.job.status_statements(),
            allow(["lambda:InvokeFunction"], [self.on_job_change.arn, self.start_training.arn]),
        )
        function.allow_apart("Comparison", self._comparison_statements())
        function.allow_apart("Rollout", self.endpoint.promote_statements(function))
        function.allow_apart("Scaling", self.endpoint.scaling_statements(function))
        function.schedule("Every", description=f"Reconciles {self.job.job}", every=every)
        return function

    def _build_parameter(self, every: Duration) -> ssm.StringParameter:
        """The parameter that ``sageloop status`` reads."""
        return ssm.StringParameter(
            self,
            "StatusParameter",
            parameter_name=f"/sageloop/endpoints/{self.endpoint.endpoint_name}/loop",
            simple_name=False,
            string_value=Stack.of(self).to_json_string({
                "job": self.job.job,
                "alarm": self.model_quality_alarm.alarm_name,
                "cooldown_seconds": self._cooldown.to_seconds(),
                "reconcile_seconds": every.to_seconds(),
                "max_attempts": self._max_attempts,
            }),
            description=f"Settings of the loop that retrains {self.job.job}",
        )  # fmt: skip

    def _comparison_statements(self) -> list[iam.PolicyStatement]:
        """Statements to find what others deleted or disabled."""
        store = self.job.store
        keys = {key.key_arn: key for key in (store.key, self.endpoint.store.key) if key is not None}
        return [
            store.list_statement(self.job.specification.output_prefix),
            allow(["events:DescribeRule"], [rule.rule_arn for rule in self._rules]),
            *([allow(["kms:DescribeKey"], list(keys))] if keys else []),
        ]

    @property
    def _rules(self) -> list[events.Rule]:
        """The event rules of the loop and its promoter, without that of the reconciler."""
        functions = (
            self.start_training, self.on_job_change, self.evaluate, self.endpoint.promoter,
        )  # fmt: skip
        return [rule for function in functions for rule in function.rules]

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
        timeout: Duration | None = None,
        invokes_itself: bool = False,
    ) -> ProjectFunction:
        return ProjectFunction(
            self,
            "".join(word.capitalize() for word in folder.split("_")),
            folder=folder,
            description=f"{description} ({self.job.job})",
            network=self._network,
            key=self.job.state.key,
            environment=environment,
            timeout=Duration.minutes(5) if timeout is None else timeout,
            invokes_itself=invokes_itself,
            memory_size=memory_size,
            reserved_concurrency=concurrency,
            alert_topic=self.endpoint.alert_topic,
        )
