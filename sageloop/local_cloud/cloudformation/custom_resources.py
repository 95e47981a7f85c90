"""Custom resources: requests to a function of the user's own, awaited as CloudFormation does.

The function gets AWS's request document, every scalar in it as text, through an asynchronous
invocation, and answers by a ``PUT`` to ``ResponseURL``, which is a path on this cloud's own
front. ``ServiceTimeout`` (1 to 3600 seconds, 3600 by default) runs on the virtual clock.

One thing is better than on AWS: where the Lambda service can tell that an invocation is
finally dead (retries included), the resource fails at once with the function's error,
instead of waiting for the time-out.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.cancelling import Cancel
from sageloop.local_cloud.cloudformation.errors import Cancelled, ResourceFailed
from sageloop.local_cloud.cloudformation.intrinsics import text_of
from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.core.wire import Request, Response

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

PREFIX = "/_sageloop/cfn-response/"
MAX_RESPONSE_BYTES = 4096
_LONGEST_TIMEOUT = 3600


def is_custom(type_name: str) -> bool:
    """Whether a type is served by a function of the user's own."""
    return type_name == "AWS::CloudFormation::CustomResource" or type_name.startswith("Custom::")


@dataclass
class _Pending:
    """A request that waits for its answer."""

    request_id: str
    stack_id: str
    logical_id: str
    ended: threading.Event = field(default_factory=threading.Event)
    answer: dict[str, Any] | None = None
    problem: str = ""

    def fail(self, problem: str) -> None:
        """End the wait without an answer."""
        if not self.ended.is_set():
            self.problem = problem
            self.ended.set()


class CustomResources:
    """Sends requests, keeps what is awaited, and takes the answers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._pending: dict[str, _Pending] = {}
        self._given_up: set[str] = set()
        self._listens = False
        cloud.front.add_route(PREFIX, self.take, admin=False)

    def provider(self, cancel: Cancel) -> CustomResourceProvider:
        """A provider whose waits end when ``cancel`` is raised."""
        return CustomResourceProvider(self, cancel)

    def take(self, request: Request) -> Response:
        """Take one answer: the ``PUT`` to a response URL."""
        if request.method != "PUT":
            return _refusal(405, "MethodNotAllowed", "an answer is sent by PUT")
        with self._lock:
            token = request.path.removeprefix(PREFIX)
            pending = self._pending.get(token)
            given_up = token in self._given_up
        if given_up:
            # Nobody waits any more, which the function cannot know: the URL is good for hours.
            return Response(200)
        if pending is None:
            return _refusal(403, "AccessDenied", "Request has expired")
        answer = _parsed(request.get_data(), pending)
        if not pending.ended.is_set():
            if isinstance(answer, str):
                pending.fail(answer)
            else:
                pending.answer = answer
                pending.ended.set()
        return Response(200)

    def ask(
        self, document: dict[str, Any], request: ResourceRequest, cancel: Cancel
    ) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises:
            ResourceFailed: on a FAILED or unusable answer, a dead invocation or the time-out.

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
                if pending.answer is None:
                    self._given_up.add(token)
        if pending.answer is None:
            if not pending.problem:
                doing = "creation" if document["RequestType"] == "Create" else "update"
                raise Cancelled(f"Resource {doing} cancelled")
            raise ResourceFailed(pending.problem)
        return pending.answer

    def _listen_once(self) -> None:
        with self._lock:
            if self._listens:
                return
            self._listens = True
        if self._cloud.services.has("lambda"):
            self._cloud.services.functions.on_async_failure(self._on_dead)

    def _on_dead(self, function_arn: str, payload: bytes, error: str) -> None:
        try:
            request_id = json.loads(payload).get("RequestId")
        except (ValueError, AttributeError):
            return
        with self._lock:
            waiting = [p for p in self._pending.values() if p.request_id == request_id]
        for pending in waiting:
            pending.fail(
                f"The function {function_arn} ended without answering: {error} "
                f"(RequestId: {request_id})"
            )


class CustomResourceProvider:
    """The provider protocol over :class:`CustomResources`."""

    def __init__(self, custom: CustomResources, cancel: Cancel) -> None:
        self._custom = custom
        self._cancel = cancel

    def create(self, request: ResourceRequest) -> Resource:
        """Send a Create; the function may name what it made, else the engine does."""
        # Known before the request is sent, so that a create that never answers is deleted too.
        invented = request.unique_name(max_length=255)
        try:
            answer = self._send("Create", request, {})
        except ResourceFailed as failure:
            failure.physical_id = failure.physical_id or invented
            raise
        return _resource(answer, invented)

    def update(self, request: ResourceRequest) -> Resource:
        """Send an Update; another physical id in the answer means a replacement."""
        if not _same_token(request):
            raise ResourceFailed("Modifying service token is not allowed.")
        old = {"OldResourceProperties": as_text(request.previous)}
        answer = self._send("Update", request, {"PhysicalResourceId": request.physical_id} | old)
        return _resource(answer, request.physical_id)

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
        answer = self._custom.ask(document, request, self._cancel)
        if answer["Status"] == "FAILED":
            raise ResourceFailed(
                "Received response status [FAILED] from custom resource. Message returned: "
                f"{answer.get('Reason', '')} (RequestId: {document['RequestId']})",
                physical_id=answer.get("PhysicalResourceId"),
            )
        if kind != "Delete" and not answer.get("PhysicalResourceId"):
            raise ResourceFailed(f"Invalid PhysicalResourceId (RequestId: {document['RequestId']})")
        return answer


def as_text(value: Any) -> Any:
    """A value as a handler receives it: every scalar is a string."""
    if isinstance(value, Mapping):
        return {str(key): as_text(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [as_text(inner) for inner in value]
    return text_of(value)


def _resource(answer: Mapping[str, Any], default_id: str) -> Resource:
    data = answer.get("Data") or {}
    return Resource(str(answer.get("PhysicalResourceId") or default_id), dict(data))


def _same_token(request: ResourceRequest) -> bool:
    return bool(request.properties.get("ServiceToken") == request.previous.get("ServiceToken"))


def _timeout(properties: Mapping[str, Any]) -> int:
    given = str(properties.get("ServiceTimeout", _LONGEST_TIMEOUT))
    if not given.isdigit() or not 1 <= int(given) <= _LONGEST_TIMEOUT:
        raise ResourceFailed(f"ServiceTimeout must be 1 to {_LONGEST_TIMEOUT} seconds, got {given}")
    return int(given)


def _invoke(request: ResourceRequest, document: Mapping[str, Any]) -> None:
    token = str(request.properties.get("ServiceToken", ""))
    if not token.startswith("arn:aws:lambda:"):
        raise ResourceFailed(
            "ServiceToken must be the ARN of a Lambda function; the local cloud supports no other "
            f"kind (such as an SNS topic), got {token or 'none'}"
        )
    try:
        request.client("lambda").invoke(
            FunctionName=token, InvocationType="Event", Payload=json.dumps(document).encode()
        )
    except ClientError as error:
        told = error.response["Error"]
        raise ResourceFailed(
            f"Failed to invoke {token}: {told.get('Message', '')} ({told.get('Code')})"
        ) from error


def _parsed(body: bytes, pending: _Pending) -> dict[str, Any] | str:
    if len(body) > MAX_RESPONSE_BYTES:
        return f"Response object is too long: {len(body)} bytes, at most {MAX_RESPONSE_BYTES}."
    try:
        answer = json.loads(body)
    except ValueError as error:
        return f"Invalid response object: no JSON: {error}"
    if not isinstance(answer, dict) or answer.get("Status") not in ("SUCCESS", "FAILED"):
        return "Invalid response object: Status must be SUCCESS or FAILED"
    if not isinstance(answer.get("Data") or {}, dict):
        return "Invalid response object: Data must be an object"
    expected = {
        "RequestId": pending.request_id,
        "StackId": pending.stack_id,
        "LogicalResourceId": pending.logical_id,
    }
    wrong = [name for name, value in expected.items() if answer.get(name) != value]
    if wrong:
        return f"Invalid response object: {', '.join(wrong)} must be the request's own"
    return answer


def _no_response(request_id: str) -> str:
    return (
        "CloudFormation did not receive a response from your Custom Resource. Please check your "
        f"logs for requestId [{request_id}]."
    )


def _refusal(status: int, code: str, message: str) -> Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Response(status, {"Content-Type": "application/xml"}, body.encode())
