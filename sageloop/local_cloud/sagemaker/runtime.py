"""The SageMaker runtime API: InvokeEndpoint and its variants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.concurrency import Closing, ConcurrencyLimit
from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
from sageloop.local_cloud.sagemaker.hosting.requests import not_executed
from sageloop.local_cloud.sagemaker.hosting.routing.streaming import STREAM_SECONDS
from sageloop.local_cloud.sagemaker.hosting.section import Hosting
from sageloop.local_cloud.sagemaker.service import SageMakerService
from sageloop.local_cloud.sagemaker.validation import check

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

# Each waiting request occupies a thread of the server, which has more threads than that:
# see `core/http_server.py`.
WAITING_REQUESTS = 512
_UNSUPPORTED = ("EnableExplanations", "SessionId", "PrefixAwareId")


class SageMakerRuntimeService(Service):
    """InvokeEndpoint operations, served by the processes of the endpoint."""

    model = "sagemaker-runtime"

    def __init__(self, cloud: Cloud, *, waiting: int = WAITING_REQUESTS) -> None:
        """``waiting`` is the maximum number of requests that wait for a response at once."""
        super().__init__(cloud)
        self._limit = ConcurrencyLimit(waiting)

    @operation("InvokeEndpoint")
    def invoke_endpoint(self, call: Call) -> Response:
        """Send a request to the endpoint and return the response."""
        hosting = self._hosting
        with self._limit.slot():
            return hosting.router.invoke(hosting.components.resolve_component(_invocation(call)))

    @operation("InvokeEndpointAsync")
    def invoke_endpoint_async(self, call: Call) -> dict[str, Any]:
        """Queue a request of an asynchronous endpoint."""
        return self._hosting.asynchronous.invoke(call.params, call.request.get_data())

    @operation("InvokeEndpointWithResponseStream")
    def invoke_endpoint_with_response_stream(self, call: Call) -> Response:
        """Send a request to the endpoint; parts of the response are forwarded as they arrive."""
        hosting = self._hosting
        self._limit.acquire()
        try:
            stream_response = hosting.router.stream(
                hosting.components.resolve_component(_invocation(call, timeout=STREAM_SECONDS))
            )
        except BaseException:
            self._limit.release()
            raise
        if stream_response.stream is None:
            self._limit.release()
        else:
            stream_response.stream = Closing(stream_response.stream, self._limit.release)
        return stream_response

    @property
    def _hosting(self) -> Hosting:
        return self.cloud.services.instance(SageMakerService).hosting


def _invocation(call: Call, *, timeout: float | None = None) -> Invocation:
    params = call.params
    check(call.operation, params, service=call.service, code="ValidationError")
    for member in _UNSUPPORTED:
        if member in params:
            raise not_executed(f"{call.operation}'s {member}")
    return Invocation(
        endpoint=params["EndpointName"],
        body=call.request.get_data(),
        content_type=params.get("ContentType"),
        accept=params.get("Accept"),
        custom_attributes=params.get("CustomAttributes"),
        inference_id=params.get("InferenceId"),
        target_variant=params.get("TargetVariant"),
        target_model=params.get("TargetModel"),
        target_container=params.get("TargetContainerHostname"),
        component=params.get("InferenceComponentName"),
        timeout=timeout,
    )
