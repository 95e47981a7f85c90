"""The virtual clock: order, jumps, rates, what it holds."""

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
    seen: queue.Queue[str] = queue.Queue()
    return seen, lambda name: lambda: seen.put(name)


def test_a_jump_fires_every_timer_it_passes_in_order(clock: VirtualClock) -> None:
    seen, says = collector()
    clock.call_later(7200, says("second"), label="b")
    clock.call_later(3600, says("first"), label="a")
    clock.call_later(1e6, says("never"), label="c")

    clock.advance(10_000)

    assert [seen.get(timeout=180), seen.get(timeout=180)] == ["first", "second"]
    assert seen.empty()


def test_a_cancelled_timer_never_fires(clock: VirtualClock) -> None:
    seen, says = collector()
    clock.call_later(10, says("cancelled"), label="a").cancel()
    clock.call_later(20, says("kept"), label="b")

    clock.advance(30)

    assert seen.get(timeout=180) == "kept"
    assert seen.empty()


def test_turning_the_dial_wakes_a_waiting_timer(clock: VirtualClock) -> None:
    fired = threading.Event()
    clock.call_later(5_000, fired.set, label="a")

    clock.set_rate(100_000)

    assert fired.wait(180)


def test_only_held_timers_count_as_work(clock: VirtualClock) -> None:
    clock.call_later(3600, lambda: None, label="bake", holds=True)
    clock.call_later(3600, lambda: None, label="schedule")

    assert clock.held() == ["bake"]


def test_turning_the_dial_does_not_move_time(clock: VirtualClock) -> None:
    before = clock.time()
    clock.set_rate(1_000)
    clock.set_rate(1)

    # Only as much as the wall moved, a thousandfold at most.
    assert 0 <= clock.time() - before < 3600


@pytest.mark.parametrize("rate", [0, -1, 100_001])
def test_impossible_rates_are_refused(clock: VirtualClock, rate: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 100000"):
        clock.set_rate(rate)


def test_time_never_runs_backward(clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="only runs forward"):
        clock.advance(-1)
