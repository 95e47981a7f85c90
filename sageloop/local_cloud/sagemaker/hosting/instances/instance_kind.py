"""The default kind of variant: a number of instances that run the model's container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
from sageloop.local_cloud.sagemaker.hosting.requests import check_instances

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
    from sageloop.local_cloud.sagemaker.hosting.kind import VariantRequest

    Document = Mapping[str, Any]


class InstanceKind:
    """Real-time variants of one model on instances of one type."""

    def __init__(self, containers: ModelContainers, account: Account) -> None:
        self._containers = containers
        self._account = account

    def matches(self, config: Document, variant: Document) -> bool:
        """Return ``True``: this kind is the last one and matches all other variants."""
        return True

    def check_config(self, config: Document, variant: Document) -> None:
        """Refuse a variant that is invalid or whose model does not exist."""
        check_instances(variant)
        self._account.store.get("model", variant["ModelName"])

    def check(self, config: Document, variant: Document) -> None:
        """Refuse a model whose image has no local program."""
        self._check_image(variant["ModelName"])

    def initial_count(self, variant: Document) -> int:
        """The InitialInstanceCount."""
        return int(variant["InitialInstanceCount"])

    def build(self, request: VariantRequest) -> VariantFleet:
        """Build the fleet. Raises ``StartFailure`` if model data is not available."""
        image = self._containers.image_of(request.document["ModelName"])
        spec = self._containers.spec(request, self._containers.blueprint(request), image)
        return VariantFleet(spec, self._containers.instance, weight=request.weight)

    def _check_image(self, model: str) -> None:
        self._containers.check_images(model)
