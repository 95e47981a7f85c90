"""Concurrent changes of one target."""

from __future__ import annotations

import threading

from sageloop.local_cloud.scaling.turns import Turn


def _wanting(turn: Turn, *, patient: bool) -> tuple[threading.Thread, list[bool]]:
    messages: list[bool] = []

    def take() -> None:
        with turn.taken(patient=patient) as mine:
            messages.append(mine)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread, messages


def test_decision_without_change_does_not_exclude_others() -> None:
    turn = Turn()
    with turn.taken(patient=False):
        thread, messages = _wanting(turn, patient=False)
        thread.join(0.05)
        assert messages == []
    thread.join(5)

    assert messages == [True]


def test_caller_during_a_change_is_refused_or_waits() -> None:
    turn = Turn()
    with turn.taken(patient=False):
        decided, decision = _wanting(turn, patient=False)
        waiting, after = _wanting(turn, patient=True)
        turn.change()
        decided.join(5)
        assert (decision, after) == ([False], [])
    waiting.join(5)

    assert after == [True]
    with turn.taken(patient=False) as mine:
        assert mine
