"""Routing of one request: a variant by weight, an instance, the container, the response."""

from __future__ import annotations

import time as wall
from typing import TYPE_CHECKING, NoReturn, TypeVar

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.sagemaker.hosting.instances.container_logs import group_of
from sageloop.local_cloud.sagemaker.hosting.instances.pipeline import check_target
from sageloop.local_cloud.sagemaker.hosting.invocation.capture import DataCapture, Exchange
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import ContainerResponse
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import (
    ATTRIBUTES,
    Invocation,
    NoResponse,
    ServedResponse,
    Unavailable,
)
from sageloop.local_cloud.sagemaker.hosting.routing import streaming
from sageloop.local_cloud.sagemaker.hosting.routing.metrics import (
    EndpointMetrics,
    RequestMeasurement,
)
from sageloop.local_cloud.sagemaker.hosting.routing.shadow import ShadowCopies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.invocation.connections import StreamedResponse
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle
    from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

    Send = Callable[[VariantFleet, Mapping[str, str]], "Outcome"]

MAX_PAYLOAD = 6_291_456
_TRIES = 8
Outcome = TypeVar("Outcome")


class Router:
    """Routes requests to instances; holds no lock while it waits for one."""

    def __init__(
        self, cloud: Cloud, lifecycle: Lifecycle, metrics: EndpointMetrics, capture: DataCapture,
        timing: Callable[[], Timing],
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._capture = capture
        self._timing = timing
        self._shadows = ShadowCopies(cloud.activity, self._send_to_shadow)

    def invoke(self, invocation: Invocation) -> Response:
        """Return the response to a request; raises the ``AwsError`` of the runtime API."""
        began = wall.perf_counter()
        variant, served = self._send_with_retries(
            invocation, began, lambda variant, headers: variant.serve(invocation, headers)
        )
        self._metrics.invoked(variant, RequestMeasurement.served(served, began))
        return self._output_of(invocation, variant, served)

    def stream(self, invocation: Invocation) -> Response:
        """Return a streamed response to a request; raises the ``AwsError`` of the runtime API."""
        began = wall.perf_counter()
        variant, opened = self._send_with_retries(
            invocation, began, lambda variant, headers: streaming.open_stream(
                variant, invocation, headers)
        )  # fmt: skip
        return self._streamed(invocation, variant, opened, began)

    def _send_with_retries(
        self, invocation: Invocation, began: float, send: Send[Outcome]
    ) -> tuple[VariantFleet, Outcome]:
        """The variant that served a request and its outcome; shadow variants get a copy."""
        live = self._live(invocation)
        headers, max_wait = invocation.headers, self._timing().admission
        for _ in range(_TRIES):
            variant = _variant(live, invocation)
            try:
                outcome = send(variant, headers)
            except Unavailable:
                # The request was not sent: another instance, or this one restarted, may serve it.
                variant.await_instance(max(0.0, max_wait - (wall.perf_counter() - began)))
                continue
            except NoResponse as broken:
                self._metrics.invoked(variant, RequestMeasurement.failed(broken, began))
                self._shadows.copy(variant, invocation, headers)
                self._error_of(invocation, broken)
            self._shadows.copy(variant, invocation, headers)
            return variant, outcome
        raise _not_ready(invocation.endpoint)

    def _streamed(
        self,
        invocation: Invocation,
        variant: VariantFleet,
        opened: streaming.OpenedStream,
        began: float,
    ) -> Response:
        streamed = opened.streamed

        def ended(end: streaming.StreamEnd) -> None:
            response = ContainerResponse(streamed.status, streamed.headers, end.body)
            model = end.last - opened.sent
            status = streamed.status if end.complete else 0
            request = RequestMeasurement(status, opened.instance.id, model, opened.sent - began)
            self._metrics.invoked(variant, request)
            self._metrics.first_chunk(variant, end.first, sent=opened.sent, began=began)
            if end.complete and 200 <= streamed.status < 300:
                self._capture_exchange(invocation, variant, response, _content_type(response))

        events = streaming.ResponseEvents(opened, ended)
        if not 200 <= streamed.status < 300:
            return self._output_of(invocation, variant, events.error_response())
        headers = {
            "Content-Type": streaming.CONTENT_TYPE,
            "X-Amzn-SageMaker-Content-Type": _content_type(streamed),
            "x-Amzn-Invoked-Production-Variant": variant.spec.name,
        }
        attributes = streamed.headers.get(ATTRIBUTES)
        if attributes is not None:
            headers[ATTRIBUTES] = attributes
        return Response(200, headers, stream=events)

    def stop(self) -> None:
        """Stop sending copies to shadow variants."""
        self._shadows.stop()

    def _send_to_shadow(
        self, shadow: VariantFleet, invocation: Invocation, headers: Mapping[str, str]
    ) -> None:
        """Send a copy to a shadow variant; the response is only measured and captured.

        Like a request of a caller it waits for an instance that is being restarted.
        """
        began, max_wait = wall.perf_counter(), self._timing().admission
        for _ in range(_TRIES):
            try:
                served = shadow.serve(invocation, headers)
            except Unavailable:
                shadow.await_instance(max(0.0, max_wait - (wall.perf_counter() - began)))
                continue
            except NoResponse as broken:
                self._metrics.invoked(shadow, RequestMeasurement.failed(broken, began))
                return
            self._metrics.invoked(shadow, RequestMeasurement.served(served, began))
            if 200 <= served.response.status < 300:
                self._capture_exchange(
                    invocation, shadow, served.response, _content_type(served.response)
                )
            return
        self._shadows.dropped(shadow)

    def _live(self, invocation: Invocation) -> LiveEndpoint:
        live = self._lifecycle.live(invocation.endpoint)
        if live is None or not live.routes:
            raise AwsError(
                "ValidationError",
                f"Endpoint {invocation.endpoint} of account {self._cloud.account_id} not found.",
            )
        if len(invocation.body) > MAX_PAYLOAD:
            raise AwsError(
                "ValidationError",
                "1 validation error detected: Value at 'body' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_PAYLOAD}",
                413,
            )
        return live

    def _output_of(
        self, invocation: Invocation, variant: VariantFleet, served: ServedResponse
    ) -> Response:
        response = served.response
        if not 200 <= response.status < 300:
            text = response.body.decode(errors="replace")
            side = "client" if 400 <= response.status < 500 else "server"
            self._model_error(
                invocation, served.log_arn, response.status, text,
                f"Received {side} error ({response.status}) from {served.container} with message "
                f'"{text}"',
            )  # fmt: skip
        if len(response.body) > variant.max_response_bytes:
            self._model_error(
                invocation, served.log_arn, response.status, "",
                f"The response of {len(response.body)} bytes exceeds the limit of "
                f"{variant.max_response_bytes}",
            )  # fmt: skip
        content_type = _content_type(response)
        self._capture_exchange(invocation, variant, response, content_type)
        headers = {
            "Content-Type": content_type,
            "x-Amzn-Invoked-Production-Variant": variant.spec.name,
        }
        attributes = response.headers.get(ATTRIBUTES)
        if attributes is not None:
            headers[ATTRIBUTES] = attributes
        return Response(200, headers, response.body)

    def _capture_exchange(
        self,
        invocation: Invocation,
        variant: VariantFleet,
        response: ContainerResponse,
        content_type: str,
    ) -> None:
        settings = variant.spec.capture
        if settings is None or not settings.samples():
            return
        exchange = Exchange(
            time=self._cloud.clock.time(),
            request=invocation.body,
            request_type=invocation.content_type or "application/octet-stream",
            response=response.body,
            response_type=content_type,
            inference_id=invocation.inference_id,
            custom_attributes=invocation.custom_attributes,
        )
        spec = variant.spec
        self._capture.add(settings, invocation.endpoint, spec.name, spec.blueprint.role, exchange)

    def _error_of(self, invocation: Invocation, failure: NoResponse) -> NoReturn:
        if failure.timed_out:
            self._model_error(
                invocation, failure.log_arn, 0, "",
                f'Received server error (0) from {failure.container} with message "Your invocation '
                f"timed out while waiting for a response from container {failure.container}. "
                "Review the latency metrics for each container in Amazon CloudWatch, resolve the "
                'issue, and try again."',
            )  # fmt: skip
        self._model_error(
            invocation, failure.log_arn, 503, "",
            f"Received server error (503) from {failure.container} and could not load the entire "
            "response body",
        )  # fmt: skip

    def _model_error(
        self, invocation: Invocation, log_arn: str, status: int, text: str, message: str
    ) -> NoReturn:
        region, account = self._cloud.region, self._cloud.account_id
        where = (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group_of(invocation.endpoint)} in account {account}"
        )
        raise AwsError(
            "ModelError",
            f"{message}. See {where} for more information.",
            424,
            fields={
                "OriginalStatusCode": status,
                "OriginalMessage": text,
                "LogStreamArn": log_arn,
            },
        )


def _variant(live: LiveEndpoint, invocation: Invocation) -> VariantFleet:
    variant = live.choose(invocation.target_variant)
    if variant is None:
        raise AwsError(
            "ValidationError",
            f"Variant {invocation.target_variant} not found for endpoint {live.name}.",
        )
    check_target(variant.spec.blueprint, invocation)
    variant.check(invocation)
    return variant


def _content_type(response: ContainerResponse | StreamedResponse) -> str:
    return response.headers.get("Content-Type", "application/octet-stream")


def _not_ready(endpoint: str) -> AwsError:
    return AwsError(
        "ModelNotReadyException", f"No instance of endpoint {endpoint} is ready yet.", 429
    )
