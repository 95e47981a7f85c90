"""The kind of variants for inference components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.hosting.components.copies import Copy
from sageloop.local_cloud.sagemaker.hosting.components.desired_components import (
    DesiredComponents,
    Plan,
)
from sageloop.local_cloud.sagemaker.hosting.components.fleet import ComponentFleet
from sageloop.local_cloud.sagemaker.hosting.components.hosts import Host
from sageloop.local_cloud.sagemaker.hosting.components.requests import (
    ManagedScaling,
    check_variant,
    initial_count,
)
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint
from sageloop.local_cloud.sagemaker.hosting.instances.instance_types import InstanceTypes, Resources
from sageloop.local_cloud.sagemaker.hosting.requests import not_executed

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
    from sageloop.local_cloud.sagemaker.hosting.kind import VariantRequest

    Document = Mapping[str, Any]


class ComponentKind:
    """Variants without a ModelName; they serve the desired inference components."""

    def __init__(
        self,
        containers: ModelContainers,
        account: Account,
        types: InstanceTypes,
        desired_components: DesiredComponents,
    ) -> None:
        self._containers = containers
        self._account = account
        self._types = types
        self._desired_components = desired_components

    def matches(self, config: Document, variant: Document) -> bool:
        """Whether a variant has no ModelName."""
        return "ModelName" not in variant

    def check_config(self, config: Document, variant: Document) -> None:
        """Refuse invalid variants, and instance types whose resources are unknown."""
        check_variant(config, variant)
        self._capacity_of(variant)

    def check(self, config: Document, variant: Document) -> None:
        """Refuse unknown instance types; the models are checked with the components."""
        self._capacity_of(variant)

    def initial_count(self, variant: Document) -> int:
        """The InitialInstanceCount."""
        return initial_count(variant)

    def build(self, request: VariantRequest) -> ComponentFleet:
        """Build the fleet; scaling it starts the desired components of the variant."""
        variant, config = request.document, request.config
        blueprint = Blueprint(
            endpoint=request.endpoint, variant=variant["VariantName"],
            role=str(config["ExecutionRoleArn"]), command=(), environment={}, model_dir=None,
            startup_seconds=0.0,
        )  # fmt: skip
        spec = self._containers.spec(request, blueprint, "")
        cloud = self._account.cloud

        def make(plan: Plan, host: Host[Copy], on_change: Callable[[], None]) -> Copy:
            return Copy(cloud, plan, host, self._containers.timing(), on_change)

        return ComponentFleet(
            cloud, spec, make, self._desired_components, capacity=self._capacity_of(variant),
            managed=ManagedScaling.of(variant), weight=request.weight,
        )  # fmt: skip

    def _capacity_of(self, variant: Document) -> Resources:
        resources = self._types.of(variant["InstanceType"])
        if resources is None:
            raise not_executed(f"inference components on {variant['InstanceType']}")
        return resources
