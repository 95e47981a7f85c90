"""Manual requests for a champion endpoint: promote a package, stop or start the endpoint.

A request is recorded in the champion's record and carried out by the promoter, so that a lost
response, a repeated invocation or a rollout in progress does not change its result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.champion.promotion import Promoter
from sageloop_runtime.champion.record import LIVE, ROLLED_BACK, Champion
from sageloop_runtime.champion.repository import ChampionRepository
from sageloop_runtime.errors import BadInputError, TryAgainError
from sageloop_runtime.log import log
from sageloop_runtime.names import package_version
from sageloop_runtime.previous_release import present_action
from sageloop_runtime.serving.model_registry import ModelRegistry
from sageloop_runtime.times import event_time

_WRITES = 5
_ACTIONS = ("promote", "stop", "start")


class ManualRequestHandler:
    """Records manual requests, and those of an endpoint schedule.

    Args:
        endpoint: the endpoint's name.
        table: the state table.
        registry: the model registry.
        promoter: carries the requests out.

    """

    def __init__(
        self, endpoint: str, *, table: StateTable, registry: ModelRegistry, promoter: Promoter
    ) -> None:
        self._table = table
        self._serving_id = f"serving#{endpoint}"
        self._repository = ChampionRepository(table, endpoint)
        self._registry = registry
        self._promoter = promoter

    def handle(self, event: Mapping[str, Any]) -> dict[str, str]:
        """Record a request and take the next step; ``status`` is accepted, ignored or refused.

        Raises:
            BadInputError: if the event is no valid request.
            TryAgainError: if the record kept changing meanwhile.

        """
        action, now = present_action(event.get("action")), event_time(event)
        if action not in _ACTIONS:
            raise BadInputError(f"action is {action!r}: one of {', '.join(_ACTIONS)} is expected")
        if not event.get("id"):
            raise BadInputError("the event has no 'id', which identifies a repeated request")
        for _ in range(_WRITES):
            champion = self._repository.read()
            response = self._not_accepted(champion, event, now)
            if response is not None:
                return response
            change = self._change(champion, action, event, now)
            if isinstance(change, str):
                return _response("refused", change)
            handled = {"manual_request_id": event["id"], "manual_request_time": now}
            if self._repository.write(champion, change | handled):
                log("manual request accepted", action=action, by=event.get("by"), **change)
                return _response("accepted", "") | {"step": self._promoter.converge(now)}
        raise TryAgainError("the champion's record kept changing while a request was recorded")

    def _not_accepted(
        self, champion: Champion, event: Mapping[str, Any], now: float
    ) -> dict[str, str] | None:
        row = champion.row
        serving = self._table.get(self._serving_id)
        if serving is None or serving.get("tombstone") or champion.state == "deleting":
            return _response("refused", "the endpoint is not deployed, or is being deleted")
        if row.get("manual_request_id") == event["id"]:
            return _response("ignored", "this request was handled before") | {
                "step": self._promoter.converge(now)
            }
        if row.get("manual_request_time") is not None and now < row["manual_request_time"]:
            return _response("ignored", "a later request was handled before")
        if champion.state is None:
            return _response("refused", "the endpoint has no champion yet")
        if row.get("frozen"):
            return _response("refused", f"promotions are frozen: {row.get('reason')}")
        return None

    def _change(
        self, champion: Champion, action: str, event: Mapping[str, Any], now: float
    ) -> Row | str:
        """The change of the record, or why the request is refused."""
        if action != "promote":
            return {"stopped": True if action == "stop" else None, "stop_start_at": now}
        if champion.row.get("stopped"):
            return "the endpoint is stopped: start it first"
        arn = str(event.get("package"))
        refusal = self._registry.refusal(arn)
        if refusal is not None:
            return refusal
        if champion.package_arn == arn and champion.state in {LIVE, ROLLED_BACK}:
            return f"package {package_version(arn)} is the champion already"
        # The list may lack a package that was registered a moment ago, and is the champion.
        newest = max(self._registry.newest_version(), package_version(str(champion.package_arn)))
        request = {
            "package": arn,
            "by": str(event.get("by", "unknown")),
            "at": now,
            "newest_version": newest,
        }
        return {"manual_request": json.dumps(request, sort_keys=True)}


def _response(status: str, reason: str) -> dict[str, str]:
    return {"status": status, "reason": reason}
