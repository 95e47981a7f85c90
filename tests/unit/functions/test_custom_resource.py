"""The limits of CloudFormation's protocol: sizes, times, attempts, physical ids."""

from __future__ import annotations

import json
import threading
import urllib.error
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sageloop_runtime.aws import custom_resource
from sageloop_runtime.aws.custom_resource import (
    Outcome,
    Request,
    Responder,
    named_by,
    put_once,
    run,
)
from sageloop_runtime.errors import BadInputError, TryAgainError

EVENT = {
    "RequestType": "Create", "ResponseURL": "https://answer", "StackId": "s", "RequestId": "r",
    "LogicalResourceId": "L", "ResourceProperties": {},
}  # fmt: skip


class Context:
    invoked_function_arn = "arn"

    def __init__(self, milliseconds: int = 60_000) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


def sent(reason: str = "", data: dict[str, str] | None = None) -> bytes:
    bodies: list[bytes] = []
    responder = Responder(EVENT, send=lambda _, body: bodies.append(body))
    assert responder.respond(ok=False, reason=reason, physical_id="p", data=data)
    return bodies[0]


# sizes


@pytest.mark.parametrize(("length", "kept"), [(1500, 1500), (1501, 1500)])
def test_reason_has_at_most_1500_characters(length: int, kept: int) -> None:
    assert json.loads(sent("x" * length))["Reason"] == "x" * kept


def test_body_of_4096_bytes_keeps_its_data() -> None:
    free = 4096 - len(sent(data={"d": ""}))

    assert len(sent(data={"d": "x" * free})) == 4096
    assert json.loads(sent(data={"d": "x" * free}))["Data"] == {"d": "x" * free}


def test_longer_body_keeps_the_start_of_its_reason_and_no_data() -> None:
    free = 4096 - len(sent(reason="é" + "r" * 599, data={"d": ""}))

    response = json.loads(sent(reason="é" + "r" * 599, data={"d": "x" * (free + 1)}))

    assert (response["Data"], response["Reason"]) == ({}, "?" + "r" * 499)
    assert (response["Status"], response["PhysicalResourceId"]) == ("FAILED", "p")


def test_response_names_its_event() -> None:
    response = json.loads(sent())

    assert {key: response[key] for key in ("StackId", "RequestId", "LogicalResourceId")} == {
        "StackId": "s", "RequestId": "r", "LogicalResourceId": "L",
    }  # fmt: skip


# physical ids


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x" * 255, "x" * 255), ("x" * 256, "L/invalid"), ("é" * 127, "é" * 127),
        ("é" * 128, "L/invalid"), ("", "L/invalid"), (1, "L/invalid"), (None, "L/invalid"),
    ],
)  # fmt: skip
def test_physical_id_is_the_property_of_at_most_255_bytes(value: Any, expected: str) -> None:
    request = Request.of(EVENT | {"ResourceProperties": {"Name": value}})

    assert named_by("Name")(request) == expected


def test_physical_id_without_logical_id_names_no_resource() -> None:
    assert named_by("Name")(Request.of({})) == "resource/invalid"


def test_event_without_members_is_a_request() -> None:
    request = Request.of({})

    assert (request.stack_id, request.logical_id, request.physical_id) == ("", "", None)
    assert (request.properties, request.old_properties) == ({}, {})
    assert request.owner == "|"


def answered(kind: str, **members: Any) -> dict[str, Any]:
    bodies: list[bytes] = []
    event = EVENT | {"RequestType": kind, "ResourceProperties": {"Name": "new"}} | members
    run(event, Context(), lambda _: {kind: lambda _: Outcome()}, physical_id=named_by("Name"),
        send=lambda _, body: bodies.append(body))  # fmt: skip
    return dict(json.loads(bodies[0]))


@pytest.mark.parametrize(
    ("kind", "members", "expected"),
    [
        ("Create", {}, "new"), ("Update", {"PhysicalResourceId": "old"}, "new"),
        ("Delete", {"PhysicalResourceId": "old"}, "old"), ("Delete", {}, "new"),
    ],
)  # fmt: skip
def test_only_a_deletion_keeps_the_id_of_its_event(
    kind: str, members: dict[str, Any], expected: str
) -> None:
    assert answered(kind, **members)["PhysicalResourceId"] == expected


# attempts


@pytest.mark.parametrize("error", [urllib.error.URLError("refused"), TimeoutError("late")])
def test_response_is_sent_five_times_with_growing_pauses(error: Exception) -> None:
    attempts: list[bytes] = []
    pauses: list[float] = []

    def refuse(_url: str, body: bytes) -> None:
        attempts.append(body)
        raise error

    responder = Responder(EVENT, send=refuse, pause=pauses.append)
    with pytest.raises(type(error)):
        responder.respond(ok=True, reason="", physical_id="p")

    assert len(attempts) == 5
    assert pauses == pytest.approx([0.4, 0.8, 1.6, 3.2])


def test_attempts_of_an_action_have_its_pauses() -> None:
    pauses: list[float] = []
    accepts = iter([False, True])

    def send(_url: str, _body: bytes) -> None:
        if not next(accepts):
            raise TimeoutError("late")

    run(EVENT, Context(), lambda _: {"Create": lambda _: Outcome()}, physical_id=lambda _: "p",
        send=send, pause=pauses.append)  # fmt: skip

    assert pauses == pytest.approx([0.4])


def test_refused_response_can_be_sent_again_and_a_sent_one_cannot() -> None:
    accepts = iter([False] * 5 + [True] * 2)
    bodies: list[bytes] = []

    def send(_url: str, body: bytes) -> None:
        if not next(accepts):
            raise urllib.error.URLError("refused")
        bodies.append(body)

    responder = Responder(EVENT, send=send, pause=lambda _: None)
    with pytest.raises(urllib.error.URLError):
        responder.respond(ok=True, reason="", physical_id="p")

    assert responder.respond(ok=True, reason="", physical_id="p")
    assert not responder.respond(ok=False, reason="", physical_id="p")
    assert len(bodies) == 1


# PUT


@pytest.fixture
def requests() -> Iterator[tuple[str, list[tuple[str, str | None, str | None, bytes]]]]:
    """The URL of a server, and the method, type, length and body of each of its requests."""
    taken: list[tuple[str, str | None, str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            length = self.headers["Content-Length"]
            body = self.rfile.read(int(length))
            taken.append((self.command, self.headers["Content-Type"], length, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", taken
        finally:
            server.shutdown()
            thread.join()


def test_response_is_put_without_a_content_type(
    requests: tuple[str, list[tuple[str, str | None, str | None, bytes]]],
) -> None:
    url, taken = requests

    put_once(url, b"body")

    assert taken == [("PUT", "", "4", b"body")]


@pytest.mark.parametrize("url", ["ftp://answer", "file:/etc/hostname", "answer", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(BadInputError, match="neither https nor http"):
        put_once(url, b"")


@pytest.mark.parametrize("url", ["https://answer", "http://answer"])
def test_put_waits_four_seconds(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    timeouts: list[float] = []

    class Response:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: Any) -> None: ...

    def urlopen(_request: Any, *, timeout: float) -> Response:
        timeouts.append(timeout)
        return Response()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)

    put_once(url, b"")

    assert timeouts == [4.0]


# times


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The timers that were started, none of which ends."""
    started: list[Any] = []

    class Timer:
        daemon = False
        cancelled = False

        def __init__(self, interval: float, function: Callable[[], object]) -> None:
            self.interval, self.function = interval, function

        def start(self) -> None:
            started.append(self)

        def cancel(self) -> None:
            self.cancelled = True

    monkeypatch.setattr(custom_resource.threading, "Timer", Timer)
    return started


@pytest.mark.parametrize(
    ("milliseconds", "interval"), [(60_000, 52.0), (9_500, 1.5), (8_050, 0.1), (100, 0.1)]
)
def test_guard_responds_eight_seconds_before_the_time_out(
    timers: list[Any], milliseconds: int, interval: float
) -> None:
    bodies: list[bytes] = []

    def act(_: Request) -> Outcome:
        (timer,) = timers
        assert timer.daemon
        assert not timer.cancelled
        timer.function()
        return Outcome()

    run(EVENT, Context(milliseconds), lambda _: {"Create": act}, physical_id=lambda _: "p",
        send=lambda _, body: bodies.append(body), pause=lambda _: None)  # fmt: skip

    (timer,), (body,) = timers, bodies
    assert timer.interval == pytest.approx(interval)
    assert timer.cancelled
    response = json.loads(body)
    assert (response["Status"], response["Reason"]) == ("FAILED", "Create ran out of time")
    assert response["PhysicalResourceId"] == "p"


@pytest.mark.parametrize(("milliseconds", "refused"), [(20_000, False), (19_999, True)])
def test_no_call_begins_in_the_last_20_seconds(milliseconds: int, refused: bool) -> None:
    errors: list[Exception] = []

    def build(check: Callable[[], None]) -> dict[str, Callable[[Request], Outcome]]:
        def act(_: Request) -> Outcome:
            try:
                check()
            except TryAgainError as error:
                errors.append(error)
            return Outcome()

        return {"Create": act}

    run(EVENT, Context(milliseconds), build, physical_id=lambda _: "p", send=lambda *_: None,
        pause=lambda _: None)  # fmt: skip

    assert [str(error) for error in errors] == ["Create ran out of time"] * refused
