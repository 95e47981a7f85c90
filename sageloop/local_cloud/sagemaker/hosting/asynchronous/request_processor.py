"""Processing of one queued request: payload from S3, invocation, result to S3, notification."""

from __future__ import annotations

import logging
import threading
import time as wall
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.sagemaker.hosting.asynchronous import notifications, storage
from sageloop.local_cloud.sagemaker.hosting.asynchronous.kind import AsyncInvocation
from sageloop.local_cloud.sagemaker.hosting.asynchronous.metrics import PROCESSED
from sageloop.local_cloud.sagemaker.hosting.asynchronous.notifications import Outcome
from sageloop.local_cloud.sagemaker.hosting.instances.container_logs import group_of
from sageloop.local_cloud.sagemaker.hosting.invocation.capture import Exchange
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import (
    NoResponse,
    ServedResponse,
    Unavailable,
)
from sageloop.local_cloud.sagemaker.logs import LogStream, escaped

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.asynchronous.backlog import Slot
    from sageloop.local_cloud.sagemaker.hosting.asynchronous.metrics import AsyncMetrics
    from sageloop.local_cloud.sagemaker.hosting.asynchronous.request import (
        AsyncRequest,
        QueuedRequest,
    )
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.invocation.capture import DataCapture

log = logging.getLogger(__name__)
# A request that a container has answered is not retried
# (https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-troubleshooting.html); a
# request whose container died is queued again. AWS does not document the number of attempts.
_ATTEMPTS = 3
_SEE_LOGS = "See the SageMaker Endpoint logs in your account for more information."
_OCTETS = "application/octet-stream"


class RequestProcessor:
    """Processes requests; all methods may be called from several threads at once."""

    def __init__(self, cloud: Cloud, metrics: AsyncMetrics, capture: DataCapture) -> None:
        self._cloud = cloud
        self._metrics = metrics
        self._capture = capture
        self._lock = threading.Lock()
        self._logs: dict[str, LogStream] = {}

    def carry_out(self, queued: QueuedRequest, slot: Slot) -> bool:
        """Process a request on the instance of its slot; return ``False`` to queue it again."""
        request, variant = queued.request, slot.variant
        waited = self._cloud.clock.time() - request.received
        try:
            body = self._payload(request, variant)
        except storage.NotDownloaded as missing:
            slot.instance.finish()
            self._count(request, variant, "RequestDownloadFailures")
            outcome: Outcome | None = Outcome(status="Failed", reason=str(missing))
        except BaseException:
            slot.instance.finish()
            raise
        else:
            outcome = self._invoke(queued, slot, body)
        if outcome is None:
            return False
        name = variant.spec.name
        self._metrics.duration(request.endpoint, name, "TimeInBacklog", waited)
        ended = self.end(request, variant, outcome)
        self._count(request, variant, PROCESSED)
        total = self._cloud.clock.time() - request.received
        self._metrics.duration(request.endpoint, name, "TotalProcessingTime", total)
        self._log(request, slot, ended)
        return True

    def end(self, request: AsyncRequest, variant: VariantFleet, outcome: Outcome) -> Outcome:
        """Store an outcome and send its notification; return the resulting outcome."""
        if outcome.succeeded:
            outcome = self._store(request, variant, outcome)
        if not outcome.succeeded:
            self._count(request, variant, "InvocationFailures")
            self._store_failure(request, variant, outcome)
        self._notify(request, variant, outcome)
        return outcome

    def _payload(self, request: AsyncRequest, variant: VariantFleet) -> bytes:
        if request.input_location is None:
            return b"" if request.body is None else request.body
        began = wall.perf_counter()
        body = storage.download(self._cloud, variant.spec.blueprint.role, request.input_location)
        duration = wall.perf_counter() - began
        self._metrics.duration(
            request.endpoint, variant.spec.name, "RequestDownloadLatency", duration
        )
        return body

    def _invoke(self, queued: QueuedRequest, slot: Slot, body: bytes) -> Outcome | None:
        request, variant = queued.request, slot.variant
        invocation = _invocation(request, slot, body)
        try:
            served = variant.serve(invocation, invocation.headers)
        except Unavailable:
            slot.instance.check_process()  # no request was sent, so this is no attempt
            return None
        except NoResponse as broken:
            duration = wall.perf_counter() - broken.sent
            self._metrics.invoked(request.endpoint, variant, 0, duration)
            return _outcome_of_failure(queued, broken)
        status = served.response.status
        duration = served.received - served.sent
        self._metrics.invoked(request.endpoint, variant, status, duration)
        outcome = _outcome_of(served)
        if outcome.succeeded:
            self._capture_exchange(request, variant, body, outcome)
        return outcome

    def _store(self, request: AsyncRequest, variant: VariantFleet, outcome: Outcome) -> Outcome:
        if request.output_location is None:
            return outcome
        began = wall.perf_counter()
        try:
            self._upload(request, variant, request.output_location, outcome)
        except storage.NotUploaded as error:
            self._count(request, variant, "ResponseUploadFailures")
            return Outcome(status="Failed", reason=str(error))
        duration = wall.perf_counter() - began
        self._metrics.duration(
            request.endpoint, variant.spec.name, "ResponseUploadLatency", duration
        )
        return outcome

    def _store_failure(
        self, request: AsyncRequest, variant: VariantFleet, outcome: Outcome
    ) -> None:
        if request.failure_location is None:
            return
        try:
            self._upload(request, variant, request.failure_location, outcome)
        except storage.NotUploaded as error:
            self._count(request, variant, "ResponseUploadFailures")
            log.warning("failure of %s is not in S3: %s", request.inference_id, error)

    def _upload(
        self, request: AsyncRequest, variant: VariantFleet, location: str, outcome: Outcome
    ) -> None:
        # Without a response of the model the file contains the failure reason.
        has_body = outcome.body is not None
        body = outcome.body if outcome.body is not None else str(outcome.reason).encode()
        storage.upload(
            self._cloud, variant.spec.blueprint.role, location, body,
            content_type=outcome.content_type if has_body else "text/plain; charset=utf-8",
            kms_key=request.settings.kms_key,
        )  # fmt: skip

    def _notify(self, request: AsyncRequest, variant: VariantFleet, outcome: Outcome) -> None:
        topic = notifications.topic_of(request, outcome)
        if topic is None:
            return
        region = topic.split(":")[3]
        client = self._cloud.client("sns", principal=variant.spec.blueprint.role, region=region)
        message = notifications.notification(
            request, outcome, region=self._cloud.region, now=self._cloud.clock.time()
        )
        try:
            client.publish(TopicArn=topic, Message=message)
        except (ClientError, BotoCoreError) as error:
            self._count(request, variant, "NotificationFailures")
            log.warning("no notice of %s to %s: %s", request.inference_id, topic, error)

    def _capture_exchange(
        self, request: AsyncRequest, variant: VariantFleet, body: bytes, outcome: Outcome
    ) -> None:
        spec = variant.spec
        if spec.capture is None or not spec.capture.samples() or outcome.body is None:
            return
        exchange = Exchange(
            time=self._cloud.clock.time(),
            request=body,
            request_type=_OCTETS if request.content_type is None else request.content_type,
            response=outcome.body,
            response_type=_OCTETS if outcome.content_type is None else outcome.content_type,
            inference_id=request.inference_id,
            custom_attributes=request.custom_attributes,
        )
        self._capture.add(spec.capture, request.endpoint, spec.name, spec.blueprint.role, exchange)

    def _log(self, request: AsyncRequest, slot: Slot, outcome: Outcome) -> None:
        """Write the platform's log line to the stream ``<variant>/<instance>/data-log``."""
        spec = slot.variant.spec
        stream = f"{spec.name}/{slot.instance.id}/data-log"
        with self._lock:
            written = self._logs.get(stream)
            if written is None:
                written = self._logs[stream] = LogStream(
                    self._cloud, group_of(request.endpoint), stream, principal=spec.blueprint.role
                )
        now = self._cloud.clock.now()
        stamp = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}"
        line = "Inference request succeeded." if outcome.succeeded else str(outcome.reason)
        if outcome.body is not None and not outcome.succeeded:
            line += f" Response of the model: {outcome.body[:1024].decode(errors='replace')}"
        try:
            written.write([escaped(f"{stamp}:[sagemaker logs] [{request.inference_id}] {line}")])
        except (ClientError, BotoCoreError) as error:
            log.warning("no log line of %s: %s", request.inference_id, error)

    def _count(self, request: AsyncRequest, variant: VariantFleet, name: str) -> None:
        self._metrics.count(request.endpoint, variant.spec.name, name)


def _invocation(request: AsyncRequest, slot: Slot, body: bytes) -> AsyncInvocation:
    return AsyncInvocation(
        endpoint=request.endpoint, body=body, content_type=request.content_type,
        accept=request.accept, custom_attributes=request.custom_attributes,
        inference_id=request.inference_id, target_variant=None, instance=slot.instance,
        timeout=request.timeout,
    )  # fmt: skip


def _outcome_of(served: ServedResponse) -> Outcome:
    status, body = served.response.status, served.response.body
    content_type = served.response.headers.get("Content-Type", _OCTETS)
    if 200 <= status < 300:
        return Outcome(status="Completed", body=body, content_type=content_type)
    side = "client" if 400 <= status < 500 else "server"
    reason = f"ClientError: Received {side} error ({status}) from model. {_SEE_LOGS}"
    return Outcome(status="Failed", body=body, content_type=content_type, reason=reason)


def _outcome_of_failure(queued: QueuedRequest, failure: NoResponse) -> Outcome | None:
    if failure.timed_out:
        reason = (
            f"ClientError: Your invocation timed out after {queued.request.timeout:g} seconds "
            f"while waiting for a response from container {failure.container}. {_SEE_LOGS}"
        )
        return Outcome(status="Failed", reason=reason)
    queued.attempts += 1
    if queued.attempts < _ATTEMPTS:
        return None
    reason = (
        f"ClientError: Received server error (503) from model: the container {failure.container} "
        f"broke the connection {queued.attempts} times. {_SEE_LOGS}"
    )
    return Outcome(status="Failed", reason=reason)
