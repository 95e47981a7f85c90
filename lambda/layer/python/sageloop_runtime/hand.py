"""What a person asks of a champion endpoint: another champion, or that it rests for a while.

A wish is written into the champion's record and granted by the promoter like everything else,
so that a lost answer, a doubled call or a rollout under way changes nothing of its outcome.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sageloop_runtime.champion import LIVE, ROLLED_BACK, Champion, ChampionBook
from sageloop_runtime.errors import BadInputError, TryAgainError
from sageloop_runtime.log import log
from sageloop_runtime.names import package_version
from sageloop_runtime.promotion import Promoter
from sageloop_runtime.registry import Registry
from sageloop_runtime.state import Row, StateTable
from sageloop_runtime.times import event_time

_WRITES = 5
_ACTIONS = ("promote", "park", "unpark")


class Hand:
    """Takes the wishes of people, and those of a schedule that a person set.

    Args:
        endpoint: the endpoint's name.
        table: the state table.
        registry: the packages.
        promoter: moves the endpoint.

    """

    def __init__(
        self, endpoint: str, *, table: StateTable, registry: Registry, promoter: Promoter
    ) -> None:
        self._table = table
        self._serving_id = f"serving#{endpoint}"
        self._book = ChampionBook(table, endpoint)
        self._registry = registry
        self._promoter = promoter

    def handle(self, event: Mapping[str, Any]) -> dict[str, str]:
        """Note a wish and do what is next; ``status`` is accepted, done, ignored or refused.

        Raises:
            BadInputError: if the event is no wish.
            TryAgainError: if the record changed again and again meanwhile.

        """
        action, now = event.get("action"), event_time(event)
        if action not in _ACTIONS:
            raise BadInputError(f"action is {action!r}: one of {', '.join(_ACTIONS)} is expected")
        if not event.get("id"):
            raise BadInputError("the event has no 'id': the same wish is to be known again")
        for _ in range(_WRITES):
            champion = self._book.read()
            answer = self._hindrance(champion, event, now)
            if answer is not None:
                return answer
            change = self._change(champion, event, now)
            if isinstance(change, str):
                return _answer("refused", change)
            done = {"hand_id": event["id"], "hand_at": now}
            if self._book.write(champion, change | done):
                log("a person's wish", action=action, by=event.get("by"), **change)
                return _answer("accepted", "") | {"step": self._promoter.converge(now)}
        raise TryAgainError("the champion's record changed while the wish was written")

    def _hindrance(
        self, champion: Champion, event: Mapping[str, Any], now: float
    ) -> dict[str, str] | None:
        row = champion.row
        serving = self._table.get(self._serving_id)
        if serving is None or serving.get("tombstone") or champion.state == "deleting":
            return _answer("refused", "the endpoint is not deployed, or is being deleted")
        if row.get("hand_id") == event["id"]:
            return _answer("ignored", "this very wish was handled before") | {
                "step": self._promoter.converge(now)
            }
        if row.get("hand_at") is not None and now < row["hand_at"]:
            return _answer("ignored", "a later wish was handled already")
        if champion.state is None:
            return _answer("refused", "the endpoint has no champion yet")
        if row.get("frozen"):
            return _answer("refused", f"promotions are frozen: {row.get('reason')}")
        return None

    def _change(self, champion: Champion, event: Mapping[str, Any], now: float) -> Row | str:
        """What the wish changes in the record, or why it cannot be granted."""
        if event["action"] != "promote":
            return {"parked": True if event["action"] == "park" else None, "parked_at": now}
        if champion.row.get("parked"):
            return "the endpoint is parked: take it up first"
        arn = str(event.get("package"))
        fault = self._registry.fault(arn)
        if fault is not None:
            return fault
        if champion.package_arn == arn and champion.state in {LIVE, ROLLED_BACK}:
            return f"package {package_version(arn)} is the champion already"
        wish = {
            "package": arn,
            "by": str(event.get("by", "somebody")),
            "at": now,
            "above": self._registry.newest(),
        }
        return {"wish": json.dumps(wish, sort_keys=True)}


def _answer(status: str, reason: str) -> dict[str, str]:
    return {"status": status, "reason": reason}
