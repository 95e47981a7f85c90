"""Application Auto Scaling of the variants of a champion endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sageloop_runtime.scaling.deletion import deregister
from sageloop_runtime.scaling.scalable_targets import ScalableTargets
from sageloop_runtime.serving.serving_document import ServingDocument

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"


class VariantScaling:
    """Registers the scaling of a serving document.

    Args:
        autoscaling: an Application Auto Scaling client.

    """

    def __init__(self, autoscaling: Any) -> None:
        self._autoscaling = autoscaling

    def apply(self, serving: ServingDocument) -> None:
        """Register the targets and policies of the document; idempotent."""
        scaled = {item["VariantName"]: item for item in serving.scaling}
        for variant in serving.variants:
            target = _target(serving, variant)
            item = scaled.get(variant)
            if item is None:
                deregister(self._autoscaling, target)
                continue
            self._autoscaling.register_scalable_target(
                **target, MinCapacity=item["MinCapacity"], MaxCapacity=item["MaxCapacity"]
            )
            for policy in item.get("Policies", []):
                self._autoscaling.put_scaling_policy(**target, **policy)

    def deregister(self, serving: ServingDocument) -> None:
        """Deregister every variant; AWS deletes its policies."""
        for variant in serving.variants:
            deregister(self._autoscaling, _target(serving, variant))

    def targets(self, endpoint: str, variants: Sequence[str]) -> ScalableTargets:
        """The scalable targets of some variants."""
        return ScalableTargets(self._autoscaling, endpoint, variants)


def _target(serving: ServingDocument, variant: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{serving.endpoint_name}/variant/{variant}",
        "ScalableDimension": _DIMENSION,
    }
