"""CloudWatch alarms on the service metrics of an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from .._private.checks import Checks
from ..serving import Asynchronous, EndpointBase, MultiModel, RealTime
from .endpoint_metrics import check_metrics, kind_of, monitored_variant

_OPERATORS = cloudwatch.ComparisonOperator
_ABOVE, _BELOW = _OPERATORS.GREATER_THAN_THRESHOLD, _OPERATORS.LESS_THAN_THRESHOLD
_MISSING = cloudwatch.TreatMissingData
_FIVE = Duration.minutes(5)
_ANOMALY = {"invocations": "the number of invocations", "latency": "the model latency"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTrafficAlarm:
    """When an endpoint expects traffic, and how long it may have none.

    While an ``EndpointSchedule`` has stopped the endpoint the alarm has no data and stays OK.

    Attributes:
        minutes: Minutes without an invocation before the alarm goes to ALARM, 5 to 1440.
        from_hour: First hour of the day (UTC) with expected traffic, 0 to 23.
        to_hour: Hour of the day (UTC) at which expected traffic ends, up to 24.
        weekdays_only: Whether no traffic is expected on Saturdays and Sundays.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

    Example:
        >>> NoTrafficAlarm(minutes=30, from_hour=8, to_hour=20, weekdays_only=True)

    """

    minutes: int = 30
    from_hour: int = 0
    to_hour: int = 24
    weekdays_only: bool = False

    def check(self, check: Checks) -> None:
        """Refuse minutes and hours out of range."""
        check.whole("expected_traffic.minutes", self.minutes, 5, 1440)
        check.whole("expected_traffic.from_hour", self.from_hour, 0, 23)
        check.whole("expected_traffic.to_hour", self.to_hour, self.from_hour + 1, 24)

    def expression(self, *, running: bool) -> str:
        """CloudWatch metric math: invocations while traffic is expected, otherwise 1.

        ``Invocations`` has no datapoint without a request, so that missing ones are filled with 0.

        Args:
            running: Whether the metric ``running`` has datapoints while the endpoint has
                instances. A stopped endpoint then has no datapoints.

        """
        filled = "FILL(invocations, 0)"
        counted, clock = (f"{filled} + 0 * running", "running") if running else (filled, filled)
        times = []
        if (self.from_hour, self.to_hour) != (0, 24):
            times.append(f"HOUR({clock}) >= {self.from_hour} && HOUR({clock}) < {self.to_hour}")
        if self.weekdays_only:
            times.append(f"DAY({clock}) < 6")
        return f"IF({' && '.join(times)}, {counted}, 1)" if times else counted


class EndpointAlarms(Construct):
    """Defines alarms on latency, errors, utilization, traffic, backlog and capacity.

    A limit that is ``None`` has no alarm; by default there are alarms on p99 latency and on 5xx
    responses. Limits of latency are in milliseconds; CloudWatch reports microseconds, which the
    alarms convert. These alarms neither start retraining nor roll back a deployment.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html

    Attributes:
        alarms: The alarms by name: ``LatencyP99``, ``ServerErrors``, ``MaxCapacity``, …

    Example:
        >>> alarms = EndpointAlarms(stack, "EndpointAlarms", endpoint=endpoint,
        ...     alert_topic=alerts.topic, latency={50: Duration.millis(40)},
        ...     memory_percent=90, expected_traffic=NoTrafficAlarm(minutes=30), max_capacity=4,
        ...     anomaly_metrics=["invocations"])
        >>> alarms.alarms["LatencyP50"].alarm_arn

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: EndpointBase,
        alert_topic: sns.ITopic,
        variant: str | None = None,
        latency: Mapping[float, Duration] | None = None,
        server_error_percent: float | None = 1.0,
        client_error_percent: float | None = None,
        cpu_percent: float | None = None,
        memory_percent: float | None = None,
        expected_traffic: NoTrafficAlarm | None = None,
        backlog: float | None = None,
        oldest_request: Duration | None = None,
        max_capacity: int | None = None,
        anomaly_metrics: Sequence[str] = (),
        band_width: float = 3.0,
    ) -> None:
        """Define the alarms.

        Args:
            scope: Parent construct.
            construct_id: Construct id, unique within the scope.
            endpoint: Endpoint to monitor.
            alert_topic: SNS topic that is notified when an alarm goes to ALARM.
            variant: Variant to monitor; the endpoint's first by default.
            latency: Limits by percentile, for example 50, 90 or 99; p99 of 500 milliseconds by
                default, no limit for an asynchronous endpoint. An empty mapping defines no alarm.
            server_error_percent: Percentage of 5xx responses in 5 minutes.
            client_error_percent: Percentage of 4xx responses in 5 minutes.
            cpu_percent: CPU utilization in percent, 100 for each core.
            memory_percent: Memory utilization in percent.
            expected_traffic: When traffic is expected, and how long there may be none.
            backlog: Queued requests of an asynchronous endpoint.
            oldest_request: Age of the oldest queued request of an asynchronous endpoint.
            max_capacity: Maximum capacity of the variant's scaling; the alarm fires when all
                these instances have run for 15 minutes.
            anomaly_metrics: ``invocations``, ``latency`` or both; alarms on values outside
                CloudWatch's anomaly detection band.
            band_width: Width of the anomaly detection band in standard deviations.

        Raises:
            ConfigurationError: If a number is out of range, or the endpoint does not have the
                variant or does not publish the metric.

        """
        super().__init__(scope, construct_id)
        limits = _default_latency(endpoint) if latency is None else latency
        with Checks(self) as check:
            _check_latency(check, limits)
            _check_limits(
                check,
                percents={
                    "server_error_percent": server_error_percent,
                    "client_error_percent": client_error_percent,
                    "memory_percent": memory_percent,
                },
                counts={"cpu_percent": cpu_percent, "backlog": backlog},
            )
            if max_capacity is not None:
                check.whole("max_capacity", max_capacity, 1)
            if expected_traffic is not None:
                expected_traffic.check(check)
            for each in anomaly_metrics:
                check.one_of("anomaly_metrics", each, _ANOMALY)
            check.between("band_width", band_width, 0.1, 1000)
            check_metrics(check, endpoint, {
                "backlog": backlog is not None, "oldest_request": oldest_request is not None,
                "expected_traffic": expected_traffic is not None,
                "max_capacity": max_capacity is not None,
                "anomaly_metrics invocations": "invocations" in anomaly_metrics,
            })  # fmt: skip
            self._variant = monitored_variant(check, endpoint, variant)
        self._endpoint, self._topic = endpoint, alert_topic
        self.alarms: dict[str, cloudwatch.AlarmBase] = {}
        for percentile, most in limits.items():
            self._latency(percentile, most)
        self._error_rates(server_error_percent, client_error_percent)
        self._utilization(cpu_percent, memory_percent)
        self._backlog(backlog, oldest_request)
        if expected_traffic is not None:
            self._no_traffic(expected_traffic)
        if max_capacity is not None:
            self._max_capacity(max_capacity)
        for each in anomaly_metrics:
            self._anomaly(each, band_width)

    def metric_instances(self, *, period: Duration | None = None) -> cloudwatch.MathExpression:
        """The number of instances: all invocations divided by invocations per instance.

        An asynchronous endpoint does not report invocations; its backlog is used instead.
        """
        each = _FIVE if period is None else period
        endpoint, variant = self._endpoint, self._variant
        if isinstance(kind_of(endpoint), Asynchronous):
            total = endpoint.metric_backlog(period=each, statistic="Average")
            share = endpoint.metric_backlog_per_instance(period=each, statistic="Average")
        else:
            total = endpoint.metric_invocations(variant=variant, period=each)
            share = endpoint.metric_invocations_per_instance(variant=variant, period=each)
        return cloudwatch.MathExpression(
            expression="total / per_instance",
            using_metrics={"total": total, "per_instance": share},
            label="Instances",
            period=each,
        )

    def _latency(self, percentile: float, most: Duration) -> None:
        metric = self._endpoint.metric_latency(
            percentile=percentile, variant=self._variant, period=_FIVE
        )
        name = f"LatencyP{percentile:g}".replace(".", "_")
        self._add(name, f"has a high latency (p{percentile:g}, milliseconds)", metric,
                  most.to_milliseconds(), windows=3)  # fmt: skip

    def _error_rates(self, server: float | None, client: float | None) -> None:
        on: dict[str, Any] = {"variant": self._variant, "period": _FIVE}
        if server is not None:
            metric = self._endpoint.metric_server_error_rate(**on)
            self._add("ServerErrors", "returns too many 5xx responses (percent)", metric, server)
        if client is not None:
            metric = self._endpoint.metric_client_error_rate(**on)
            self._add("ClientErrors", "returns too many 4xx responses (percent)", metric, client)

    def _utilization(self, cpu: float | None, memory: float | None) -> None:
        on: dict[str, Any] = {"variant": self._variant, "period": _FIVE}
        if cpu is not None:
            metric = self._endpoint.metric_cpu(**on)
            self._add(
                "CPUUtilization", "has a high CPU utilization (percent)", metric, cpu, windows=3
            )
        if memory is not None:
            metric = self._endpoint.metric_memory(**on)
            self._add("MemoryUtilization", "has a high memory use (percent)", metric, memory,
                      windows=3)  # fmt: skip

    def _backlog(self, backlog: float | None, oldest: Duration | None) -> None:
        if backlog is not None:
            metric = self._endpoint.metric_backlog(period=_FIVE)
            self._add("Backlog", "has too many queued requests", metric, backlog, windows=3)
        if oldest is not None:
            metric = self._endpoint.metric_oldest_request(period=_FIVE)
            self._add(
                "OldestRequest", "has an old queued request (seconds)", metric, oldest.to_seconds()
            )

    def _no_traffic(self, traffic: NoTrafficAlarm) -> None:
        on: dict[str, Any] = {"variant": self._variant, "period": _FIVE}
        metrics = {"invocations": self._endpoint.metric_invocations(**on)}
        # These kinds always have instances, unless a schedule stopped the endpoint.
        running = isinstance(kind_of(self._endpoint), RealTime | MultiModel)
        if running:
            metrics["running"] = self._endpoint.metric_cpu(**on)
        metric = cloudwatch.MathExpression(
            expression=traffic.expression(running=running), using_metrics=metrics, period=_FIVE,
            label="Invocations while traffic is expected",
        )  # fmt: skip
        self._add("NoTraffic", "has no invocations while traffic is expected", metric, 1,
                  windows=-(-traffic.minutes // 5), operator=_BELOW)  # fmt: skip

    def _max_capacity(self, most: int) -> None:
        # The quotient is fractional while the number changes: half an instance decides.
        self._add("MaxCapacity", f"runs at its maximum capacity of {most} instances",
                  self.metric_instances(), most - 0.5, windows=3)  # fmt: skip

    def _anomaly(self, what: str, width: float) -> None:
        on: dict[str, Any] = {"variant": self._variant, "period": _FIVE}
        endpoint = self._endpoint
        metric = (
            endpoint.metric_invocations(**on)
            if what == "invocations"
            else endpoint.metric_model_latency(**on)
        )
        name = f"{what.capitalize()}Anomaly"
        alarm = cloudwatch.AnomalyDetectionAlarm(
            self, name,
            alarm_description=(
                f"{endpoint.endpoint_name}: {_ANOMALY[what]} is outside the expected band"
            ),
            metric=metric, std_devs=width, evaluation_periods=3, treat_missing_data=_MISSING.IGNORE,
        )  # fmt: skip
        self._keep(name, alarm)

    def _add(
        self,
        name: str,
        what: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        *,
        windows: int = 1,
        operator: cloudwatch.ComparisonOperator = _ABOVE,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self, name, alarm_description=f"{self._endpoint.endpoint_name} {what}", metric=metric,
            threshold=threshold, evaluation_periods=windows, comparison_operator=operator,
            treat_missing_data=_MISSING.NOT_BREACHING,
        )  # fmt: skip
        self._keep(name, alarm)

    def _keep(self, name: str, alarm: cloudwatch.AlarmBase) -> None:
        alarm.add_alarm_action(actions.SnsAction(self._topic))
        self.alarms[name] = alarm


def _default_latency(endpoint: EndpointBase) -> Mapping[float, Duration]:
    queued = isinstance(kind_of(endpoint), Asynchronous)
    return {} if queued else {99: Duration.millis(500)}


def _check_latency(check: Checks, limits: Mapping[float, Duration]) -> None:
    for percentile, most in limits.items():
        check.between("a percentile of latency", percentile, 1, 99.99)
        check.literal("latency", most)


def _check_limits(
    check: Checks, *, percents: Mapping[str, float | None], counts: Mapping[str, float | None]
) -> None:
    for label, percent in percents.items():
        if percent is not None:
            check.between(label, percent, 0, 100)
    for label, count in counts.items():
        if count is not None:
            check.between(label, count, 0)
