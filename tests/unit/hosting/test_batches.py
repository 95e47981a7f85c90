"""Batches: no item is lost, and the order is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sageloop.local_cloud.core.activity import Activity
from sageloop.local_cloud.sagemaker.hosting.invocation.batches import Batcher

_LONG = 60.0


@pytest.fixture
def activity() -> Iterator[Activity]:
    running = Activity(threads=8)
    yield running
    running.stop()


def _wait_until_idle(activity: Activity) -> list[str]:
    return activity.wait_idle(20, also=list)


def test_full_batch_is_flushed_before_its_delay(activity: Activity) -> None:
    flushed: list[list[int]] = []
    batcher = Batcher[int](activity, "batch", flushed.append, size=2, delay=_LONG)

    for number in range(4):
        batcher.add(number)
        if number % 2:
            assert _wait_until_idle(activity) == []

    assert flushed == [[0, 1], [2, 3]]


def test_full_batch_waits_for_the_batch_before_it(activity: Activity) -> None:
    flushed: list[int] = []
    began, go_on = threading.Event(), threading.Event()

    def flush(items: list[int]) -> None:
        if not flushed:
            began.set()
            go_on.wait(180)
        flushed.extend(items)

    batcher = Batcher[int](activity, "batch", flush, size=2, delay=_LONG)
    batcher.add(0)
    batcher.add(1)
    assert began.wait(180)
    for number in range(2, 7):
        batcher.add(number)
    go_on.set()

    assert _wait_until_idle(activity) == []
    assert flushed == list(range(7))


def test_batch_after_a_full_one_waits_for_its_own_delay(activity: Activity) -> None:
    flushed: list[list[int]] = []
    batcher = Batcher[int](activity, "batch", flushed.append, size=2, delay=_LONG)
    batcher.add(0)
    batcher.add(1)
    assert _wait_until_idle(activity) == []

    batcher.add(2)

    assert activity.wait_idle(0.05, also=list) == ["batch"]
    batcher.add(3)
    assert _wait_until_idle(activity) == []
    assert flushed == [[0, 1], [2, 3]]


def test_failed_batch_does_not_affect_later_batches(activity: Activity) -> None:
    flushed: list[int] = []

    def flush(items: list[int]) -> None:
        if 0 in items:
            raise OSError("no room")
        flushed.extend(items)

    batcher = Batcher[int](activity, "batch", flush, size=1, delay=_LONG)
    batcher.add(0)
    assert _wait_until_idle(activity) == []
    batcher.add(1)

    assert _wait_until_idle(activity) == []
    assert flushed == [1]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_items_of_concurrent_threads_are_flushed_once_in_order(
    activity: Activity, size: int
) -> None:
    flushed: list[tuple[int, int]] = []
    batcher = Batcher[tuple[int, int]](activity, "batch", flushed.extend, size=size, delay=0.001)

    def add(sender: int) -> None:
        for number in range(200):
            batcher.add((sender, number))

    threads = [threading.Thread(target=add, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert _wait_until_idle(activity) == []
    for sender in range(4):
        assert [n for s, n in flushed if s == sender] == list(range(200))
