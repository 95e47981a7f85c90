"""Restores the champion to an endpoint that was changed by others than the promoter.

A champion endpoint has one owner. If it was deleted, or failed, it is created again; if it serves
another configuration, the champion is rolled out to it once. A person who sets the same
configuration again insists: it stays, and an alert reports it. See decision 18.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.aws.alerts import alert
from sageloop_runtime.champion.record import LIVE, ROLLED_BACK, Champion
from sageloop_runtime.champion.repository import ChampionRepository
from sageloop_runtime.errors import is_missing
from sageloop_runtime.log import log
from sageloop_runtime.serving.endpoint import BUSY, EndpointDescription, EndpointResources
from sageloop_runtime.serving.model_registry import ModelRegistry
from sageloop_runtime.serving.serving_document import ServingDocument

RECONCILIATION = "reconciliation"
"""In the record, who started the rollout: rollback alarms do not apply to it."""
_GONE = {"deleted": "was deleted", "Failed": "failed"}


class Restoration:
    """Compares an endpoint with the champion's record, and restores the champion.

    Args:
        repository: the champion's record.
        endpoint: the endpoint.
        registry: the model registry.

    """

    def __init__(
        self, repository: ChampionRepository, endpoint: EndpointResources, registry: ModelRegistry
    ) -> None:
        self._repository = repository
        self._endpoint = endpoint
        self._registry = registry

    def step(self, champion: Champion, serving: ServingDocument, now: float | None) -> str | None:
        """The step that was taken; None if the endpoint serves the champion, or is busy."""
        if champion.state not in {LIVE, ROLLED_BACK} or not champion.desired_config:
            return None
        described = self._endpoint.describe()
        if described is not None and described.status in BUSY:
            return None
        difference = _difference(champion, described)
        if difference is None:
            if champion.row.get("left_as_is") is not None:
                self._repository.write(champion, {"left_as_is": None})
            return None
        if difference in _GONE:
            return self._restore(champion, serving, difference, _GONE[difference], now)
        if described is None or described.status != "InService":
            return self._leave(champion, difference, f"is {difference}: SageMaker Support can help")
        text = f"serves configuration {difference}, which is not the champion's"
        if difference == champion.row.get("restored_from"):
            more = f"{text}; the champion was restored once before, so it is left as it is"
            return self._leave(champion, difference, more)
        return self._restore(champion, serving, difference, text, now)

    def _restore(
        self, champion: Champion, serving: ServingDocument, difference: str, text: str,
        now: float | None,
    ) -> str | None:  # fmt: skip
        try:
            package = self._registry.read(str(champion.package_arn))
        except ClientError as error:
            if not is_missing(error):
                raise
            lost = f"{text}, and the champion's package {champion.package_arn} is deleted"
            return self._leave(champion, difference, f"{lost}: promote another one")
        change: dict[str, Any] = {
            **champion.start_rollout(serving, package, now),
            "by": RECONCILIATION,
            "restored_from": difference,
            **alert(f"Endpoint {champion.row['endpoint']} {text}. Package {package.arn} is rolled "
                    "out to it again."),
        }  # fmt: skip
        if not self._repository.write(champion, change):
            return None
        log("champion restored", endpoint=champion.row["endpoint"], difference=difference)
        return "rollout started"

    def _leave(self, champion: Champion, difference: str, text: str) -> None:
        """Alert once about what is not repaired."""
        if champion.row.get("left_as_is") != difference:
            message = f"Endpoint {champion.row['endpoint']} {text}."
            self._repository.write(champion, {"left_as_is": difference, **alert(message)})


def _difference(champion: Champion, described: EndpointDescription | None) -> str | None:
    """``deleted``, a status in which it does not serve, or the configuration that it serves."""
    if described is None:
        return "deleted"
    if described.status != "InService":
        return described.status
    return None if described.config == champion.desired_config else described.config
