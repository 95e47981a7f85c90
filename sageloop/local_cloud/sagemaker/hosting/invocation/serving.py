"""Requests and responses that the router and the instances exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.hosting.invocation.connections import ContainerResponse

PRIMARY = "primary"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """The input of InvokeEndpoint; ``timeout`` (wall seconds) replaces the default of 60."""

    endpoint: str
    body: bytes
    content_type: str | None
    accept: str | None
    custom_attributes: str | None
    inference_id: str | None
    target_variant: str | None
    target_model: str | None = None
    target_container: str | None = None
    component: str | None = None
    session_id: str | None = None
    timeout: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the container gets."""
        pairs = (
            ("Content-Type", self.content_type),
            ("Accept", self.accept),
            (ATTRIBUTES, self.custom_attributes),
            ("X-Amzn-SageMaker-Inference-Id", self.inference_id),
        )
        return {name: value for name, value in pairs if value is not None}


def refuse_unsupported_target(
    invocation: Invocation, *, models: bool = False, components: bool = False
) -> None:  # fmt: skip
    """Refuse a target model or component for an endpoint that does not have any."""
    if invocation.target_model is not None and not models:
        raise AwsError(
            "ValidationError",
            f"Endpoint {invocation.endpoint} is not a multi-model endpoint and does not support "
            "target model header.",
        )
    if invocation.component is not None and not components:
        raise AwsError(
            "ValidationError",
            f"Endpoint {invocation.endpoint} has no inference components and does not support "
            "inference component name header.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedResponse:
    """A response and its source. ``sent`` and ``received`` are ``perf_counter`` seconds."""

    response: ContainerResponse
    instance: str
    log_arn: str
    sent: float
    received: float
    container: str = PRIMARY


class Unavailable(Exception):
    """No instance accepts the request now, and none has received it; it may be retried."""


class NoResponse(Exception):
    """A container received a request and did not respond: a timeout or a broken connection."""

    def __init__(
        self, cause: Exception, *, instance: str, log_arn: str, sent: float,
        container: str = PRIMARY,
    ) -> None:  # fmt: skip
        super().__init__(str(cause))
        self.timed_out = isinstance(cause, TimeoutError)
        self.instance = instance
        self.log_arn = log_arn
        self.sent = sent
        self.container = container
