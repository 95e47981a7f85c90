"""The record of a champion: the desired, the live and the previous package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.aws.alerts import alert
from sageloop_runtime.aws.state_table import Row
from sageloop_runtime.serving.endpoint import EndpointDescription
from sageloop_runtime.serving.model_registry import ModelPackage
from sageloop_runtime.serving.serving_document import ServingDocument

PROMOTING = "promoting"
LIVE = "live"
ROLLED_BACK = "rolled_back"
FAILED = "failed"

_POINTER = ("package_arn", "model_data_url", "image", "serving_digest", "config_name")
_CREATIONS = 2
_LONGEST_ROLLOUT = 10 * 3600
_LONGEST_HISTORY = 200


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A row of the state table as it was read, and the changes that follow from it."""

    row: Row

    @property
    def state(self) -> str | None:
        """promoting, live, rolled_back, failed, or None before the first champion."""
        return self.row.get("state")

    @property
    def package_arn(self) -> str | None:
        """The champion's model package."""
        return self.row.get("package_arn")

    @property
    def desired_config(self) -> str:
        """The configuration that the endpoint should serve."""
        return str(self.row.get("config_name", ""))

    @property
    def live_config(self) -> str | None:
        """The desired configuration that was last in service."""
        return self.row.get("live_config")

    @property
    def is_requested(self) -> bool:
        """Whether SageMaker was requested to serve the desired configuration."""
        return bool(self.desired_config) and self.row.get("requested") == self.desired_config

    @property
    def quarantined(self) -> list[str]:
        """Packages that are not promoted again automatically."""
        return list(self.row.get("quarantined", []))

    @property
    def manual_request(self) -> dict[str, Any] | None:
        """The open promotion request: ``package``, ``by``, ``at``, ``newest_version``."""
        text = self.row.get("manual_request")
        if text is None:
            return None
        request = dict(json.loads(text))
        # The previous release wrote "above".
        request["newest_version"] = int(request.get("newest_version", request.pop("above", 0)))
        return request

    @property
    def deregistered_targets(self) -> list[dict[str, Any]]:
        """Targets deregistered for the rollout in progress, as requests to register them."""
        text = self.row.get("deregistered_targets")
        return [] if text is None else list(json.loads(text))

    @property
    def superseded_version(self) -> int:
        """Packages up to this version are not promoted automatically, by manual request."""
        return int(self.row.get("superseded_version", 0))

    @property
    def kept_configs(self) -> set[str]:
        """Configurations that must not be deleted."""
        keys = ("config_name", "previous_config", "live_config", "requested")
        former = self.row.get("former") or {}
        names = [*(self.row.get(key) for key in keys), former.get("config_name")]
        return {str(name) for name in names if name}

    def start_rollout(
        self, serving: ServingDocument, package: ModelPackage, now: float | None
    ) -> Row:
        """The change that starts the rollout of a package."""
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
            "creation_attempts": None,
            "reason": None,
            "rollout_started_at": now,
            "overdue": None,
            "by": None,
            "restored_from": None,
            "left_as_is": None,
        }

    def start_manual_rollout(
        self, serving: ServingDocument, package: ModelPackage, now: float | None
    ) -> Row:
        """The change that starts the rollout of the package of the manual request."""
        request = self.manual_request or {}
        newest = int(request.get("newest_version", 0))
        return {
            **self.start_rollout(serving, package, now),
            "manual_request": None,
            "by": request.get("by"),
            "superseded_version": max(self.superseded_version, newest),
            "quarantined": [arn for arn in self.quarantined if arn != package.arn],
        }

    def start_again(
        self, serving: ServingDocument, package: ModelPackage, now: float | None
    ) -> Row:
        """The change that creates a stopped endpoint again with its champion."""
        return {**self.start_rollout(serving, package, now), "stop_start_at": None}

    def go_live(self, now: float | None, endpoint: EndpointDescription) -> Row:
        """The change that records the desired configuration as live."""
        change: Row = {
            "state": LIVE,
            "live_config": self.desired_config,
            "requested": None,
            "refused_digest": None,
            "creation_attempts": None,
            "deregistered_targets": None,
        }
        if self.live_config != self.desired_config or self.row.get("live_since") is None:
            # The event may be older than the end of the rollout; the later time is right.
            change["live_since"] = max(now or 0.0, endpoint.modified_at or 0.0)
        return change | self._append_history(change.get("live_since", self.row.get("live_since")))

    def _append_history(self, since: float | None) -> Row:
        """The history of champions with this one, unless it is the last entry."""
        served = list(self.row.get("served", []))
        if served and served[-1]["package_arn"] == self.package_arn:
            return {}
        entry = {
            "package_arn": self.package_arn,
            "config_name": self.desired_config,
            "generation": int(self.row.get("generation", 0)),
            "since": since,
            "by": self.row.get("by"),
        }
        return {"served": [*served, entry][-_LONGEST_HISTORY:]}

    def roll_back(self, endpoint: EndpointDescription) -> Row:
        """The change after a rollback: the former champion; the challenger is quarantined."""
        former = self.row.get("former") or {}
        challenger, champion = self.package_arn, former.get("package_arn")
        text = (
            f"Endpoint {self.row['endpoint']}: the rollout of configuration "
            f"{self.desired_config} (package {challenger}) was rolled back: "
            f"{endpoint.reason or 'no reason given'}. "
            f"Configuration {endpoint.config} stays in service."
        )
        change: Row = {key: former.get(key) for key in _POINTER}
        change |= {
            "generation": int(self.row.get("generation", 0)) + 1,
            "state": ROLLED_BACK,
            "requested": None,
            "deregistered_targets": None,
            "reason": text,
            **alert(text),
        }
        if challenger != champion:
            change["quarantined"] = sorted({*self.quarantined, str(challenger)})
        else:
            change["refused_digest"] = self.row.get("serving_digest")
        return change

    def freeze(self, endpoint: EndpointDescription) -> Row:
        """The change that suspends promotions until the next deployment."""
        text = (
            f"Endpoint {self.row['endpoint']} is {endpoint.status} during the rollout of "
            f"{self.desired_config}: {endpoint.reason or 'no reason given'}. "
            "Promotions are frozen."
        )
        return {"state": FAILED, "reason": text, "frozen": True, **alert(text)}

    def mark_overdue(self, endpoint: EndpointDescription, now: float | None) -> Row | None:
        """The change that alerts once about a rollout longer than AWS allows."""
        started = self.row.get("rollout_started_at")
        late = now is not None and started is not None and now - started > _LONGEST_ROLLOUT
        if not late or self.row.get("overdue"):
            return None
        text = (
            f"Endpoint {self.row['endpoint']} is still {endpoint.status} "
            f"{_LONGEST_ROLLOUT // 3600} hours after the rollout of {self.desired_config} started."
        )
        return {"overdue": True, **alert(text)}

    def fail_creation(self, endpoint: EndpointDescription) -> Row:
        """The change after a failed creation: one more attempt, then the quarantine."""
        attempts = int(self.row.get("creation_attempts", 0)) + int(self.is_requested)
        if attempts < _CREATIONS:
            return {"creation_attempts": attempts, "requested": None}
        text = (
            f"Endpoint {self.row['endpoint']} could not be created with package "
            f"{self.package_arn}: {endpoint.reason or 'no reason given'}."
        )
        return {
            "generation": int(self.row.get("generation", 0)) + 1,
            "state": FAILED,
            "requested": None,
            "quarantined": sorted({*self.quarantined, str(self.package_arn)}),
            "reason": text,
            **alert(text),
        }
