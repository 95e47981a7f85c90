"""Rollout of other instance types for scaled variants, which must be deregistered for it.

SageMaker refuses UpdateEndpoint while a variant that the update removes, or whose instance type it
changes, is a scalable target. The targets are recorded before they are deregistered, so that a
retry and a rollback can register them again. After a successful rollout they are registered from
the serving document.

https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-update.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sageloop_runtime.champion.record import Champion
from sageloop_runtime.champion.repository import ChampionRepository
from sageloop_runtime.log import log
from sageloop_runtime.names import is_of_endpoint
from sageloop_runtime.scaling.variant_scaling import VariantScaling
from sageloop_runtime.serving.endpoint import (
    EndpointDescription,
    EndpointResources,
    instance_types_of,
)
from sageloop_runtime.serving.serving_document import ServingDocument

Types = Mapping[str, list[str]]


def changed_variants(current: Types, desired: Types) -> list[str]:
    """Variants that are removed or get other instance types."""
    return [name for name, types in current.items() if desired.get(name) != types]


class InstanceTypeChange:
    """Deregisters the targets of changed variants before an update.

    Args:
        repository: the champion's record.
        endpoint: the endpoint.
        scaling: its scaling.

    """

    def __init__(
        self, repository: ChampionRepository, endpoint: EndpointResources, scaling: VariantScaling
    ) -> None:
        self._repository = repository
        self._endpoint = endpoint
        self._scaling = scaling

    def deregister(
        self, champion: Champion, serving: ServingDocument, description: EndpointDescription
    ) -> bool:
        """Deregister targets that the update requires; False if the record has changed."""
        current = self._types(champion, description)
        desired = instance_types_of(serving.config)
        # A configuration that another created may have other types.
        changed = changed_variants(current, desired) if current else list(description.variants)
        if not changed:
            return True
        scalable = self._scaling.targets(serving.endpoint_name, changed)
        targets = scalable.read()
        if not targets:
            return True
        known = {_key_of(each): each for each in [*champion.deregistered_targets, *targets]}
        change = {"deregistered_targets": json.dumps(list(known.values()))}
        if not self._repository.write(champion, change):
            return False
        log("deregistered for the update", endpoint=serving.endpoint_name, targets=list(known))
        scalable.deregister(targets)
        return True

    def restore(self, champion: Champion, description: EndpointDescription) -> None:
        """Register the deregistered targets of variants that are still in service."""
        recorded = champion.deregistered_targets
        if not recorded:
            return
        variants = description.variants or self._types(champion, description)
        targets = [each for each in recorded if _variant_of(each) in variants]
        endpoint = str(champion.row["endpoint"])
        self._scaling.targets(endpoint, list(variants)).register(targets)

    def _types(self, champion: Champion, description: EndpointDescription) -> Types:
        """Instance types in service; empty for a configuration of others, which it may not read."""
        if not is_of_endpoint(str(champion.row["endpoint"]), description.config):
            return {}
        return self._endpoint.instance_types(description.config)


def _key_of(each: Mapping[str, Any]) -> str:
    return f"{each['target']['ResourceId']}|{each['target']['ScalableDimension']}"


def _variant_of(each: Mapping[str, Any]) -> str:
    return str(each["target"]["ResourceId"]).rpartition("/")[2]
