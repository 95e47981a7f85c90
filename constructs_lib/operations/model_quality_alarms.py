"""Alarms on a served endpoint."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from ..serving import EndpointBase
from .endpoint_metrics import watched_variant

_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_QUIET = cloudwatch.TreatMissingData.NOT_BREACHING


class ModelQualityAlarms(Construct):
    """Defines alarms on latency, errors, silence and the live error of an endpoint.

    The live error's alarm asks for retraining; it keeps its state while no truth arrives.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html

    Attributes:
        model_quality: The alarm that asks for retraining.
        latency: The alarm on p99.
        errors: The alarm on answers 5xx.
        no_traffic: The alarm on requests that do not come, or ``None``.
        all: Those there are.

    Example:
        >>> alarms = ModelQualityAlarms(
        ...     stack, "Alarms", endpoint=endpoint, alert_topic=alerts.topic,
        ...     model_quality_threshold=12.0)
        >>> alarms.model_quality.alarm_arn

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: EndpointBase,
        alert_topic: sns.ITopic,
        model_quality_threshold: float,
        window: Duration | None = None,
        breaching: int = 3,
        windows: int = 3,
        variant: str | None = None,
        latency: Duration | None = None,
        error_rate_percent: float = 1.0,
        expected_traffic: Duration | None = None,
    ) -> None:
        """Define the alarms.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            endpoint: What is watched.
            alert_topic: Topic that is told.
            model_quality_threshold: Mean absolute error above which the model is found wanting.
            window: Period of the live error, 1 hour by default; as long as the evaluation's.
            breaching: Windows above the threshold, of ``windows``.
            windows: Windows looked at.
            variant: Variant whose traffic is watched; the endpoint's first by default.
            latency: p99 of answers, 500 milliseconds by default.
            error_rate_percent: Share of answers 5xx in five minutes.
            expected_traffic: Without a request for so long someone is told; never by default.

        Raises:
            ConfigurationError: If a number is out of range, or there is no such variant.

        """
        super().__init__(scope, construct_id)
        with Checks(self) as check:
            check.between("model_quality_threshold", model_quality_threshold)
            check.whole("windows", windows, 1, 100)
            check.whole("breaching", breaching, 1, windows)
            check.between("error_rate_percent", error_rate_percent, 0, 100)
            check.literal("error_rate_percent", error_rate_percent)
            if latency is not None:
                check.literal("latency", latency)
            watched = watched_variant(check, endpoint, variant)
        self.model_quality = cloudwatch.Alarm(
            self,
            "ModelQuality",
            alarm_description=f"The model of {endpoint.endpoint_name} errs too much: retrain",
            metric=endpoint.metric_model_quality(
                period=Duration.hours(1) if window is None else window
            ),
            threshold=model_quality_threshold,
            evaluation_periods=windows,
            datapoints_to_alarm=breaching,
            comparison_operator=_ABOVE,
            treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
        )
        self.latency = self._build_latency(endpoint, watched, latency)
        self.errors = self._build_errors(endpoint, watched, error_rate_percent)
        self.no_traffic = (
            None
            if expected_traffic is None
            else self._build_no_traffic(endpoint, watched, expected_traffic)
        )
        found = (self.model_quality, self.latency, self.errors, self.no_traffic)
        self.all = [alarm for alarm in found if alarm is not None]
        for alarm in self.all:
            alarm.add_alarm_action(actions.SnsAction(alert_topic))

    def _build_latency(
        self, endpoint: EndpointBase, variant: str, latency: Duration | None
    ) -> cloudwatch.Alarm:
        limit = Duration.millis(500) if latency is None else latency
        return cloudwatch.Alarm(
            self,
            "Latency",
            alarm_description=f"{endpoint.endpoint_name} answers slowly (microseconds, p99)",
            metric=endpoint.metric_model_latency(variant=variant, period=Duration.minutes(5)),
            threshold=limit.to_milliseconds() * 1000,
            evaluation_periods=3,
            comparison_operator=_ABOVE,
            treat_missing_data=_QUIET,
        )

    def _build_errors(
        self, endpoint: EndpointBase, variant: str, percent: float
    ) -> cloudwatch.Alarm:
        # Each request counts as 0 or 1, so the average is the share of errors.
        metric = endpoint.metric_server_errors(
            variant=variant, statistic="Average", period=Duration.minutes(5)
        )
        return cloudwatch.Alarm(
            self,
            "Errors",
            alarm_description=f"{endpoint.endpoint_name} answers with errors",
            metric=metric,
            threshold=percent / 100,
            evaluation_periods=1,
            comparison_operator=_ABOVE,
            treat_missing_data=_QUIET,
        )

    def _build_no_traffic(
        self, endpoint: EndpointBase, variant: str, expected_traffic: Duration
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            "NoTraffic",
            alarm_description=f"Nobody asks {endpoint.endpoint_name}",
            metric=endpoint.metric_invocations(variant=variant, period=expected_traffic),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
