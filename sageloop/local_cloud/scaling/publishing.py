"""Metrics that SageMaker publishes for scaled resources only.

SageMaker publishes zeros for a scaled variant without traffic, so that it can scale in, and the
number of concurrent requests every ten seconds.
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-edit.html
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.samples import Sample, Series
from sageloop.local_cloud.scaling import tracking
from sageloop.local_cloud.scaling.model import Attached, Store, TargetKey

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_NAMESPACE = "AWS/SageMaker"
_MINUTE = 60.0
_TEN_SECONDS = 10.0
# After a jump of the clock, zeros are filled in for at most this many minutes.
_MOST_MINUTES = 60
_RUNNING = ("InService", "Updating", "SystemUpdating", "RollingBack")


class Publisher:
    """Publishes metrics for targets that are scaled by a predefined metric."""

    def __init__(self, cloud: Cloud, store: Store) -> None:
        self._cloud = cloud
        self._store = store
        self._filled: dict[Series, float] = {}
        self._counting = threading.Lock()

    def start(self) -> None:
        """Start publishing, if the cloud has CloudWatch."""
        if self._cloud.services.has("cloudwatch"):
            self._cloud.services.cloudwatch.before_evaluation(self.fill)

    def count(self) -> None:
        """Publish the number of concurrent requests while a policy uses it."""
        if self._followed() and self._counting.acquire(blocking=False):
            self._schedule()

    def _schedule(self) -> None:
        # A fast clock runs thousands of minutes a second: steps of an hour are enough.
        step = max(_TEN_SECONDS, min(self._cloud.clock.rate, 3600.0))
        self._cloud.clock.call_later(step, self._publish, label="requests in progress")

    def _publish(self) -> None:
        followed = self._followed()
        if not followed:
            self._counting.release()
            return
        self._schedule()
        put = self._cloud.services.cloudwatch.put
        for key, name in followed:
            counts = self._in_progress(key)
            if counts:
                put(_NAMESPACE, name, float(max(counts)), dimensions=tracking.dimensions_of(key))

    def _followed(self) -> list[tuple[TargetKey, str]]:
        with self._store.lock:
            policies = list(self._store.policies.values())
        metrics = [(p.key, _gauge(p)) for p in policies]
        return [(key, name) for key, name in metrics if name is not None]

    def _in_progress(self, key: TargetKey) -> list[int]:
        hosting = self._cloud.services.sagemaker.hosting
        parts = key.resource.split("/")
        if parts[0] == "inference-component":
            return hosting.outstanding_copies(parts[1])
        return hosting.outstanding(parts[1], parts[3])

    def fill(self) -> None:
        """Publish zeros for complete minutes in which a scaled resource had no request."""
        now = self._cloud.clock.time()
        with self._store.lock:
            policies = list(self._store.policies.values())
        series_of_targets = {series: p.key for p in policies if (series := _counted(p)) is not None}
        for series in [s for s in self._filled if s not in series_of_targets]:
            del self._filled[series]
        for series, key in series_of_targets.items():
            self._fill(series, key, now)

    def _fill(self, series: Series, key: TargetKey, now: float) -> None:
        end = now // _MINUTE * _MINUTE
        begin = max(self._filled.get(series, end - _MINUTE), end - _MOST_MINUTES * _MINUTE)
        self._filled[series] = end
        if not self._runs(key):
            return
        metrics = self._cloud.services.cloudwatch.metrics
        while begin < end:
            if not metrics.between(series, begin, begin + _MINUTE):
                metrics.put(series, Sample.one(begin + _MINUTE / 2, 0.0), "None")
            begin += _MINUTE

    def _runs(self, key: TargetKey) -> bool:
        store = self._cloud.services.sagemaker.store
        parts = key.resource.split("/")
        if parts[0] == "inference-component":
            component = store.find("inference-component", parts[1])
            return component is not None and component.get("InferenceComponentStatus") in _RUNNING
        component = store.find("endpoint", parts[1])
        return component is not None and component["EndpointStatus"] in _RUNNING


def _counted(policy: Attached) -> Series | None:
    config = policy.tracking
    metric = None if config is None else tracking.predefined_of(config)
    if metric is None or metric.statistic != "Sum":
        return None
    return Series.of(_NAMESPACE, metric.name, tracking.dimensions_of(policy.key))


def _gauge(policy: Attached) -> str | None:
    config = policy.tracking
    metric = None if config is None else tracking.predefined_of(config)
    return metric.name if metric is not None and metric.period < _MINUTE else None
