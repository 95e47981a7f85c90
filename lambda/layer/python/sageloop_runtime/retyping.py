"""Another instance type for a scaled variant: SageMaker wants it deregistered meanwhile.

UpdateEndpoint is refused as long as a variant that it removes, or gives another instance type, is
a scalable target. What is deregistered is remembered first, so that a death in between loses
nothing and a rollback brings it back. After a rollout that succeeds the serving document says how
the variants are scaled.

https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-update.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sageloop_runtime.champion import Champion, ChampionBook
from sageloop_runtime.endpoints import Endpoints, Seen, types_of
from sageloop_runtime.log import log
from sageloop_runtime.scaling import Scaling
from sageloop_runtime.serving import Serving

Types = Mapping[str, list[str]]


def changed_variants(served: Types, wanted: Types) -> list[str]:
    """Variants that are removed or get other instance types."""
    return [name for name, types in served.items() if wanted.get(name) != types]


class Retyping:
    """Takes the targets of changed variants away before an update, and back after a rollback.

    Args:
        book: the champion's record.
        endpoints: the endpoint.
        scaling: its scaling.

    """

    def __init__(self, book: ChampionBook, endpoints: Endpoints, scaling: Scaling) -> None:
        self._book = book
        self._endpoints = endpoints
        self._scaling = scaling

    def make_way(self, champion: Champion, serving: Serving, seen: Seen) -> bool:
        """Deregister what would stand in the update's way; False if another run was faster."""
        served = self._endpoints.instance_types(seen.config)
        changed = changed_variants(served, types_of(serving.config))
        if not changed:
            return True
        targets = self._scaling.targets(serving.endpoint_name, changed)
        found = targets.read()
        if not found:
            return True
        known = {_name_of(each): each for each in [*champion.unscaled, *found]}
        if not self._book.write(champion, {"unscaled": json.dumps(list(known.values()))}):
            return False
        log("deregistered for the update", endpoint=serving.endpoint_name, targets=list(known))
        targets.remove(found)
        return True

    def undo(self, champion: Champion, seen: Seen) -> None:
        """Register again what was deregistered, for variants that are served still."""
        remembered = champion.unscaled
        if not remembered:
            return
        served = self._endpoints.instance_types(seen.config)
        back = [each for each in remembered if _variant_of(each) in served]
        endpoint = str(champion.row["endpoint"])
        self._scaling.targets(endpoint, list(served)).restore(back)


def _name_of(each: Mapping[str, Any]) -> str:
    return f"{each['target']['ResourceId']}|{each['target']['ScalableDimension']}"


def _variant_of(each: Mapping[str, Any]) -> str:
    return str(each["target"]["ResourceId"]).rpartition("/")[2]
