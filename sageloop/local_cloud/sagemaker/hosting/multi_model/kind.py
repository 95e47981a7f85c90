"""The multi-model kind of variant.

https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoints.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.images import multi_model_command, serving_refusal
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint, Instance
from sageloop.local_cloud.sagemaker.hosting.instances.instance_kind import InstanceKind
from sageloop.local_cloud.sagemaker.hosting.multi_model.fleet import MultiModelFleet
from sageloop.local_cloud.sagemaker.hosting.multi_model.instance import MultiModelInstance
from sageloop.local_cloud.sagemaker.hosting.multi_model.settings import MultiModelSettings
from sageloop.local_cloud.sagemaker.hosting.requests import invalid, not_executed
from sageloop.local_cloud.sagemaker.models import is_multi_model

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import InstanceTypes
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
    from sageloop.local_cloud.sagemaker.hosting.kind import VariantRequest

    Document = Mapping[str, Any]


class MultiModelKind(InstanceKind):
    """Variants whose model has a container with ``Mode: MultiModel``."""

    def __init__(self, containers: ModelContainers, account: Account, types: InstanceTypes) -> None:
        super().__init__(containers, account)
        self._types = types

    def matches(self, config: Document, variant: Document) -> bool:
        """Whether the model is multi-model; an unknown model is left to another kind."""
        name = variant.get("ModelName")
        known = name is not None and self._account.store.find("model", name) is not None
        return known and any(map(is_multi_model, self._containers.all_containers(str(name))))

    def check_config(self, config: Document, variant: Document) -> None:
        """Refuse features that cannot be combined with a multi-model variant."""
        name = variant["VariantName"]
        if variant.get("InstancePools"):
            raise not_executed(f"InstancePools of a multi-model variant ({name})")
        if len(self._containers.all_containers(variant["ModelName"])) > 1:
            raise not_executed(f"a multi-model container in an inference pipeline ({name})")
        super().check_config(config, variant)
        if self._types.of(variant["InstanceType"]) is None:
            raise not_executed(f"multi-model endpoints on {variant['InstanceType']}")

    def check(self, config: Document, variant: Document) -> None:
        """Refuse an image without multi-model support, with AWS's message."""
        container = self._containers.single_container(variant["ModelName"])
        image = container["Image"]
        why = serving_refusal(image, container)
        if why is not None:
            raise not_executed(why)
        if multi_model_command(image) is None:
            raise invalid(
                f"Your Ecr Image {image} does not contain required "
                "com.amazonaws.sagemaker.capabilities.multi-models=true Docker label(s)."
            )

    def build(self, request: VariantRequest) -> MultiModelFleet:
        """Build the fleet; models are downloaded on demand."""
        variant = request.document
        container = self._containers.single_container(variant["ModelName"])
        blueprint = self._containers.blueprint(request)
        spec = self._containers.spec(request, blueprint, container["Image"])
        has = self._types.of(variant["InstanceType"])
        if has is None:
            raise not_executed(f"multi-model endpoints on {variant['InstanceType']}")
        settings = MultiModelSettings.of(container, variant, has.memory_mb)

        def make(blueprint: Blueprint, on_change: Callable[[], None]) -> Instance:
            cloud, timing = self._account.cloud, self._containers.timing()
            return MultiModelInstance(cloud, blueprint, timing, on_change, settings)

        return MultiModelFleet(spec, make, weight=request.weight)
