"""From an endpoint configuration to a fleet that can be started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.sagemaker.containers import known_images, serving_command
from sageloop.local_cloud.sagemaker.hosting.artifacts import ArtifactError, Artifacts
from sageloop.local_cloud.sagemaker.hosting.capture import CaptureSettings
from sageloop.local_cloud.sagemaker.hosting.fleet import (
    Fleet,
    StartFailure,
    VariantFleet,
    VariantSpec,
)
from sageloop.local_cloud.sagemaker.hosting.instance import Blueprint, Instance
from sageloop.local_cloud.sagemaker.hosting.requests import not_executed, weight_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sageloop.local_cloud.sagemaker.hosting.timing import Timing
    from sageloop.local_cloud.sagemaker.service import SageMakerService

    Document = Mapping[str, Any]

_STARTUP = "ContainerStartupHealthCheckTimeoutInSeconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What runs one container of a model, whoever sends it requests."""

    role: str
    command: tuple[str, ...]
    environment: dict[str, str]
    model_dir: Path | None


class FleetBuilder:
    """Makes fleets; nothing runs until they are scaled."""

    def __init__(self, service: SageMakerService, timing: Callable[[], Timing]) -> None:
        self._service = service
        self._cloud = service.cloud
        self._timing = timing
        self._artifacts = Artifacts(service.cloud)

    def check(self, config: Document) -> None:
        """Refuse a configuration whose models are missing or cannot be served here.

        Raises ``AwsError``: AWS's if a model is not there, a refusal by name otherwise.
        """
        for variant in config["ProductionVariants"]:
            container = self._container(variant["ModelName"])
            if self._command(container) is None:
                raise not_executed(
                    f"the image {container['Image']} (it has no local program; there are "
                    f"{', '.join(known_images())})"
                )

    def image_of(self, model: str) -> str:
        """The image of a model's one container. Raises ``AwsError`` if it has several."""
        return str(self._container(model)["Image"])

    def serving(self, model: str) -> Serving:
        """What runs a model's container. Raises ``ArtifactError`` if its data cannot be had."""
        container, role = self._container(model), self._role(model)
        return Serving(
            role=role,
            command=tuple(self._command(container) or ()),
            environment=self._environment(model, container, role),
            model_dir=self._artifacts.directory(container, role),
        )

    def role_of(self, config: Document) -> str:
        """The execution role of a configuration's first model."""
        return self._role(config["ProductionVariants"][0]["ModelName"])

    def build(
        self, endpoint: str, config: Document, weights: Mapping[str, float] | None = None
    ) -> Fleet:
        """A fleet for a configuration; ``weights`` win over the configured ones.

        Raises :class:`StartFailure` if model data cannot be had.
        """
        made = []
        for variant in config["ProductionVariants"]:
            name = variant["VariantName"]
            weight = (weights or {}).get(name, weight_of(variant))
            made.append(
                VariantFleet(self._spec(endpoint, config, variant), self._instance, weight=weight)
            )
        return Fleet(config, made)

    def _instance(self, blueprint: Blueprint, on_change: Callable[[], None]) -> Instance:
        return Instance(self._cloud, blueprint, self._timing(), on_change)

    def _spec(self, endpoint: str, config: Document, variant: Document) -> VariantSpec:
        container = self._container(variant["ModelName"])
        role = self._role(variant["ModelName"])
        try:
            model_dir = self._artifacts.directory(container, role)
        except ArtifactError as error:
            raise StartFailure(str(error)) from error
        blueprint = Blueprint(
            endpoint=endpoint,
            variant=variant["VariantName"],
            role=role,
            command=tuple(self._command(container) or ()),
            environment=self._environment(variant["ModelName"], container, role),
            model_dir=model_dir,
            startup_seconds=self._timing().startup(variant.get(_STARTUP)),
        )
        routing = variant.get("RoutingConfig", {}).get("RoutingStrategy")
        return VariantSpec(
            name=variant["VariantName"],
            config_name=config["EndpointConfigName"],
            blueprint=blueprint,
            image=container["Image"],
            resolved_at=self._cloud.clock.now(),
            least_outstanding=routing == "LEAST_OUTSTANDING_REQUESTS",
            capture=CaptureSettings.of(config.get("DataCaptureConfig")),
        )

    def _environment(self, model: str, container: Document, role: str) -> dict[str, str]:
        # The platform's own variables win over the user's, as they do on AWS.
        env = clean_environment() | dict(container.get("Environment", {}))
        if self._service.store.get("model", model).get("EnableNetworkIsolation"):
            region = self._cloud.region
            return env | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        credentials = self._cloud.credentials_of(role, "SageMaker")
        return env | self._cloud.child_environment(credentials)

    def _container(self, model: str) -> dict[str, Any]:
        containers: list[dict[str, Any]] = self._service.models.containers_of(model)
        if len(containers) != 1:
            raise not_executed(f"inference pipelines (model {model})")
        return containers[0]

    def _role(self, model: str) -> str:
        return str(self._service.store.get("model", model).get("ExecutionRoleArn", ""))

    @staticmethod
    def _command(container: Document) -> list[str] | None:
        return serving_command(container["Image"])
