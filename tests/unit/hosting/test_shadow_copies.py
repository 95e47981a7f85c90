"""Copies for a shadow variant: what waits, what is dropped, and that both are counted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sageloop.local_cloud.core.activity import Activity
from sageloop.local_cloud.sagemaker.hosting.routing.shadow import ShadowCopies


class Shadow:
    """A variant, as far as copies know it."""

    spec = SimpleNamespace(name="shadow", blueprint=SimpleNamespace(endpoint="e"))
    weight = 1.0


class Copies:
    """Copies that are held until they are let go."""

    def __init__(self, **bounds: Any) -> None:
        self.activity = Activity(threads=1)
        self.gate = threading.Event()
        self.sent: list[bytes] = []
        self.copies = ShadowCopies(self.activity, self._send, **bounds)
        self.production: Any = SimpleNamespace(shadow=Shadow(), weight=1.0)

    def _send(self, _shadow: Any, invocation: Any, _headers: Any) -> None:
        self.gate.wait()
        self.sent.append(invocation.body)

    def copy(self, body: bytes) -> None:
        invocation: Any = SimpleNamespace(body=body)
        self.copies.copy(self.production, invocation, {})

    def rest(self) -> list[str]:
        self.gate.set()
        return self.activity.wait_idle(60, also=list)


@pytest.fixture
def start() -> Iterator[Callable[..., Copies]]:
    made: list[Copies] = []

    def build(**bounds: Any) -> Copies:
        made.append(Copies(**bounds))
        return made[-1]

    yield build
    for each in made:
        each.gate.set()
        each.copies.stop()
        each.activity.stop()


def test_small_copies_wait_however_many_there_are(start: Callable[..., Copies]) -> None:
    made = start()

    for number in range(500):
        made.copy(str(number).encode())

    assert made.rest() == []
    assert len(made.sent) == 500


def test_copies_over_the_bound_of_bytes_are_dropped_and_logged(
    start: Callable[..., Copies], caplog: pytest.LogCaptureFixture
) -> None:
    made = start(max_bytes=100_000)

    with caplog.at_level(logging.WARNING):
        for _ in range(12):
            made.copy(bytes(10_000))

    assert made.rest() == []
    assert len(made.sent) == 9  # each with what it takes besides its body
    assert caplog.messages == [
        "shadow variant shadow of endpoint e is busy: 1 copies dropped so far"
    ]


def test_a_copy_larger_than_the_bound_is_sent_when_nothing_waits(
    start: Callable[..., Copies],
) -> None:
    made = start(max_bytes=10)

    made.copy(bytes(100))

    assert made.rest() == []
    assert len(made.sent) == 1


def test_room_of_a_sent_copy_is_free_again(start: Callable[..., Copies]) -> None:
    made = start(max_bytes=10)
    made.copy(b"one")
    made.rest()

    made.copy(b"two")

    assert made.rest() == []
    assert made.sent == [b"one", b"two"]


def test_a_copy_that_waited_too_long_is_dropped_and_logged(
    start: Callable[..., Copies], caplog: pytest.LogCaptureFixture
) -> None:
    made = start(max_wait=-1.0)

    with caplog.at_level(logging.WARNING):
        made.copy(b"late")
        assert made.rest() == []

    assert made.sent == []
    assert "is busy: 1 copies" in caplog.text
