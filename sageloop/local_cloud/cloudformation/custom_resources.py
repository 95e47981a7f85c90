"""Custom resources: requests to a user's function, with CloudFormation's protocol.

The function receives AWS's request document, every scalar in it as a string, by an asynchronous
invocation. It responds by a ``PUT`` to ``ResponseURL``, a path of this cloud. ``ServiceTimeout``
(1 to 3600 seconds, 3600 by default) follows the virtual clock.

One behaviour is better than on AWS: when the last attempt of an invocation has failed, the
resource fails immediately with the function's error, instead of after the time-out.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.cancellation import Cancellation
from sageloop.local_cloud.cloudformation.errors import Cancelled, ResourceFailed
from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.scalars import is_true, scalar_text, text_of
from sageloop.local_cloud.core.wire import Request, Response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

PREFIX = "/_sageloop/cfn-response/"
MAX_RESPONSE_BYTES = 4096
_LONGEST_TIMEOUT = 3600
_LONGEST_ID_BYTES = 1024


def is_custom(type_name: str) -> bool:
    """Whether a type is a custom resource."""
    return type_name == "AWS::CloudFormation::CustomResource" or type_name.startswith("Custom::")


@dataclass
class _Pending:
    """A request that waits for its response."""

    request_id: str
    stack_id: str
    logical_id: str
    ended: threading.Event = field(default_factory=threading.Event)
    response: dict[str, Any] | None = None
    problem: str = ""

    def fail(self, problem: str) -> None:
        """End the wait without a response."""
        if not self.ended.is_set():
            self.problem = problem
            self.ended.set()


class _NotSent(ResourceFailed):
    """A request that reached no function."""


class CustomResources:
    """Sends requests, and receives the responses for which it waits."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._pending: dict[str, _Pending] = {}
        self._ended: set[str] = set()
        self._listens = False
        cloud.front.add_route(PREFIX, self.receive, admin=False)

    def provider(self, cancel: Cancellation) -> CustomResourceProvider:
        """A provider whose waits end when ``cancel`` is set."""
        return CustomResourceProvider(self, cancel)

    def receive(self, request: Request) -> Response:
        """Receive one response: the ``PUT`` to a response URL."""
        if request.method != "PUT":
            return _refusal(405, "MethodNotAllowed", "a response must be sent by PUT")
        with self._lock:
            token = request.path.removeprefix(PREFIX)
            pending = self._pending.get(token)
            ended = token in self._ended
        if ended:
            # The request has ended, but on AWS the URL, an S3 object's, is valid for hours: a
            # function that responds twice or late does not fail.
            return Response(200)
        if pending is None:
            return _refusal(403, "AccessDenied", "Request has expired")
        response = _parsed(request.get_data(), pending)
        if not pending.ended.is_set():
            if isinstance(response, str):
                pending.fail(response)
            else:
                pending.response = response
                pending.ended.set()
        return Response(200)

    def send(
        self, document: dict[str, Any], request: ResourceRequest, cancel: Cancellation
    ) -> dict[str, Any]:
        """Send one request and wait for its response.

        Raises:
            ResourceFailed: The response is FAILED or invalid, the invocation failed, or the wait
                timed out.

        """
        self._listen_once()
        timeout = _timeout(request.properties)
        token = uuid.uuid4().hex
        pending = _Pending(document["RequestId"], request.stack_id, request.logical_id)
        with self._lock:
            self._pending[token] = pending
        document["ResponseURL"] = f"{self._cloud.endpoint_url}{PREFIX}{token}"
        timer = self._cloud.clock.call_later(
            timeout, lambda: pending.fail(_no_response(pending.request_id)),
            label=f"time-out of custom resource {request.logical_id}",
        )  # fmt: skip
        try:
            _invoke(request, document)
            cancel.listen(pending.ended.set)
            pending.ended.wait()
        finally:
            timer.cancel()
            with self._lock:
                del self._pending[token]
                self._ended.add(token)
        if pending.response is None:
            if not pending.problem:
                doing = "creation" if document["RequestType"] == "Create" else "update"
                raise Cancelled(f"Resource {doing} cancelled")
            raise ResourceFailed(pending.problem)
        return pending.response

    def _listen_once(self) -> None:
        with self._lock:
            if self._listens:
                return
            self._listens = True
        if self._cloud.services.has("lambda"):
            self._cloud.services.functions.on_async_failure(self._on_discarded)

    def _on_discarded(self, function_arn: str, payload: bytes, error: str) -> None:
        try:
            request_id = json.loads(payload).get("RequestId")
        except (ValueError, AttributeError):
            return
        with self._lock:
            waiting = [p for p in self._pending.values() if p.request_id == request_id]
        for pending in waiting:
            pending.fail(
                f"The function {function_arn} ended without a response: {error} "
                f"(RequestId: {request_id})"
            )


class CustomResourceProvider:
    """Provider of custom resources."""

    def __init__(self, custom: CustomResources, cancel: Cancellation) -> None:
        self._custom = custom
        self._cancel = cancel

    def create(self, request: ResourceRequest) -> Resource:
        """Send a Create; the physical id is the function's or a generated one."""
        # Set before the request is sent, so that a create without response is deleted too.
        invented = request.unique_name(max_length=255)
        try:
            response = self._send("Create", request, {})
        except _NotSent:
            raise  # no function received the resource: nothing is to be deleted
        except ResourceFailed as failure:
            failure.physical_id = failure.physical_id or invented
            raise
        return _resource(response, invented)

    def update(self, request: ResourceRequest) -> Resource:
        """Send an Update; another physical id in the response means a replacement."""
        if not _same_token(request):
            raise ResourceFailed("Modifying service token is not allowed.")
        old = {"OldResourceProperties": as_text(request.previous)}
        response = self._send("Update", request, {"PhysicalResourceId": request.physical_id} | old)
        return _resource(response, request.physical_id)

    def delete(self, request: ResourceRequest) -> None:
        """Send a Delete for one physical id."""
        self._send("Delete", request, {"PhysicalResourceId": request.physical_id})

    def _send(self, kind: str, request: ResourceRequest, more: Mapping[str, Any]) -> dict[str, Any]:
        document = {
            "RequestType": kind,
            "ServiceToken": request.properties.get("ServiceToken"),
            "ResponseURL": "",
            "StackId": request.stack_id,
            "RequestId": str(uuid.uuid4()),
            "LogicalResourceId": request.logical_id,
            "ResourceType": request.type_name,
            "ResourceProperties": as_text(request.properties),
            **more,
        }
        response = self._custom.send(document, request, self._cancel)
        if response["Status"] == "FAILED":
            answered = response.get("PhysicalResourceId")
            raise ResourceFailed(
                "Received response status [FAILED] from custom resource. Message returned: "
                f"{response.get('Reason', '')} (RequestId: {document['RequestId']})",
                physical_id=answered if _is_id(answered) else None,
            )
        if kind != "Delete" and not _is_id(response.get("PhysicalResourceId")):
            raise ResourceFailed(f"Invalid PhysicalResourceId (RequestId: {document['RequestId']})")
        return response


def as_text(value: Any) -> Any:
    """A value as a handler receives it: every scalar is a string."""
    if isinstance(value, Mapping):
        return {str(key): as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    return text_of(value)


def _resource(response: Mapping[str, Any], default_id: str) -> Resource:
    # An attribute without a value is one that the response does not have.
    data = {key: value for key, value in (response.get("Data") or {}).items() if value is not None}
    return Resource(
        str(response.get("PhysicalResourceId") or default_id), data,
        no_echo=is_true(response.get("NoEcho")),
    )  # fmt: skip


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.encode()) <= _LONGEST_ID_BYTES


def _same_token(request: ResourceRequest) -> bool:
    return bool(request.properties.get("ServiceToken") == request.previous.get("ServiceToken"))


def _timeout(properties: Mapping[str, Any]) -> int:
    seconds = scalar_text(properties.get("ServiceTimeout", _LONGEST_TIMEOUT))
    if not seconds.isdigit() or not 1 <= int(seconds) <= _LONGEST_TIMEOUT:
        raise _NotSent(f"ServiceTimeout must be 1 to {_LONGEST_TIMEOUT} seconds, got {seconds}")
    return int(seconds)


def _invoke(request: ResourceRequest, document: Mapping[str, Any]) -> None:
    token = str(request.properties.get("ServiceToken", ""))
    if re.match(r"arn:[a-z-]+:lambda:", token) is None:
        raise _NotSent(
            "ServiceToken must be the ARN of a Lambda function; the local cloud supports no other "
            f"kind (such as an SNS topic), got {token or 'none'}"
        )
    try:
        request.client("lambda").invoke(
            FunctionName=token, InvocationType="Event", Payload=json.dumps(document).encode()
        )
    except ClientError as error:
        details = error.response["Error"]
        raise _NotSent(
            f"Failed to invoke {token}: {details.get('Message', '')} ({details.get('Code')})"
        ) from error


def _parsed(body: bytes, pending: _Pending) -> dict[str, Any] | str:
    if len(body) > MAX_RESPONSE_BYTES:
        return f"Response object is too long: {len(body)} bytes, at most {MAX_RESPONSE_BYTES}."
    try:
        response = json.loads(body)
    except ValueError as error:
        return f"Invalid response object: not JSON: {error}"
    if not isinstance(response, dict) or response.get("Status") not in ("SUCCESS", "FAILED"):
        return "Invalid response object: Status must be SUCCESS or FAILED"
    if not isinstance(response.get("Data"), dict | None):
        return "Invalid response object: Data must be an object"
    expected = {
        "RequestId": pending.request_id,
        "StackId": pending.stack_id,
        "LogicalResourceId": pending.logical_id,
    }
    wrong = [name for name, value in expected.items() if response.get(name) != value]
    if wrong:
        return f"Invalid response object: {', '.join(wrong)} must be the request's own"
    return response


def _no_response(request_id: str) -> str:
    return (
        "CloudFormation did not receive a response from your Custom Resource. Please check your "
        f"logs for requestId [{request_id}]."
    )


def _refusal(status: int, code: str, message: str) -> Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(status, {"Content-Type": "application/xml"}, body.encode())
