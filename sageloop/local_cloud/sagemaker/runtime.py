"""SageMaker's runtime API: requests to endpoints."""

from __future__ import annotations

from sageloop.local_cloud.core.service import Call, Service, operation
from sageloop.local_cloud.core.wire import Response
from sageloop.local_cloud.sagemaker.hosting.requests import not_executed
from sageloop.local_cloud.sagemaker.hosting.router import Invocation

_LATER = (
    "TargetModel", "TargetContainerHostname", "EnableExplanations", "InferenceComponentName",
    "SessionId", "PrefixAwareId",
)  # fmt: skip


class SageMakerRuntimeService(Service):
    """InvokeEndpoint, answered by the endpoint's own processes."""

    model = "sagemaker-runtime"

    @operation("InvokeEndpoint")
    def invoke_endpoint(self, call: Call) -> Response:
        """Send one request to the endpoint."""
        params = call.params
        for member in _LATER:
            if params.get(member):
                raise not_executed(f"InvokeEndpoint's {member}")
        answered: Response = self.cloud.service("sagemaker").hosting.router.invoke(
            Invocation(
                endpoint=params["EndpointName"],
                body=call.request.get_data(),
                content_type=params.get("ContentType"),
                accept=params.get("Accept"),
                custom_attributes=params.get("CustomAttributes"),
                inference_id=params.get("InferenceId"),
                target_variant=params.get("TargetVariant"),
            )
        )
        return answered

    @operation("InvokeEndpointAsync")
    def invoke_endpoint_async(self, _: Call) -> None:
        """Refused by name."""
        raise not_executed("InvokeEndpointAsync")

    @operation("InvokeEndpointWithResponseStream")
    def invoke_endpoint_with_response_stream(self, _: Call) -> None:
        """Refused by name."""
        raise not_executed("InvokeEndpointWithResponseStream")
