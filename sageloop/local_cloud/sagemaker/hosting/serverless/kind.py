"""The serverless kind of variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint, Instance
from sageloop.local_cloud.sagemaker.hosting.serverless.environment import Environment
from sageloop.local_cloud.sagemaker.hosting.serverless.fleet import ServerlessFleet
from sageloop.local_cloud.sagemaker.hosting.serverless.settings import (
    STARTUP_SECONDS,
    ServerlessSettings,
    check_combination,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers
    from sageloop.local_cloud.sagemaker.hosting.kind import VariantRequest

    Document = Mapping[str, Any]


class ServerlessKind:
    """Variants with a ServerlessConfig."""

    def __init__(self, containers: ModelContainers, account: Account) -> None:
        self._containers = containers
        self._account = account

    def matches(self, config: Document, variant: Document) -> bool:
        """Whether a variant has a ServerlessConfig."""
        return variant.get("ServerlessConfig") is not None

    def check_config(self, config: Document, variant: Document) -> None:
        """Refuse settings out of range and features that serverless inference excludes."""
        model = variant.get("ModelName")
        known = {} if model is None else self._account.store.get("model", model)
        containers = [] if model is None else self._containers.all_containers(model)
        check_combination(config, variant, known, containers)
        ServerlessSettings.of(variant["ServerlessConfig"])

    def check(self, config: Document, variant: Document) -> None:
        """Refuse a model without a local program, or one that is no longer supported."""
        self.check_config(config, variant)
        self._containers.check_images(variant["ModelName"])

    def initial_count(self, variant: Document) -> int:
        """The ProvisionedConcurrency."""
        return ServerlessSettings.of(variant["ServerlessConfig"]).provisioned

    def build(self, request: VariantRequest) -> ServerlessFleet:
        """Build the fleet. Raises ``StartFailure`` if model data is not available."""
        blueprint = replace(
            self._containers.blueprint(request),
            startup_seconds=self._containers.timing().startup(STARTUP_SECONDS),
        )
        spec = self._containers.spec(
            request, blueprint, self._containers.image_of(request.document["ModelName"])
        )
        settings = ServerlessSettings.of(request.document["ServerlessConfig"])
        cloud = self._account.cloud

        def make(blueprint: Blueprint, on_change: Callable[[], None]) -> Instance:
            return Environment(cloud, blueprint, self._containers.timing(), on_change)

        return ServerlessFleet(cloud, spec, make, settings, weight=request.weight)
