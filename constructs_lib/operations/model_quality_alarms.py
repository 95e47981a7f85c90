"""CloudWatch alarms on the model quality, latency and errors of an endpoint."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from ..serving import EndpointBase
from .endpoint_metrics import monitored_variant

_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_NOT_BREACHING = cloudwatch.TreatMissingData.NOT_BREACHING


class ModelQualityAlarms(Construct):
    """Defines alarms on the model quality, latency, errors and traffic of an endpoint.

    The model quality alarm starts retraining. It keeps its state while no ground truth arrives.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html

    Attributes:
        model_quality: Alarm on the mean absolute error; starts retraining.
        latency: Alarm on p99 latency.
        errors: Alarm on 5xx responses.
        no_traffic: Alarm on missing traffic, or ``None``.
        all: All alarms.

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
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint: Endpoint to monitor.
            alert_topic: SNS topic that is notified when an alarm goes to ALARM.
            model_quality_threshold: Mean absolute error above which a window is breaching.
            window: Period of the model quality metric, 1 hour by default; must equal the window of
                the evaluation.
            breaching: Breaching windows, out of ``windows``, for ALARM.
            windows: Windows that are evaluated, 1 to 100.
            variant: Variant to monitor; the endpoint's first by default.
            latency: Limit of p99 latency, 500 milliseconds by default.
            error_rate_percent: Percentage of 5xx responses in 5 minutes.
            expected_traffic: Time without invocations after which the traffic alarm fires; no such
                alarm by default.

        Raises:
            ConfigurationError: If a number is out of range, or the endpoint does not have the
                variant.

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
            _check_window(check, "model quality", window, windows)
            _check_window(check, "expected_traffic", expected_traffic, 1)
            watched = monitored_variant(check, endpoint, variant)
        self.model_quality = cloudwatch.Alarm(
            self,
            "ModelQuality",
            alarm_description=f"Mean absolute error of {endpoint.endpoint_name} is too high",
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
        alarms = (self.model_quality, self.latency, self.errors, self.no_traffic)
        self.all = [alarm for alarm in alarms if alarm is not None]
        for alarm in self.all:
            alarm.add_alarm_action(actions.SnsAction(alert_topic))

    def _build_latency(
        self, endpoint: EndpointBase, variant: str, latency: Duration | None
    ) -> cloudwatch.Alarm:
        limit = Duration.millis(500) if latency is None else latency
        return cloudwatch.Alarm(
            self,
            "Latency",
            alarm_description=f"{endpoint.endpoint_name} has a high latency (p99, microseconds)",
            metric=endpoint.metric_model_latency(variant=variant, period=Duration.minutes(5)),
            threshold=limit.to_milliseconds() * 1000,
            evaluation_periods=3,
            comparison_operator=_ABOVE,
            treat_missing_data=_NOT_BREACHING,
        )

    def _build_errors(
        self, endpoint: EndpointBase, variant: str, percent: float
    ) -> cloudwatch.Alarm:
        # Each request is a datapoint of 0 or 1, so the average is the error rate.
        metric = endpoint.metric_server_errors(
            variant=variant, statistic="Average", period=Duration.minutes(5)
        )
        return cloudwatch.Alarm(
            self,
            "Errors",
            alarm_description=f"{endpoint.endpoint_name} returns too many 5xx responses",
            metric=metric,
            threshold=percent / 100,
            evaluation_periods=1,
            comparison_operator=_ABOVE,
            treat_missing_data=_NOT_BREACHING,
        )

    def _build_no_traffic(
        self, endpoint: EndpointBase, variant: str, expected_traffic: Duration
    ) -> cloudwatch.Alarm:
        return cloudwatch.Alarm(
            self,
            "NoTraffic",
            alarm_description=f"No invocations on {endpoint.endpoint_name}",
            metric=endpoint.metric_invocations(variant=variant, period=expected_traffic),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )


def _check_window(check: Checks, label: str, window: Duration | None, windows: int) -> None:
    """Refuse more and longer windows than CloudWatch evaluates."""
    if window is None or not window.is_unresolved():
        seconds = 3600 if window is None else window.to_seconds(integral=False)
        check.alarm(label, seconds, windows)
