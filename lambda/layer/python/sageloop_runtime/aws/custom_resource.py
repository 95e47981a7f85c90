"""The protocol of CloudFormation's custom resources: one response to every event."""

from __future__ import annotations

import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sageloop_runtime.errors import BadInputError, TryAgainError
from sageloop_runtime.log import log

_LARGEST_BODY = 4096
_LONGEST_REASON = 1500
_LONGEST_ID = 255
_TRIES = 5
_GUARD_SECONDS = 8.0
_LAST_CALL_SECONDS = 20.0
_PUT_TIMEOUT = 4.0


class Context(Protocol):
    """The context of an invocation."""

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the function."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The event of a custom resource; every scalar of the properties is a string."""

    kind: str
    physical_id: str | None
    properties: Mapping[str, Any]
    old_properties: Mapping[str, Any]
    stack_id: str
    logical_id: str
    event: Mapping[str, Any]

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Request:
        """From the event."""
        return cls(
            kind=str(event.get("RequestType")),
            physical_id=event.get("PhysicalResourceId"),
            properties=_mapping(event.get("ResourceProperties")),
            old_properties=_mapping(event.get("OldResourceProperties")),
            stack_id=str(event.get("StackId", "")),
            logical_id=str(event.get("LogicalResourceId", "")),
            event=event,
        )

    def text(self, name: str) -> str:
        """A property.

        Raises:
            BadInputError: if it is missing or not a string.

        """
        value = self.optional_text(name)
        if value is None:
            value = self.properties.get(name)
            raise BadInputError(f"the property {name} is {value!r}: a string is expected")
        return value

    def optional_text(self, name: str) -> str | None:
        """A property; None if it is missing, empty or not a string."""
        value = self.properties.get(name)
        return value if isinstance(value, str) and value else None

    @property
    def owner(self) -> str:
        """Identifies the resource of the template, whatever its properties."""
        return f"{self.stack_id}|{self.logical_id}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of an action; ``deferred`` leaves the response to a later invocation."""

    data: Mapping[str, str] = field(default_factory=dict)
    deferred: bool = False


Action = Callable[[Request], Outcome]
Check = Callable[[], None]
PhysicalId = Callable[[Request], str]
Send = Callable[[str, bytes], None]


def named_by(name: str) -> PhysicalId:
    """The physical id of a resource that a property names.

    Without a usable property it is an id that no such resource has.

    Args:
        name: the property.

    """

    def physical_id(request: Request) -> str:
        value = request.optional_text(name)
        if value is None or len(value.encode()) > _LONGEST_ID:
            return f"{request.logical_id or 'resource'}/invalid"
        return value

    return physical_id


def put_once(url: str, body: bytes) -> None:
    """PUT the response to the URL of the event."""
    if not url.startswith(("https://", "http://")):
        raise BadInputError("the ResponseURL is neither https nor http")
    request = urllib.request.Request(url, data=body, method="PUT")  # noqa: S310 - checked above
    request.add_header("Content-Type", "")
    with urllib.request.urlopen(request, timeout=_PUT_TIMEOUT):  # noqa: S310 - checked above
        pass


class Responder:
    """Sends one response to one event, with retries.

    Args:
        event: the custom resource's event.
        send: sends a body to a URL with one PUT request.
        pause: waits the given seconds between attempts.

    """

    def __init__(
        self,
        event: Mapping[str, Any],
        *,
        send: Send = put_once,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._event = event
        self._send = send
        self._pause = pause
        self._lock = threading.Lock()
        self._responded = False

    def respond(
        self, *, ok: bool, reason: str, physical_id: str, data: Mapping[str, str] | None = None
    ) -> bool:
        """Send the response unless one was sent; whether this call sent it."""
        body = self._body(ok=ok, reason=reason, physical_id=physical_id, data=data or {})
        # A response that is not accepted leaves the event to the other thread, or to a retry.
        with self._lock:
            if self._responded:
                return False
            self._put(body)
            self._responded = True
        log("custom resource responded", ok=ok, reason=reason, physical_id=physical_id)
        return True

    def _put(self, body: bytes) -> None:
        url = str(self._event["ResponseURL"])
        for attempt in itertools.count(1):
            try:
                self._send(url, body)
            except OSError as error:
                log("the response was not accepted", attempt=attempt, error=repr(error))
                if attempt == _TRIES:
                    raise
                self._pause(0.2 * 2**attempt)
            else:
                return

    def _body(self, *, ok: bool, reason: str, physical_id: str, data: Mapping[str, str]) -> bytes:
        response: dict[str, Any] = {
            "Status": "SUCCESS" if ok else "FAILED",
            "Reason": reason[:_LONGEST_REASON],
            "PhysicalResourceId": physical_id,
            "StackId": self._event.get("StackId"),
            "RequestId": self._event.get("RequestId"),
            "LogicalResourceId": self._event.get("LogicalResourceId"),
            "Data": dict(data),
        }
        body = json.dumps(response).encode()
        if len(body) > _LARGEST_BODY:
            response |= {"Data": {}, "Reason": reason.encode("ascii", "replace")[:500].decode()}
            body = json.dumps(response).encode()
        return body


def run(
    event: Mapping[str, Any],
    context: Context,
    build: Callable[[Check], Mapping[str, Action]],
    *,
    physical_id: PhysicalId,
    send: Send = put_once,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Carry out the action of the event and respond: FAILED with the reason if it raises.

    No call begins in the last 20 seconds before Lambda's time-out. A call that is still in
    progress 8 seconds before it leaves the response, FAILED, to another thread. So what a request
    did is done when CloudFormation reads that it failed, and rolls it back.

    Args:
        event: the custom resource's event.
        context: Lambda's context.
        build: returns the actions of Create, Update and Delete; an error that it raises is
            reported as one of the action. It is given the check before each call.
        physical_id: the id of what the properties of a request describe. It depends on nothing
            else and never fails, so that a request that is refused, fails half-way or runs out
            of time has the id with which CloudFormation rolls it back.
        send: sends a body to a URL with one PUT request.
        pause: waits the given seconds between attempts.

    """
    request = Request.of(event)
    responder = Responder(event, send=send, pause=pause)
    own_id = _response_id(request, physical_id)
    guard = _guard(request, context, responder, own_id)
    try:
        outcome = _act(request, build(lambda: _check_time(request, context)))
    except Exception as error:
        log("custom resource failed", kind=request.kind, error=repr(error))
        responder.respond(ok=False, reason=_one_line(error), physical_id=own_id)
    else:
        if not outcome.deferred:
            responder.respond(ok=True, reason="completed", physical_id=own_id, data=outcome.data)
    finally:
        guard.cancel()


def _guard(
    request: Request, context: Context, responder: Responder, physical_id: str
) -> threading.Timer:
    """Responds before Lambda's time-out if the action has not."""
    remaining = context.get_remaining_time_in_millis() / 1000.0
    guard = threading.Timer(
        max(0.1, remaining - _GUARD_SECONDS),
        lambda: responder.respond(
            ok=False, reason=f"{request.kind} ran out of time", physical_id=physical_id
        ),
    )
    guard.daemon = True
    guard.start()
    return guard


def _check_time(request: Request, context: Context) -> None:
    """Refuse another call if it might outlast the response.

    Raises:
        TryAgainError: if Lambda's time-out is near.

    """
    if context.get_remaining_time_in_millis() / 1000.0 < _LAST_CALL_SECONDS:
        raise TryAgainError(f"{request.kind} ran out of time")


def _response_id(request: Request, physical_id: PhysicalId) -> str:
    """The id of the response: that of the properties; of a deletion, that of the event."""
    if request.kind == "Delete" and request.physical_id:
        return request.physical_id
    return physical_id(request)


def _mapping(value: object) -> Mapping[str, Any]:
    """The properties of an event, which may be malformed."""
    return value if isinstance(value, Mapping) else {}


def _act(request: Request, actions: Mapping[str, Action]) -> Outcome:
    action = actions.get(request.kind)
    if action is None:
        raise BadInputError(
            f"the RequestType {request.kind!r} is unknown: {', '.join(actions)} are expected"
        )
    return action(request)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    plain = isinstance(error, BadInputError | TryAgainError)
    return text if plain else f"{type(error).__name__}: {text}"
