"""Copies for a shadow variant: waiting, dropping and counting."""

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
    """The attributes of a variant that copies use."""

    spec = SimpleNamespace(name="shadow", blueprint=SimpleNamespace(endpoint="e"))
    weight = 1.0


class Copies:
    """Records copies that are sent once ``wait_until_idle`` releases them."""

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

    def wait_until_idle(self) -> list[str]:
        self.gate.set()
        return self.activity.wait_idle(60, also=list)


@pytest.fixture
def start() -> Iterator[Callable[..., Copies]]:
    all_copies: list[Copies] = []

    def build(**bounds: Any) -> Copies:
        all_copies.append(Copies(**bounds))
        return all_copies[-1]

    yield build
    for each in all_copies:
        each.gate.set()
        each.copies.stop()
        each.activity.stop()


def test_any_number_of_small_copies_waits(start: Callable[..., Copies]) -> None:
    copies = start()

    for number in range(500):
        copies.copy(str(number).encode())

    assert copies.wait_until_idle() == []
    assert len(copies.sent) == 500


def test_copies_over_the_memory_limit_are_dropped_and_logged(
    start: Callable[..., Copies], caplog: pytest.LogCaptureFixture
) -> None:
    copies = start(max_bytes=100_000)

    with caplog.at_level(logging.WARNING):
        for _ in range(12):
            copies.copy(bytes(10_000))

    assert copies.wait_until_idle() == []
    assert len(copies.sent) == 9  # each counts its body and a fixed overhead
    assert caplog.messages == [
        "shadow variant shadow of endpoint e is busy: 1 copies dropped so far"
    ]


def test_copy_above_the_limit_is_sent_if_none_waits(
    start: Callable[..., Copies],
) -> None:
    copies = start(max_bytes=10)

    copies.copy(bytes(100))

    assert copies.wait_until_idle() == []
    assert len(copies.sent) == 1


def test_sent_copy_releases_its_memory(start: Callable[..., Copies]) -> None:
    copies = start(max_bytes=10)
    copies.copy(b"one")
    copies.wait_until_idle()

    copies.copy(b"two")

    assert copies.wait_until_idle() == []
    assert copies.sent == [b"one", b"two"]


def test_copy_that_waits_too_long_is_dropped_and_logged(
    start: Callable[..., Copies], caplog: pytest.LogCaptureFixture
) -> None:
    copies = start(max_wait=-1.0)

    with caplog.at_level(logging.WARNING):
        copies.copy(b"late")
        assert copies.wait_until_idle() == []

    assert copies.sent == []
    assert "is busy: 1 copies" in caplog.text
