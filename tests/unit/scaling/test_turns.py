"""Several who want to change one target in the same moment."""

from __future__ import annotations

import threading

from sageloop.local_cloud.scaling.turns import Turn


def _wanting(turn: Turn, *, patient: bool) -> tuple[threading.Thread, list[bool]]:
    told: list[bool] = []

    def take() -> None:
        with turn.taken(patient=patient) as mine:
            told.append(mine)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread, told


def test_decision_that_nothing_is_to_be_done_costs_nobody_a_turn() -> None:
    turn = Turn()
    with turn.taken(patient=False):
        thread, told = _wanting(turn, patient=False)
        thread.join(0.05)
        assert told == []
    thread.join(5)

    assert told == [True]


def test_whoever_meets_a_change_under_way_is_sent_away_or_waits_if_patient() -> None:
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
