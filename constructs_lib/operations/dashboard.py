"""One CloudWatch dashboard of a whole stack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from .._private.checks import Checks
from ..serving import Asynchronous, EndpointBase
from ..training import JobBase
from .endpoint_metrics import kind_of, watched_variant
from .retraining import RetrainingLoop

_WIDTH = 8
_PERIOD = Duration.minutes(5)


class Dashboard(Construct):
    """Defines a dashboard: alarms on top, then endpoints, the loop and the jobs.

    Latency is shown in milliseconds.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html

    Example:
        >>> board = Dashboard(stack, "Dashboard", endpoints=[endpoint], loops=[loop],
        ...                   alarms=serving_alarms.alarms.values())
        >>> board.dashboard.dashboard_name

    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoints: Sequence[EndpointBase] = (),
        jobs: Sequence[JobBase] = (),
        loops: Sequence[RetrainingLoop] = (),
        alarms: Iterable[cloudwatch.IAlarm] = (),
        name: str | None = None,
        variant: str | None = None,
    ) -> None:
        """Define the dashboard.

        Args:
            scope: Parent.
            construct_id: Id among its siblings.
            endpoints: Each gets a row of requests and latency, and one of errors and instances.
            jobs: Jobs besides those of the loops.
            loops: Each gets a row of the live error and what the loop did, and its job's.
            alarms: Shown with their states.
            name: Name of the dashboard; CloudFormation's by default.
            variant: Variant of the endpoints that is shown; the first of each by default.

        Raises:
            ConfigurationError: If there is nothing to show, the name is not allowed, or an
                endpoint has no such variant.

        """
        super().__init__(scope, construct_id)
        shown = list(alarms)
        with Checks(self) as check:
            if name is not None:
                check.matches("name", name, r"[A-Za-z0-9_-]+", 255)
            check.not_empty("endpoints, jobs, loops and alarms", [
                *endpoints, *jobs, *loops, *shown,
            ])  # fmt: skip
            rows = [(each, watched_variant(check, each, variant)) for each in endpoints]
        self.dashboard = cloudwatch.Dashboard(
            self, "Resource", dashboard_name=name, default_interval=Duration.days(1)
        )
        if shown:
            self.dashboard.add_widgets(
                cloudwatch.AlarmStatusWidget(alarms=shown, title="Alarms", width=24, height=3)
            )
        for endpoint, watched in rows:
            self._show_endpoint(endpoint, watched)
        for loop in loops:
            self._show_loop(loop)
        for job in [*jobs, *(loop.job for loop in loops)]:
            self._show_job(job)

    def _show_endpoint(self, endpoint: EndpointBase, variant: str) -> None:
        on: dict[str, Any] = {"variant": variant, "period": _PERIOD}
        percentiles = [endpoint.metric_latency(percentile=p, **on) for p in (50, 90, 99)]
        self._heading(f"Endpoint {endpoint.endpoint_name}")
        self._row(
            _graph("Requests", [endpoint.metric_invocations(**on)]),
            _graph("Latency (ms)", percentiles),
            _graph("Errors (%)", [
                endpoint.metric_client_error_rate(**on), endpoint.metric_server_error_rate(**on),
            ]),
        )  # fmt: skip
        used = [endpoint.metric_cpu(**on), endpoint.metric_memory(**on)]
        per_instance = endpoint.metric_invocations_per_instance(**on)
        self._row(
            _graph("Use of instances (%)", used),
            _graph("Requests of an instance", [per_instance]),
            *([_queue(endpoint)] if isinstance(kind_of(endpoint), Asynchronous) else []),
        )

    def _show_loop(self, loop: RetrainingLoop) -> None:
        endpoint = loop.endpoint
        on: dict[str, Any] = {"period": _PERIOD}
        live = cloudwatch.GraphWidget(
            title="Live error", left=[endpoint.metric_model_quality(**on)],
            right=[endpoint.metric_evaluated_predictions(**on)], width=_WIDTH,
        )  # fmt: skip
        self._heading(f"Loop of {loop.job.job}")
        self._row(
            live,
            _graph("Champions", [
                loop.metric_promotions(**on), loop.metric_rollbacks(**on),
                loop.metric_rejections(**on),
            ]),
            _graph("Triggers without a job, pages", [
                loop.metric_suppressed(**on), loop.metric_pages(**on),
            ]),
        )  # fmt: skip

    def _show_job(self, job: JobBase) -> None:
        on: dict[str, Any] = {"period": _PERIOD}
        counted = [job.metric_started(**on), job.metric_completed(**on), job.metric_failed(**on),
                   job.metric_stopped(**on)]  # fmt: skip
        self._heading(f"Job {job.job}")
        self._row(
            _graph("Jobs", counted),
            _graph("Duration (s)", [job.metric_duration(**on)]),
        )

    def _heading(self, text: str) -> None:
        self.dashboard.add_widgets(cloudwatch.TextWidget(markdown=f"## {text}", width=24, height=1))

    def _row(self, *widgets: cloudwatch.IWidget) -> None:
        self.dashboard.add_widgets(*widgets)


def _queue(endpoint: EndpointBase) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title="Backlog", left=[endpoint.metric_backlog(period=_PERIOD)],
        right=[endpoint.metric_oldest_request(period=_PERIOD)], width=_WIDTH,
    )  # fmt: skip


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=_WIDTH)
