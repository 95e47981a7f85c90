"""A request of InvokeEndpointAsync, validated, with the locations of its outcome.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker import validation
from sageloop.local_cloud.sagemaker.hosting.asynchronous.locations import (
    failure_name,
    location_under,
    split_location,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import Timer
    from sageloop.local_cloud.sagemaker.hosting.asynchronous.settings import AsyncSettings

MAX_INLINE = 128_000
DEFAULT_TIMEOUT = 900
DEFAULT_TTL = 21_600


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncRequest:
    """A validated request: ``timeout`` in wall seconds, ``ttl`` in virtual seconds.

    ``received`` is a virtual time. Exactly one of ``body`` and ``input_location`` is set.
    """

    endpoint: str
    inference_id: str
    body: bytes | None
    input_location: str | None
    content_type: str | None
    accept: str | None
    custom_attributes: str | None
    timeout: float
    ttl: float
    received: float
    output_location: str | None
    failure_location: str | None
    settings: AsyncSettings


@dataclass(slots=True, eq=False)
class QueuedRequest:
    """A request in the queue with the number of its attempts and its expiry."""

    request: AsyncRequest
    attempts: int = 0
    expiry: Timer | None = field(default=None, repr=False)


def accept(
    params: Mapping[str, Any], body: bytes, settings: AsyncSettings, *, now: float
) -> AsyncRequest:
    """Validate a request as AWS does and determine the locations of its outcome.

    Raises ``AwsError`` ValidationError.
    """
    _check(params, body)
    location = params.get("InputLocation")
    name, extension = params.get("Filename"), params.get("S3OutputPathExtension")
    if name is None:
        name = f"{uuid.uuid4()}.out"
    output, failure = settings.output_path, settings.failure_path
    inference_id = params.get("InferenceId")
    return AsyncRequest(
        endpoint=params["EndpointName"],
        inference_id=str(uuid.uuid4()) if inference_id is None else inference_id,
        body=None if location is not None else body,
        input_location=location,
        content_type=params.get("ContentType"),
        accept=params.get("Accept"),
        custom_attributes=params.get("CustomAttributes"),
        timeout=float(params.get("InvocationTimeoutSeconds", DEFAULT_TIMEOUT)),
        ttl=float(params.get("RequestTTLSeconds", DEFAULT_TTL)),
        received=now,
        output_location=None if output is None else location_under(output, extension, name),
        failure_location=(
            None if failure is None else location_under(failure, extension, failure_name(name))
        ),
        settings=settings,
    )


def _check(params: Mapping[str, Any], body: bytes) -> None:
    sources = {name: value for name, value in params.items() if name != "Body"}
    location = sources.get("InputLocation")
    try:
        validation.check("InvokeEndpointAsync", sources, service="sagemaker-runtime")
        if location is not None:
            split_location(location)
    except AwsError as error:
        # The runtime API has another error code for this refusal.
        raise AwsError("ValidationError", error.message, error.status) from None
    if (location is None) == (not body):
        raise AwsError(
            "ValidationError", "Exactly one of Body and InputLocation must be specified."
        )
    if len(body) > MAX_INLINE:
        raise AwsError(
            "ValidationError",
            "1 validation error detected: Value at 'body' failed to satisfy constraint: Member "
            f"must have length less than or equal to {MAX_INLINE}",
        )
