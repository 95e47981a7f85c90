"""CloudWatch's API: metrics, alarms, dashboards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sageloop.local_cloud.cloudwatch.actions import AlarmActions
from sageloop.local_cloud.cloudwatch.alarm_api import AlarmApi
from sageloop.local_cloud.cloudwatch.alarms import Alarm, AlarmBook
from sageloop.local_cloud.cloudwatch.dashboard_api import DashboardApi
from sageloop.local_cloud.cloudwatch.evaluation import State
from sageloop.local_cloud.cloudwatch.metric_api import MetricApi
from sageloop.local_cloud.cloudwatch.metrics import MetricStore, Sample, Series
from sageloop.local_cloud.cloudwatch.queues import QueueMetrics
from sageloop.local_cloud.core.service import Service

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

# CloudWatch evaluates alarms of a period of a minute or more once a minute.
_EVALUATION_SECONDS = 60.0


class CloudWatchService(Service):
    """Metrics kept in memory; alarms evaluated every virtual minute."""

    model = "cloudwatch"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.metrics = MetricStore()
        self._listeners: list[Callable[[str, str], None]] = []
        self._actions = AlarmActions(cloud)
        self.alarms = AlarmBook(cloud, self.metrics, self._transition)
        self._queues = QueueMetrics(self)
        self.tags: dict[str, dict[str, str]] = {}
        self.include(MetricApi(self))
        self.include(AlarmApi(self))
        self.include(DashboardApi(self))

    def start(self) -> None:
        """Begin evaluating."""
        self._schedule()

    def put(
        self, namespace: str, name: str, value: float, *, dimensions: dict[str, str],
        unit: str = "None",
    ) -> None:  # fmt: skip
        """Add one observation at virtual now (the way other services publish)."""
        now = self.cloud.clock.time()
        series = Series.of(namespace, name, dimensions)
        self.metrics.put(series, Sample(now, value, 1, value, value), unit)

    def alarm_state(self, name: str) -> str | None:
        """The state of an alarm, or ``None`` if there is no such alarm."""
        alarm = self.alarms.get(name)
        return alarm.state if alarm else None

    def on_alarm(self, callback: Callable[[str, str], None]) -> None:
        """Call ``callback(alarm name, new state)`` at every transition."""
        self._listeners.append(callback)

    def _transition(self, alarm: Alarm, previous: State, previous_data: str) -> None:
        self._actions.on_transition(alarm, previous, previous_data)
        for listener in list(self._listeners):
            listener(alarm.name, alarm.state)

    def _schedule(self) -> None:
        now = self.cloud.clock.time()
        due = (now // _EVALUATION_SECONDS + 1) * _EVALUATION_SECONDS
        self.cloud.clock.call_at(due, self._tick, label="alarm evaluation")

    def _tick(self) -> None:
        # The next moment is counted from now: a jump of the clock is one evaluation, not many.
        self._schedule()
        self._queues.publish()
        self.alarms.evaluate_all()
