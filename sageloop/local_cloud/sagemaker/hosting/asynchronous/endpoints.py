"""InvokeEndpointAsync: the queues of asynchronous endpoints and their dispatch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.asynchronous.backlog import Backlog, Slot
from sageloop.local_cloud.sagemaker.hosting.asynchronous.metrics import AsyncMetrics
from sageloop.local_cloud.sagemaker.hosting.asynchronous.notifications import Outcome
from sageloop.local_cloud.sagemaker.hosting.asynchronous.request import QueuedRequest, accept
from sageloop.local_cloud.sagemaker.hosting.asynchronous.request_processor import RequestProcessor
from sageloop.local_cloud.sagemaker.hosting.asynchronous.settings import AsyncSettings
from sageloop.local_cloud.sagemaker.hosting.requests import invalid

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.invocation.capture import DataCapture
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle
    from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint

log = logging.getLogger(__name__)
_MINUTE = 60.0
# After a jump of the clock, an empty queue is reported for at most this many minutes.
_MAX_MINUTES = 60


class AsyncEndpoints:
    """InvokeEndpointAsync and the dispatch of queued requests.

    Dispatch does not poll: each event that can make it possible (a new request, an instance that
    becomes healthy, a completed request, changed routes) calls :meth:`dispatch`.
    """

    def __init__(self, cloud: Cloud, lifecycle: Lifecycle, capture: DataCapture) -> None:
        self._cloud = cloud
        self._lifecycle = lifecycle
        self._metrics = AsyncMetrics(cloud)
        self._processor = RequestProcessor(cloud, self._metrics, capture)
        self._lock = threading.Lock()
        self._backlogs: dict[str, Backlog] = {}
        self._measured: dict[LiveEndpoint, float] = {}

    def start(self) -> None:
        """Publish the state of the queues every virtual minute."""
        if self._cloud.services.has("cloudwatch"):
            self._cloud.services.cloudwatch.before_evaluation(self._measure)

    def invoke(self, params: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        """Queue a request; return InvokeEndpointAsync's response. Raises ``AwsError``."""
        name = params["EndpointName"]
        live = self._lifecycle.live(name)
        if live is None or live.fleet is None or not live.routes:
            raise AwsError(
                "ValidationError",
                f"Endpoint {name} of account {self._cloud.account_id} not found.",
            )
        settings = AsyncSettings.of(live.fleet.config)
        if settings is None:
            raise AwsError(
                "ValidationError",
                f"Endpoint {name} is not configured for asynchronous inference (it has no "
                "AsyncInferenceConfig) and only takes InvokeEndpoint.",
            )
        request = accept(params, body, settings, now=self._cloud.clock.time())
        backlog, queued = self._backlog(live), QueuedRequest(request)
        backlog.put(queued)
        self._expire_later(backlog, queued)
        self.dispatch(name)
        return {
            "InferenceId": request.inference_id,
            "OutputLocation": request.output_location,
            "FailureLocation": request.failure_location,
        }

    def check_update(self, name: str, config: Mapping[str, Any]) -> None:
        """Refuse an update between an asynchronous and another type of endpoint."""
        live = self._lifecycle.live(name)
        if live is None or live.fleet is None:
            return
        was = live.fleet.config.get("AsyncInferenceConfig") is not None
        if was == (config.get("AsyncInferenceConfig") is not None):
            return
        verb, side = ("removed", "from") if was else ("added", "to")
        raise invalid(
            f"The AsyncInferenceConfig parameter cannot be {verb} {side} this endpoint {name}. "
            "To change the endpoint type, create a new endpoint."
        )

    def minimum_instances(self, name: str) -> int:
        """The minimum number of instances of a variant: 0 if requests can wait in a queue."""
        live = self._lifecycle.live(name)
        return 0 if live is not None and _is_asynchronous(live) else 1

    def dispatch(self, name: str) -> None:
        """Dispatch waiting requests to instances with free slots."""
        backlog = self._backlogs.get(name)
        if backlog is None or self._cloud.stopped.is_set():
            return
        if not backlog.live.routes:  # the endpoint is being deleted together with its queue
            with self._lock:
                if self._backlogs.get(name) is backlog:
                    del self._backlogs[name]
            _discard(backlog)
            return
        while (dequeued := backlog.take()) is not None:
            self._begin(backlog, *dequeued)

    def _backlog(self, live: LiveEndpoint) -> Backlog:
        with self._lock:
            known = self._backlogs.get(live.name)
            if known is None or known.live is not live:
                known = self._backlogs[live.name] = Backlog(live)
                live.on_routes = lambda: self.dispatch(live.name)
            return known

    def _begin(self, backlog: Backlog, queued: QueuedRequest, slot: Slot) -> None:
        if queued.expiry is not None:
            queued.expiry.cancel()
        label = f"asynchronous request to {backlog.live.name}"
        self._cloud.activity.begin(label)

        def work() -> None:
            try:
                self._carry_out(backlog, queued, slot)
            finally:
                # The next request is in flight before this one ends.
                self.dispatch(backlog.live.name)
                self._cloud.activity.end(label)

        # A request may take an hour: it must not occupy a thread of the cloud's thread pool.
        threading.Thread(target=work, name=label, daemon=True).start()

    def _carry_out(self, backlog: Backlog, queued: QueuedRequest, slot: Slot) -> None:
        try:
            ended = self._processor.carry_out(queued, slot)
        except Exception:
            if not self._cloud.stopped.is_set():
                log.exception(
                    "asynchronous request %s failed unexpectedly", queued.request.inference_id
                )
            ended = True
        if ended:
            backlog.complete(queued)
        else:
            backlog.put_back(queued)
            self._expire_later(backlog, queued)

    def _expire_later(self, backlog: Backlog, queued: QueuedRequest) -> None:
        request = queued.request
        queued.expiry = self._cloud.clock.call_at(
            request.received + request.ttl, lambda: self._expire(backlog, queued),
            label=f"expiry of {request.inference_id}",
        )  # fmt: skip

    def _expire(self, backlog: Backlog, queued: QueuedRequest) -> None:
        routes = backlog.live.routes
        if not backlog.withdraw(queued) or not routes:
            return
        request, variant = queued.request, max(routes, key=lambda route: route[0])[1]
        self._metrics.count(request.endpoint, variant.spec.name, "ExpiredRequests")
        reason = (
            f"ClientError: The request expired after {request.ttl:g} seconds in the queue "
            "(RequestTTLSeconds)."
        )
        self._processor.end(request, variant, Outcome(status="Expired", reason=reason))

    def _measure(self) -> None:
        now = self._cloud.clock.time()
        before, self._measured = self._measured, {}
        for live in self._lifecycle.all():
            if live.routes and _is_asynchronous(live):
                self._measured[live] = now
                self._measure_one(live, before.get(live, now), now)

    def _measure_one(self, live: LiveEndpoint, last: float, now: float) -> None:
        backlog = self._backlogs.get(live.name)
        known = backlog if backlog is not None and backlog.live is live else None
        oldest = None if known is None else known.oldest()
        size = 0 if known is None else known.size
        self._metrics.backlog(
            live.name,
            size=size,
            instances=sum(variant.count for _, variant in live.routes),
            age=0.0 if oldest is None else max(0.0, now - oldest),
            moments=[*(_skipped_minutes(last, now) if size == 0 else ()), now],
        )


def _skipped_minutes(last: float, now: float) -> list[float]:
    """One time within each whole minute between two measurements, after a jump of the clock."""
    first, end = last // _MINUTE + 1, now // _MINUTE
    first = max(first, end - _MAX_MINUTES)
    return [(first + n + 0.5) * _MINUTE for n in range(int(end - first))]


def _is_asynchronous(live: LiveEndpoint) -> bool:
    return live.fleet is not None and "AsyncInferenceConfig" in live.fleet.config


def _discard(backlog: Backlog) -> None:
    for queued in backlog.clear():
        if queued.expiry is not None:
            queued.expiry.cancel()
