"""Application Auto Scaling of an endpoint's variants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import code_of
from sageloop_runtime.serving import Serving
from sageloop_runtime.switch_targets import Targets

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"


class Scaling:
    """Registers what a serving document says about scaling.

    Args:
        autoscaling: an Application Auto Scaling client.

    """

    def __init__(self, autoscaling: Any) -> None:
        self._autoscaling = autoscaling

    def apply(self, serving: Serving) -> None:
        """Make the targets and policies what the document says; repeating it changes nothing."""
        scaled = {item["VariantName"]: item for item in serving.scaling}
        for variant in serving.variants:
            target = _target(serving, variant)
            item = scaled.get(variant)
            if item is None:
                self._deregister(target)
                continue
            self._autoscaling.register_scalable_target(
                **target, MinCapacity=item["MinCapacity"], MaxCapacity=item["MaxCapacity"]
            )
            for policy in item.get("Policies", []):
                self._autoscaling.put_scaling_policy(**target, **policy)

    def remove(self, serving: Serving) -> None:
        """Deregister every variant; AWS deletes the policies with the target."""
        for variant in serving.variants:
            self._deregister(_target(serving, variant))

    def targets(self, endpoint: str, variants: Sequence[str]) -> Targets:
        """The targets of some variants as they are, to take them away and back."""
        return Targets(self._autoscaling, endpoint, variants)

    def _deregister(self, target: dict[str, str]) -> None:
        try:
            self._autoscaling.deregister_scalable_target(**target)
        except ClientError as error:
            if code_of(error) != "ObjectNotFoundException":
                raise


def _target(serving: Serving, variant: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{serving.endpoint_name}/variant/{variant}",
        "ScalableDimension": _DIMENSION,
    }
