"""The protocol of CloudFormation's custom resources: one response to every event."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.log import log

_LARGEST_BODY = 4096
_LONGEST_REASON = 1500
_TRIES = 5
_GUARD_SECONDS = 4.0
_PUT_TIMEOUT = 10.0


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
            properties=event.get("ResourceProperties") or {},
            old_properties=event.get("OldResourceProperties") or {},
            stack_id=str(event.get("StackId", "")),
            logical_id=str(event.get("LogicalResourceId", "")),
            event=event,
        )

    def text(self, name: str) -> str:
        """A property.

        Raises:
            BadInputError: if it is missing or not a string.

        """
        value = self.properties.get(name)
        if not isinstance(value, str) or not value:
            raise BadInputError(f"the property {name} is {value!r}: a string is expected")
        return value


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of an action; ``deferred`` leaves the response to a later invocation."""

    physical_id: str
    data: Mapping[str, str] = field(default_factory=dict)
    deferred: bool = False


Action = Callable[[Request], Outcome]
Send = Callable[[str, bytes], None]


def put_once(url: str, body: bytes) -> None:
    """PUT the response to the URL of the event."""
    if not url.startswith(("https://", "http://")):
        raise BadInputError("the ResponseURL is neither https nor http")
    request = urllib.request.Request(url, data=body, method="PUT")  # noqa: S310 - checked above
    request.add_header("Content-Type", "")
    request.add_header("Content-Length", str(len(body)))
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
        with self._lock:
            if self._responded:
                return False
            self._responded = True
        body = self._body(ok=ok, reason=reason, physical_id=physical_id, data=data or {})
        url = str(self._event["ResponseURL"])
        for attempt in range(1, _TRIES + 1):
            try:
                self._send(url, body)
            except (urllib.error.URLError, OSError) as error:
                log("the response was not accepted", attempt=attempt, error=repr(error))
                if attempt == _TRIES:
                    raise
                self._pause(0.2 * 2**attempt)
            else:
                break
        log("custom resource responded", ok=ok, reason=reason, physical_id=physical_id)
        return True

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
    actions: Callable[[], Mapping[str, Action]],
    *,
    send: Send = put_once,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Carry out the action of the event and respond: FAILED with the reason if it raises.

    Args:
        event: the custom resource's event.
        context: Lambda's context; shortly before its time-out the response is FAILED.
        actions: returns the actions of Create, Update and Delete; an error that it raises is
            reported as one of the action.
        send: sends a body to a URL with one PUT request.
        pause: waits the given seconds between attempts.

    """
    request = Request.of(event)
    responder = Responder(event, send=send, pause=pause)
    fallback = request.physical_id or request.logical_id or "none"
    remaining = context.get_remaining_time_in_millis() / 1000.0
    guard = threading.Timer(
        max(0.1, remaining - _GUARD_SECONDS),
        lambda: responder.respond(
            ok=False, reason=f"{request.kind} ran out of time", physical_id=fallback
        ),
    )
    guard.daemon = True
    guard.start()
    try:
        outcome = _act(request, actions())
    except Exception as error:
        log("custom resource failed", kind=request.kind, error=repr(error))
        responder.respond(ok=False, reason=_one_line(error), physical_id=fallback)
    else:
        if not outcome.deferred:
            responder.respond(
                ok=True, reason="completed", physical_id=outcome.physical_id, data=outcome.data
            )
    finally:
        guard.cancel()


def _act(request: Request, actions: Mapping[str, Action]) -> Outcome:
    action = actions.get(request.kind)
    if action is None:
        raise BadInputError(
            f"the RequestType {request.kind!r} is unknown: {', '.join(actions)} are expected"
        )
    return action(request)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, BadInputError) else f"{type(error).__name__}: {text}"
