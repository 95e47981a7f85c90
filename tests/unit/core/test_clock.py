"""The virtual clock: order of timers, advancing, rates, work in flight."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from sageloop.local_cloud.core.clock import VirtualClock


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    clock = VirtualClock(run=lambda label, work: work())
    yield clock
    clock.stop()


def collector() -> tuple[queue.Queue[str], Callable[[str], Callable[[], None]]]:
    fired: queue.Queue[str] = queue.Queue()
    return fired, lambda name: lambda: fired.put(name)


def test_advance_fires_due_timers_in_order(clock: VirtualClock) -> None:
    fired, record = collector()
    clock.call_later(7200, record("second"), label="b")
    clock.call_later(3600, record("first"), label="a")
    clock.call_later(1e6, record("never"), label="c")

    clock.advance(10_000)

    assert [fired.get(timeout=180), fired.get(timeout=180)] == ["first", "second"]
    assert fired.empty()


def test_cancelled_timer_does_not_fire(clock: VirtualClock) -> None:
    fired, record = collector()
    clock.call_later(10, record("cancelled"), label="a").cancel()
    clock.call_later(20, record("kept"), label="b")

    clock.advance(30)

    assert fired.get(timeout=180) == "kept"
    assert fired.empty()


def test_rate_change_fires_waiting_timer(clock: VirtualClock) -> None:
    fired = threading.Event()
    clock.call_later(5_000, fired.set, label="a")

    clock.set_rate(100_000)

    assert fired.wait(180)


def test_only_held_timers_count_as_work_in_flight(clock: VirtualClock) -> None:
    clock.call_later(3600, lambda: None, label="bake", holds=True)
    clock.call_later(3600, lambda: None, label="schedule")

    assert clock.held() == ["bake"]


def test_rate_change_does_not_change_the_time(clock: VirtualClock) -> None:
    before = clock.time()
    clock.set_rate(1_000)
    clock.set_rate(1)

    # At most the wall time that passed, multiplied by a thousand.
    assert 0 <= clock.time() - before < 3600


@pytest.mark.parametrize("rate", [0, -1, 100_001])
def test_invalid_rates_are_refused(clock: VirtualClock, rate: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 100000"):
        clock.set_rate(rate)


def test_negative_advance_is_refused(clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="only runs forward"):
        clock.advance(-1)
