"""The way of one request: a variant by weight, an instance, the container, the answer."""

from __future__ import annotations

import time as wall
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, NoReturn

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.sagemaker.hosting.capture import DataCapture, Exchange
from sageloop.local_cloud.sagemaker.hosting.connections import Answer, NotSent
from sageloop.local_cloud.sagemaker.hosting.container_logs import group_of

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.hosting.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.instance import Instance
    from sageloop.local_cloud.sagemaker.hosting.lifecycle import Lifecycle
    from sageloop.local_cloud.sagemaker.hosting.live import LiveEndpoint
    from sageloop.local_cloud.sagemaker.hosting.metrics import EndpointMetrics

MAX_PAYLOAD = 6_291_456
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """InvokeEndpoint's input."""

    endpoint: str
    body: bytes
    content_type: str | None
    accept: str | None
    custom_attributes: str | None
    inference_id: str | None
    target_variant: str | None


class Router:
    """Sends requests to instances; holds no lock while it waits for one."""

    def __init__(
        self, cloud: Cloud, lifecycle: Lifecycle, metrics: EndpointMetrics, capture: DataCapture
    ) -> None:
        self._cloud = cloud
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._capture = capture

    def invoke(self, invocation: Invocation) -> Response:
        """Answer one request; raises ``AwsError`` in the runtime's own words."""
        began = wall.perf_counter()
        live = self._live(invocation)
        headers = _forwarded(invocation)
        for _ in range(_TRIES):
            variant, instance = self._admit(live, invocation)
            sent = wall.perf_counter()
            try:
                answer = instance.invoke(invocation.body, headers)
            except NotSent:
                continue  # nothing was sent, so another instance may have it
            except (OSError, HTTPException) as error:
                self._count(invocation, variant, 0, began, sent)
                self._broken(invocation, instance, error)
            finally:
                instance.finish()
            self._count(invocation, variant, answer.status, began, sent)
            return self._answered(invocation, variant, instance, answer)
        raise _not_ready(invocation.endpoint)

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

    def _admit(self, live: LiveEndpoint, wanted: Invocation) -> tuple[VariantFleet, Instance]:
        for _ in range(_TRIES):
            variant = live.choose(wanted.target_variant)
            if variant is None:
                raise AwsError(
                    "ValidationError",
                    f"Variant {wanted.target_variant} not found for endpoint {live.name}.",
                )
            instance = variant.pick()
            if instance is not None and instance.begin():
                return variant, instance
        raise _not_ready(live.name)

    def _count(
        self, invocation: Invocation, variant: VariantFleet, status: int, began: float, sent: float
    ) -> None:
        model = wall.perf_counter() - sent
        self._metrics.invoked(
            invocation.endpoint, variant, status, model=model, overhead=sent - began
        )

    def _answered(
        self, invocation: Invocation, variant: VariantFleet, instance: Instance, answer: Answer
    ) -> Response:
        if not 200 <= answer.status < 300:
            text = answer.body.decode(errors="replace")
            side = "client" if 400 <= answer.status < 500 else "server"
            self._model_error(
                invocation, instance, answer.status, text,
                f'Received {side} error ({answer.status}) from primary with message "{text}"',
            )  # fmt: skip
        if len(answer.body) > MAX_PAYLOAD:
            self._model_error(
                invocation, instance, answer.status, "",
                f"The response of {len(answer.body)} bytes exceeds the limit of {MAX_PAYLOAD}",
            )  # fmt: skip
        content_type = answer.headers.get("Content-Type", "application/octet-stream")
        self._keep(invocation, variant, answer, content_type)
        headers = {
            "Content-Type": content_type,
            "x-Amzn-Invoked-Production-Variant": variant.spec.name,
        }
        attributes = answer.headers.get(_ATTRIBUTES)
        if attributes is not None:
            headers[_ATTRIBUTES] = attributes
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

    def _broken(self, invocation: Invocation, instance: Instance, error: Exception) -> NoReturn:
        if isinstance(error, TimeoutError):
            self._model_error(
                invocation, instance, 0, "",
                'Received server error (0) from primary with message "Your invocation timed out '
                "while waiting for a response from container primary. Review the latency metrics "
                'for each container in Amazon CloudWatch, resolve the issue, and try again."',
            )  # fmt: skip
        instance.suspect()
        self._model_error(
            invocation, instance, 503, "",
            "Received server error (503) from primary and could not load the entire response body",
        )  # fmt: skip

    def _model_error(
        self, invocation: Invocation, instance: Instance, status: int, text: str, message: str
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
                "LogStreamArn": instance.log.arn,
            },
        )


def _forwarded(invocation: Invocation) -> dict[str, str]:
    pairs = (
        ("Content-Type", invocation.content_type),
        ("Accept", invocation.accept),
        (_ATTRIBUTES, invocation.custom_attributes),
        (_INFERENCE_ID, invocation.inference_id),
    )
    return {name: value for name, value in pairs if value is not None}


def _not_ready(endpoint: str) -> AwsError:
    return AwsError(
        "ModelNotReadyException", f"No instance of endpoint {endpoint} is ready yet.", 429
    )
