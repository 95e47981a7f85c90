"""The order in which requests are served."""

from __future__ import annotations

import threading

import pytest

from sageloop.local_cloud.images.turns import Turns
from sageloop.waiting import until


def arrive(turns: Turns, name: int, order: list[int]) -> threading.Thread:
    """Start a thread that waits for its turn; return once it waits."""

    def come() -> None:
        with turns:
            order.append(name)

    before = turns.waiting
    thread = threading.Thread(target=come)
    thread.start()
    until("someone to wait", lambda: turns.waiting > before, seconds=180)
    return thread


@pytest.mark.feature("load: requests are answered in the order they came")
def test_requests_are_served_in_order_of_arrival() -> None:
    turns, order = Turns(1), list[int]()
    with turns:
        threads = [arrive(turns, name, order) for name in range(8)]

    for thread in threads:
        thread.join(10)
    assert order == list(range(8))


def test_concurrency_is_limited() -> None:
    turns, order = Turns(2), list[int]()

    with turns:
        with turns:
            waiting = arrive(turns, 3, order)
            assert order == []
        waiting.join(10)  # one of the two has finished, the other has not

    assert order == [3]


def test_failed_request_releases_its_turn() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="wrong"), turns:
        raise ValueError("wrong")

    with turns:
        assert turns.waiting == 0
