"""The CloudWatch service: metrics, alarms and dashboards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sageloop.local_cloud.cloudwatch.actions import AlarmActions
from sageloop.local_cloud.cloudwatch.alarm_api import AlarmApi
from sageloop.local_cloud.cloudwatch.alarm_state import AnyAlarm
from sageloop.local_cloud.cloudwatch.alarms import Alarm, AlarmRepository
from sageloop.local_cloud.cloudwatch.anomaly import AnomalyBands
from sageloop.local_cloud.cloudwatch.anomaly_api import AnomalyApi
from sageloop.local_cloud.cloudwatch.composite import Acts, CompositeAlarmRepository
from sageloop.local_cloud.cloudwatch.composite_api import CompositeApi
from sageloop.local_cloud.cloudwatch.dashboard_api import DashboardApi
from sageloop.local_cloud.cloudwatch.evaluation import State
from sageloop.local_cloud.cloudwatch.metric_api import MetricApi
from sageloop.local_cloud.cloudwatch.metrics import MetricStore
from sageloop.local_cloud.cloudwatch.queues import QueueMetrics
from sageloop.local_cloud.cloudwatch.readings import Readings
from sageloop.local_cloud.core.samples import Sample, Series
from sageloop.local_cloud.core.service import Service

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

# CloudWatch evaluates alarms with a period of at least a minute once a minute, and those with
# a high-resolution period every ten seconds.
_EVALUATION_SECONDS = 60.0
_HIGH_RESOLUTION_SECONDS = 10.0


class CloudWatchService(Service):
    """CloudWatch with metrics in memory; alarms are evaluated every virtual minute."""

    model = "cloudwatch"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.metrics = MetricStore()
        self._listeners: list[Callable[[str, str], None]] = []
        self._publishers: list[Callable[[], None]] = []
        self._minute = -1
        self._actions = AlarmActions(cloud)
        self.bands = AnomalyBands(cloud.clock, self.metrics)
        self.readings = Readings(self.metrics, self.bands)
        self.alarms = AlarmRepository(cloud, self.readings, self._transition)
        acts = Acts(self._actions.announce, self._actions.perform, self._call_listeners)
        self.composites = CompositeAlarmRepository(cloud, self.alarms, acts)
        self._queues = QueueMetrics(cloud, self.put)
        tags: dict[str, dict[str, str]] = {}
        clock = cloud.clock
        self.include(MetricApi(self.metrics, self.readings, clock))
        self.include(AlarmApi(self.alarms, self.composites, self.bands, tags, clock))
        self.include(CompositeApi(self.composites, tags, clock))
        self.include(AnomalyApi(self.bands, self.readings))
        self.include(DashboardApi(cloud))

    def start(self) -> None:
        """Start the evaluation of alarms."""
        self._schedule()

    def put(
        self, namespace: str, name: str, value: float, *, dimensions: dict[str, str],
        unit: str = "None",
    ) -> None:  # fmt: skip
        """Add an observation at the virtual time; used by other services."""
        now = self.cloud.clock.time()
        series = Series.of(namespace, name, dimensions)
        self.metrics.put(series, Sample.one(now, value), unit)

    def alarm_state(self, name: str) -> str | None:
        """The state of an alarm, or ``None`` if it does not exist."""
        alarm = self.composites.get(name) or self.alarms.get(name)
        return alarm.state if alarm else None

    def evaluate_alarms(self) -> None:
        """Evaluate every alarm, due or not."""
        self.alarms.evaluate_all()

    def on_alarm(self, callback: Callable[[str, str], None]) -> None:
        """Call ``callback(alarm name, new state)`` at every transition."""
        self._listeners.append(callback)

    def before_evaluation(self, publish: Callable[[], None]) -> None:
        """Call ``publish()`` before each evaluation of alarms, every virtual minute."""
        self._publishers.append(publish)

    def _transition(self, alarm: Alarm, previous: State, previous_data: str) -> None:
        self._actions.on_transition(alarm, previous, previous_data)
        self._call_listeners(alarm)
        self.composites.changed(alarm, previous)

    def _call_listeners(self, alarm: AnyAlarm) -> None:
        for listener in list(self._listeners):
            listener(alarm.name, alarm.state)

    def _schedule(self) -> None:
        now = self.cloud.clock.time()
        finest = min([_EVALUATION_SECONDS, *(alarm.period for alarm in self.alarms.all())])
        step = max(_HIGH_RESOLUTION_SECONDS, finest)
        due = (now // step + 1) * step
        self.cloud.clock.call_at(due, self._tick, label="alarm evaluation")

    def _tick(self) -> None:
        # The next time is counted from now: a jump of the clock causes one evaluation, not many.
        self._schedule()
        minute = int(self.cloud.clock.time() // _EVALUATION_SECONDS)
        if minute == self._minute:
            self._evaluate([a for a in self.alarms.all() if a.period < _EVALUATION_SECONDS])
            return
        self._minute = minute
        self._queues.publish()
        for publish in list(self._publishers):
            publish()
        self._evaluate(self.alarms.all())

    def _evaluate(self, alarms: list[Alarm]) -> None:
        now = self.cloud.clock.time()
        before = {alarm.name: alarm.changed for alarm in alarms}
        for alarm in alarms:
            self.alarms.evaluate(alarm, now)
            if before[alarm.name] == alarm.changed:
                self._actions.repeat(alarm)
