"""The champion's record: which package is wanted, which is live, which was good before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.endpoints import Seen
from sageloop_runtime.registry import Package
from sageloop_runtime.serving import Serving
from sageloop_runtime.state import Row, StateTable

PROMOTING = "promoting"
LIVE = "live"
ROLLED_BACK = "rolled_back"
FAILED = "failed"

_POINTER = ("package_arn", "model_data_url", "image", "serving_digest", "config_name")
_EXPECTED = ("generation", "state", "requested", "wish", "parked")
_CREATES = 2
_LONGEST_ROLLOUT = 10 * 3600
_LONGEST_MEMORY = 200


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A row of the state table as it was read; every change expects its generation and state."""

    row: Row

    @property
    def state(self) -> str | None:
        """promoting, live, rolled_back, failed, or None before the first champion."""
        return self.row.get("state")

    @property
    def package_arn(self) -> str | None:
        """The champion's package."""
        return self.row.get("package_arn")

    @property
    def wanted(self) -> str:
        """The configuration that should be served."""
        return str(self.row.get("config_name", ""))

    @property
    def live_config(self) -> str | None:
        """The configuration last seen in service as wanted."""
        return self.row.get("live_config")

    @property
    def was_asked(self) -> bool:
        """Whether the endpoint was asked to serve the wanted configuration."""
        return bool(self.wanted) and self.row.get("requested") == self.wanted

    @property
    def quarantined(self) -> list[str]:
        """Packages that are not to be tried again."""
        return list(self.row.get("quarantined", []))

    @property
    def wish(self) -> dict[str, Any] | None:
        """What a person asked for and did not get yet: ``package``, ``by``, ``at``, ``above``."""
        text = self.row.get("wish")
        return None if text is None else dict(json.loads(text))

    @property
    def unscaled(self) -> list[dict[str, Any]]:
        """Targets deregistered for the rollout under way, as the requests that make them again."""
        text = self.row.get("unscaled")
        return [] if text is None else list(json.loads(text))

    @property
    def passed_over(self) -> int:
        """Packages up to this number do not become champion of themselves: a person chose."""
        return int(self.row.get("passed_over", 0))

    @property
    def kept_configs(self) -> set[str]:
        """Configurations that must not be deleted."""
        named = ("config_name", "previous_config", "live_config", "requested")
        former = self.row.get("former") or {}
        found = [*(self.row.get(key) for key in named), former.get("config_name")]
        return {str(name) for name in found if name}

    def begun(self, serving: Serving, package: Package, now: float | None) -> Row:
        """The change that begins a promotion or a rollout of the same package."""
        former = self.row.get("former")
        if self.state in {LIVE, ROLLED_BACK}:
            former = {key: self.row.get(key) for key in (*_POINTER, "generation")}
        return {
            "generation": int(self.row.get("generation", 0)) + 1,
            "package_arn": package.arn,
            "model_data_url": package.model_data_url,
            "image": serving.image_for(package),
            "serving_digest": serving.digest,
            "config_name": serving.config_name(package),
            "previous_config": self.live_config,
            "former": former,
            "state": PROMOTING,
            "requested": None,
            "creates": None,
            "reason": None,
            "begun_at": now,
            "overdue": None,
            "by": None,
        }

    def chosen(self, serving: Serving, package: Package, now: float | None) -> Row:
        """The change that begins the promotion of the package that a person asked for."""
        wish = self.wish or {}
        return {
            **self.begun(serving, package, now),
            "wish": None,
            "by": wish.get("by"),
            "passed_over": max(self.passed_over, int(wish.get("above", 0))),
            "quarantined": [arn for arn in self.quarantined if arn != package.arn],
        }

    def unparked(self, serving: Serving, package: Package, now: float | None) -> Row:
        """The change that brings the endpoint back with the champion there is."""
        return {**self.begun(serving, package, now), "parked_at": None}

    def alive(self, now: float | None, seen: Seen) -> Row:
        """The change that notes the wanted configuration as served."""
        change: Row = {
            "state": LIVE,
            "live_config": self.wanted,
            "requested": None,
            "refused_digest": None,
            "creates": None,
            "unscaled": None,
        }
        if self.live_config != self.wanted or self.row.get("live_since") is None:
            # An old event may be the first to find the rollout done; the endpoint knows better.
            change["live_since"] = max(now or 0.0, seen.changed or 0.0)
        return change | self._remembered(change.get("live_since", self.row.get("live_since")))

    def _remembered(self, since: float | None) -> Row:
        """The list of champions with this one, if the last was another."""
        served = list(self.row.get("served", []))
        if served and served[-1]["package_arn"] == self.package_arn:
            return {}
        entry = {
            "package_arn": self.package_arn,
            "config_name": self.wanted,
            "generation": int(self.row.get("generation", 0)),
            "since": since,
            "by": self.row.get("by"),
        }
        return {"served": [*served, entry][-_LONGEST_MEMORY:]}

    def rolled_back(self, seen: Seen) -> Row:
        """The change that notes a rollback: the former champion again, the challenger barred."""
        former = self.row.get("former") or {}
        bad, good = self.package_arn, former.get("package_arn")
        why = seen.reason or "its bake was not passed"
        text = (
            f"Rollback of endpoint {self.row['endpoint']}: configuration {self.wanted} "
            f"(package {bad}) was rolled back: {why}. {seen.config} keeps serving."
        )
        change: Row = {key: former.get(key) for key in _POINTER}
        change |= {
            "generation": int(self.row.get("generation", 0)) + 1,
            "state": ROLLED_BACK,
            "requested": None,
            "unscaled": None,
            "reason": text,
            "page": text,
        }
        if bad != good:
            change["quarantined"] = sorted({*self.quarantined, str(bad)})
        else:
            change["refused_digest"] = self.row.get("serving_digest")
        return change

    def frozen(self, seen: Seen) -> Row:
        """The change that stops all promotions until a person has looked."""
        text = (
            f"Endpoint {self.row['endpoint']} is {seen.status} while {self.wanted} was rolled "
            f"out: {seen.reason or 'no reason given'}. Promotions are frozen."
        )
        return {"state": FAILED, "reason": text, "page": text, "frozen": True}

    def overdue(self, seen: Seen, now: float | None) -> Row | None:
        """The change that pages once for a rollout that takes longer than AWS allows one to."""
        begun = self.row.get("begun_at")
        late = now is not None and begun is not None and now - begun > _LONGEST_ROLLOUT
        if not late or self.row.get("overdue"):
            return None
        text = (
            f"Endpoint {self.row['endpoint']} is still {seen.status} "
            f"{_LONGEST_ROLLOUT // 3600} hours after the rollout of {self.wanted} began."
        )
        return {"overdue": True, "page": text}

    def creation_failed(self, seen: Seen) -> Row:
        """The change after a failed creation: once again, then the package is barred."""
        creates = int(self.row.get("creates", 0)) + int(self.was_asked)
        if creates < _CREATES:
            return {"creates": creates, "requested": None}
        text = (
            f"Endpoint {self.row['endpoint']} could not be created with package "
            f"{self.package_arn}: {seen.reason or 'no reason given'}."
        )
        return {
            "generation": int(self.row.get("generation", 0)) + 1,
            "state": FAILED,
            "requested": None,
            "quarantined": sorted({*self.quarantined, str(self.package_arn)}),
            "reason": text,
            "page": text,
        }


class ChampionBook:
    """The champion's row of one endpoint.

    Args:
        table: the state table.
        endpoint: the endpoint's name.

    """

    def __init__(self, table: StateTable, endpoint: str) -> None:
        self._table = table
        self._endpoint = endpoint
        self.row_id = f"champion#{endpoint}"

    def read(self) -> Champion:
        """The record as it is now."""
        row = self._table.get(self.row_id) or {}
        return Champion(row={**row, "endpoint": self._endpoint})

    def write(self, champion: Champion, change: Row) -> bool:
        """Change the record if nobody did since it was read."""
        expect = {key: champion.row.get(key) for key in _EXPECTED}
        return self._table.swap(self.row_id, change=change, expect=expect)

    def fence(self) -> None:
        """Let every change that is being prepared elsewhere fail; done before deletion."""
        champion = self.read()
        generation = int(champion.row.get("generation", 0)) + 1
        change: dict[str, Any] = {"generation": generation, "state": "deleting"}
        self._table.swap(self.row_id, change=change)
