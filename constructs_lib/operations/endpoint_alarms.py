"""Alarms on how an endpoint of any kind serves."""

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
from .endpoint_metrics import check_metrics, kind_of, watched_variant

_OPERATORS = cloudwatch.ComparisonOperator
_ABOVE, _BELOW = _OPERATORS.GREATER_THAN_THRESHOLD, _OPERATORS.LESS_THAN_THRESHOLD
_MISSING = cloudwatch.TreatMissingData
_FIVE = Duration.minutes(5)
_USUAL = {"invocations": "how often it is asked", "latency": "how long it takes to answer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoTrafficAlarm:
    """When requests are expected, and how long none may come.

    An endpoint that its cost switch took down is silent by intent: the alarm looks away.

    Attributes:
        minutes: Minutes without a request, 5 to 1440.
        from_hour: First hour of the day (UTC) with requests.
        to_hour: Hour of the day (UTC) from which on none are expected.
        weekdays_only: Whether none are expected on Saturdays and Sundays.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html

    Example:
        >>> NoTrafficAlarm(minutes=30, from_hour=8, to_hour=20, weekdays_only=True)

    """

    minutes: int = 30
    from_hour: int = 0
    to_hour: int = 24
    weekdays_only: bool = False

    def check(self, check: Checks) -> None:
        """Refuse what is no time of a day."""
        check.whole("expected_traffic.minutes", self.minutes, 5, 1440)
        check.whole("expected_traffic.from_hour", self.from_hour, 0, 23)
        check.whole("expected_traffic.to_hour", self.to_hour, self.from_hour + 1, 24)

    def expression(self, *, running: bool) -> str:
        """Requests while some are expected, one where none are.

        A request is a datapoint, none is not, so the clock is read off what is always there.

        Args:
            running: Whether ``running`` has datapoints while there are instances; where it has
                none, because the endpoint was taken down, nobody can ask.

        """
        filled = "FILL(asked, 0)"
        counted, clock = (f"{filled} + 0 * running", "running") if running else (filled, filled)
        times = []
        if (self.from_hour, self.to_hour) != (0, 24):
            times.append(f"HOUR({clock}) >= {self.from_hour} && HOUR({clock}) < {self.to_hour}")
        if self.weekdays_only:
            times.append(f"DAY({clock}) < 6")
        return f"IF({' && '.join(times)}, {counted}, 1)" if times else counted


class EndpointAlarms(Construct):
    """Defines alarms on latency, errors, saturation, silence, backlog and scaling.

    Each limit that is not given has no alarm, but for p99 and answers 5xx. Latency is in
    milliseconds here and in microseconds at AWS; the alarms divide. None of them asks for
    retraining or undoes a rollout.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html

    Attributes:
        alarms: The alarms by name: ``LatencyP99``, ``ServerErrors``, ``MemoryUtilization`` …

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
            scope: Parent.
            construct_id: Id among its siblings.
            endpoint: What is watched.
            alert_topic: Topic that is told when an alarm turns red.
            variant: Variant that is watched; the endpoint's first by default.
            latency: Limit by percentile (50, 90, 99 or any other); p99 of 500 milliseconds by
                default, none of an asynchronous endpoint, for whose answers nobody waits. An empty
                mapping has none.
            server_error_percent: Share of answers 5xx in five minutes; ``None`` has no alarm.
            client_error_percent: Share of answers 4xx in five minutes.
            cpu_percent: Use of processors in percent, 100 for each core.
            memory_percent: Use of memory in percent.
            expected_traffic: When requests are expected, and how long none may come.
            backlog: Requests waiting at an asynchronous endpoint.
            oldest_request: How long a request may wait at an asynchronous endpoint.
            max_capacity: The maximum of the variant's scaling: told when it is reached for
                fifteen minutes, so that more requests would find no more room.
            anomaly_metrics: ``invocations``, ``latency`` or both: told when they leave the band
                that CloudWatch learnt from their past.
            band_width: Width of that band in standard deviations.

        Raises:
            ConfigurationError: If a number is out of range, or the endpoint has no such variant
                or does not publish what is to be watched.

        """
        super().__init__(scope, construct_id)
        limits = _usual_latency(endpoint) if latency is None else latency
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
                check.one_of("anomaly_metrics", each, _USUAL)
            check.between("band_width", band_width, 0.1, 1000)
            check_metrics(check, endpoint, {
                "backlog": backlog is not None, "oldest_request": oldest_request is not None,
                "expected_traffic": expected_traffic is not None,
                "max_capacity": max_capacity is not None,
                "anomaly_metrics invocations": "invocations" in anomaly_metrics,
            })  # fmt: skip
            self._variant = watched_variant(check, endpoint, variant)
        self._endpoint, self._topic = endpoint, alert_topic
        self.alarms: dict[str, cloudwatch.AlarmBase] = {}
        for percentile, most in limits.items():
            self._slow(percentile, most)
        self._shares(server_error_percent, client_error_percent)
        self._saturated(cpu_percent, memory_percent)
        self._queued(backlog, oldest_request)
        if expected_traffic is not None:
            self._no_traffic(expected_traffic)
        if max_capacity is not None:
            self._at_ceiling(max_capacity)
        for each in anomaly_metrics:
            self._anomaly(each, band_width)

    def metric_instances(self, *, period: Duration | None = None) -> cloudwatch.MathExpression:
        """Instances that serve, as the requests tell: all of them over those of one instance.

        Of an asynchronous endpoint it is those that wait, since it does not tell the others.
        """
        each = _FIVE if period is None else period
        endpoint, variant = self._endpoint, self._variant
        if isinstance(kind_of(endpoint), Asynchronous):
            asked = endpoint.metric_backlog(period=each, statistic="Average")
            share = endpoint.metric_backlog_per_instance(period=each, statistic="Average")
        else:
            asked = endpoint.metric_invocations(variant=variant, period=each)
            share = endpoint.metric_invocations_per_instance(variant=variant, period=each)
        return cloudwatch.MathExpression(
            expression="asked / share",
            using_metrics={"asked": asked, "share": share},
            label="Instances",
            period=each,
        )

    def _slow(self, percentile: float, most: Duration) -> None:
        metric = self._endpoint.metric_latency(
            percentile=percentile, variant=self._variant, period=_FIVE
        )
        name = f"LatencyP{percentile:g}".replace(".", "_")
        self._add(name, f"answers slowly (p{percentile:g}, milliseconds)", metric,
                  most.to_milliseconds(), windows=3)  # fmt: skip

    def _shares(self, server: float | None, client: float | None) -> None:
        on: dict[str, Any] = {"variant": self._variant, "period": _FIVE}
        if server is not None:
            metric = self._endpoint.metric_server_error_rate(**on)
            self._add("ServerErrors", "answers with 5xx (percent)", metric, server)
        if client is not None:
            metric = self._endpoint.metric_client_error_rate(**on)
            self._add("ClientErrors", "is asked wrongly: 4xx (percent)", metric, client)

    def _saturated(self, cpu: float | None, memory: float | None) -> None:
        on: dict[str, Any] = {"variant": self._variant, "period": _FIVE}
        if cpu is not None:
            metric = self._endpoint.metric_cpu(**on)
            self._add("CPUUtilization", "has no processor left (percent)", metric, cpu, windows=3)
        if memory is not None:
            metric = self._endpoint.metric_memory(**on)
            self._add("MemoryUtilization", "has no memory left (percent)", metric, memory,
                      windows=3)  # fmt: skip

    def _queued(self, backlog: float | None, oldest: Duration | None) -> None:
        if backlog is not None:
            metric = self._endpoint.metric_backlog(period=_FIVE)
            self._add("Backlog", "has too many requests waiting", metric, backlog, windows=3)
        if oldest is not None:
            metric = self._endpoint.metric_oldest_request(period=_FIVE)
            self._add("OldestRequest", "lets a request wait (seconds)", metric, oldest.to_seconds())

    def _no_traffic(self, traffic: NoTrafficAlarm) -> None:
        on: dict[str, Any] = {"variant": self._variant, "period": _FIVE}
        metrics = {"asked": self._endpoint.metric_invocations(**on)}
        # These have instances, asked or not, unless they were taken down.
        running = isinstance(kind_of(self._endpoint), RealTime | MultiModel)
        if running:
            metrics["running"] = self._endpoint.metric_cpu(**on)
        metric = cloudwatch.MathExpression(
            expression=traffic.expression(running=running), using_metrics=metrics, period=_FIVE,
            label="Requests while some are expected",
        )  # fmt: skip
        self._add("NoTraffic", "is asked by nobody", metric, 1, windows=-(-traffic.minutes // 5),
                  operator=_BELOW)  # fmt: skip

    def _at_ceiling(self, most: int) -> None:
        # Between two counts the quotient lies between them; half an instance decides.
        self._add("MaxCapacity", f"runs all {most} instances that its scaling allows",
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
            alarm_description=f"{endpoint.endpoint_name}: {_USUAL[what]} is unusual",
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


def _usual_latency(endpoint: EndpointBase) -> Mapping[float, Duration]:
    queued = isinstance(kind_of(endpoint), Asynchronous)
    return {} if queued else {99: Duration.millis(500)}


def _check_latency(check: Checks, limits: Mapping[float, Duration]) -> None:
    for percentile, most in limits.items():
        check.between("latency's percentile", percentile, 1, 99.99)
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
