"""The way of one request: a variant by weight, an instance, the container, the answer."""

from __future__ import annotations

import time as wall
from typing import TYPE_CHECKING, NoReturn, TypeVar

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.sagemaker.hosting.instances.container_logs import group_of
from sageloop.local_cloud.sagemaker.hosting.instances.pipeline import check_target
from sageloop.local_cloud.sagemaker.hosting.invocation.capture import DataCapture, Exchange
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import Answer
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import (
    ATTRIBUTES,
    Invocation,
    NoAnswer,
    Served,
    Unavailable,
)
from sageloop.local_cloud.sagemaker.hosting.routing import streaming
from sageloop.local_cloud.sagemaker.hosting.routing.metrics import EndpointMetrics, Request
from sageloop.local_cloud.sagemaker.hosting.routing.shadow import ShadowCopies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.invocation.connections import Streamed
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle
    from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing

    Ask = Callable[[VariantFleet, Mapping[str, str]], "Outcome"]

MAX_PAYLOAD = 6_291_456
_TRIES = 8
Outcome = TypeVar("Outcome")


class Router:
    """Sends requests to instances; holds no lock while it waits for one."""

    def __init__(
        self, cloud: Cloud, lifecycle: Lifecycle, metrics: EndpointMetrics, capture: DataCapture,
        timing: Callable[[], Timing],
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._capture = capture
        self._timing = timing
        self._shadows = ShadowCopies(cloud.activity, self._mirrored)

    def invoke(self, invocation: Invocation) -> Response:
        """Answer one request; raises ``AwsError`` in the runtime's own words."""
        began = wall.perf_counter()
        variant, served = self._tried(
            invocation, began, lambda variant, headers: variant.serve(invocation, headers)
        )
        self._metrics.invoked(variant, Request.served(served, began))
        return self._answered(invocation, variant, served)

    def stream(self, invocation: Invocation) -> Response:
        """Answer one request piece by piece; raises ``AwsError`` in the runtime's own words."""
        began = wall.perf_counter()
        variant, opened = self._tried(
            invocation, began, lambda variant, headers: streaming.opened(
                variant, invocation, headers)
        )  # fmt: skip
        return self._streamed(invocation, variant, opened, began)

    def _tried(
        self, invocation: Invocation, began: float, ask: Ask[Outcome]
    ) -> tuple[VariantFleet, Outcome]:
        """Who took a request, and what came of it; shadows get their copy of it."""
        live = self._live(invocation)
        headers, patience = invocation.headers, self._timing().admission
        for _ in range(_TRIES):
            variant = _variant(live, invocation)
            try:
                outcome = ask(variant, headers)
            except Unavailable:
                # Nothing was sent, so another instance may have it, or this one restarted.
                variant.await_instance(max(0.0, patience - (wall.perf_counter() - began)))
                continue
            except NoAnswer as broken:
                self._metrics.invoked(variant, Request.broken(broken, began))
                self._shadows.copy(variant, invocation, headers)
                self._broken(invocation, broken)
            self._shadows.copy(variant, invocation, headers)
            return variant, outcome
        raise _not_ready(invocation.endpoint)

    def _streamed(
        self, invocation: Invocation, variant: VariantFleet, opened: streaming.Opened, began: float
    ) -> Response:
        streamed = opened.streamed

        def ended(told: streaming.Ended) -> None:
            answer = Answer(streamed.status, streamed.headers, told.body)
            model = told.last - opened.sent
            status = streamed.status if told.complete else 0
            request = Request(status, opened.instance.id, model, opened.sent - began)
            self._metrics.invoked(variant, request)
            self._metrics.first_chunk(variant, told.first, sent=opened.sent, began=began)
            if told.complete and 200 <= streamed.status < 300:
                self._keep(invocation, variant, answer, _content_type(answer))

        events = streaming.Events(opened, ended)
        if not 200 <= streamed.status < 300:
            return self._answered(invocation, variant, events.refused())
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
        """Send no more copies."""
        self._shadows.stop()

    def _mirrored(
        self, shadow: VariantFleet, invocation: Invocation, headers: Mapping[str, str]
    ) -> None:
        """Send a copy to a shadow variant; only metrics and captured data tell of its answer.

        Like a caller's request it waits for an instance that is being restarted.
        """
        began, patience = wall.perf_counter(), self._timing().admission
        for _ in range(_TRIES):
            try:
                served = shadow.serve(invocation, headers)
            except Unavailable:
                shadow.await_instance(max(0.0, patience - (wall.perf_counter() - began)))
                continue
            except NoAnswer as broken:
                self._metrics.invoked(shadow, Request.broken(broken, began))
                return
            self._metrics.invoked(shadow, Request.served(served, began))
            if 200 <= served.answer.status < 300:
                self._keep(invocation, shadow, served.answer, _content_type(served.answer))
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

    def _answered(self, invocation: Invocation, variant: VariantFleet, served: Served) -> Response:
        answer = served.answer
        if not 200 <= answer.status < 300:
            text = answer.body.decode(errors="replace")
            side = "client" if 400 <= answer.status < 500 else "server"
            self._model_error(
                invocation, served.log_arn, answer.status, text,
                f"Received {side} error ({answer.status}) from {served.container} with message "
                f'"{text}"',
            )  # fmt: skip
        if len(answer.body) > variant.most_bytes:
            self._model_error(
                invocation, served.log_arn, answer.status, "",
                f"The response of {len(answer.body)} bytes exceeds the limit of "
                f"{variant.most_bytes}",
            )  # fmt: skip
        content_type = _content_type(answer)
        self._keep(invocation, variant, answer, content_type)
        headers = {
            "Content-Type": content_type,
            "x-Amzn-Invoked-Production-Variant": variant.spec.name,
        }
        attributes = answer.headers.get(ATTRIBUTES)
        if attributes is not None:
            headers[ATTRIBUTES] = attributes
        return Response(200, headers, answer.body)

    def _keep(
        self, invocation: Invocation, variant: VariantFleet, answer: Answer, content_type: str
    ) -> None:
        settings = variant.spec.capture
        if settings is None or not settings.samples():
            return
        exchange = Exchange(
            time=self._cloud.clock.time(),
            request=invocation.body,
            request_type=invocation.content_type or "application/octet-stream",
            response=answer.body,
            response_type=content_type,
            inference_id=invocation.inference_id,
            custom_attributes=invocation.custom_attributes,
        )
        spec = variant.spec
        self._capture.add(settings, invocation.endpoint, spec.name, spec.blueprint.role, exchange)

    def _broken(self, invocation: Invocation, broken: NoAnswer) -> NoReturn:
        if broken.timed_out:
            self._model_error(
                invocation, broken.log_arn, 0, "",
                f'Received server error (0) from {broken.container} with message "Your invocation '
                f"timed out while waiting for a response from container {broken.container}. Review "
                "the latency metrics for each container in Amazon CloudWatch, resolve the issue, "
                'and try again."',
            )  # fmt: skip
        self._model_error(
            invocation, broken.log_arn, 503, "",
            f"Received server error (503) from {broken.container} and could not load the entire "
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


def _variant(live: LiveEndpoint, wanted: Invocation) -> VariantFleet:
    variant = live.choose(wanted.target_variant)
    if variant is None:
        raise AwsError(
            "ValidationError",
            f"Variant {wanted.target_variant} not found for endpoint {live.name}.",
        )
    check_target(variant.spec.blueprint, wanted)
    variant.check(wanted)
    return variant


def _content_type(answer: Answer | Streamed) -> str:
    return answer.headers.get("Content-Type", "application/octet-stream")


def _not_ready(endpoint: str) -> AwsError:
    return AwsError(
        "ModelNotReadyException", f"No instance of endpoint {endpoint} is ready yet.", 429
    )
