"""What the router and the instances behind it hand each other: requests and answers."""

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
    """InvokeEndpoint's input. ``timeout`` (wall seconds) replaces the 60 of real-time ones."""

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
        """What of it a container gets as headers."""
        pairs = (
            ("Content-Type", self.content_type),
            ("Accept", self.accept),
            (ATTRIBUTES, self.custom_attributes),
            ("X-Amzn-SageMaker-Inference-Id", self.inference_id),
        )
        return {name: value for name, value in pairs if value is not None}


def refuse_addressed(
    invocation: Invocation, *, models: bool = False, components: bool = False
) -> None:  # fmt: skip
    """Refuse a request for one of many models, or a component, where there are none such."""
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
    """An answer and who gave it. ``sent`` and ``answered`` are ``perf_counter`` seconds."""

    response: ContainerResponse
    instance: str
    log_arn: str
    sent: float
    received: float
    container: str = PRIMARY


class Unavailable(Exception):
    """Nothing takes the request now, and nothing has seen it: another may have it."""


class NoResponse(Exception):
    """A request reached a container and nothing came of it: it timed out or the exchange broke."""

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
