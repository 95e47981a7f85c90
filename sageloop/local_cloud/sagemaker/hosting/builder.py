"""From an endpoint configuration to a fleet that can be started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.sagemaker.containers import (
    multi_model_command,
    serving_command,
    serving_refusal,
)
from sageloop.local_cloud.sagemaker.hosting.artifacts import ArtifactError, Artifacts
from sageloop.local_cloud.sagemaker.hosting.capture import CaptureSettings
from sageloop.local_cloud.sagemaker.hosting.fleet import (
    Fleet,
    StartFailure,
    VariantFleet,
    VariantSpec,
)
from sageloop.local_cloud.sagemaker.hosting.instance import Blueprint, Instance
from sageloop.local_cloud.sagemaker.hosting.instance_kind import InstanceKind
from sageloop.local_cloud.sagemaker.hosting.multi_model.settings import is_multi_model
from sageloop.local_cloud.sagemaker.hosting.pipeline import PipelineBlueprint, PipelineInstance
from sageloop.local_cloud.sagemaker.hosting.pools import PooledKind
from sageloop.local_cloud.sagemaker.hosting.requests import (
    every_variant,
    not_executed,
    weight_of,
)
from sageloop.local_cloud.sagemaker.hosting.serving import VariantKind, VariantRequest
from sageloop.local_cloud.sagemaker.training.host import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sageloop.local_cloud.sagemaker.hosting.timing import Timing
    from sageloop.local_cloud.sagemaker.service import SageMakerService

    Document = Mapping[str, Any]

_STARTUP = "ContainerStartupHealthCheckTimeoutInSeconds"
_DOWNLOAD = "ModelDataDownloadTimeoutInSeconds"


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
        # Asked in this order; the last one takes what is left.
        self.kinds: list[VariantKind] = [PooledKind(self, service), InstanceKind(self, service)]

    def kind(self, config: Document, variant: Document) -> VariantKind:
        """How a variant is served: the first kind that takes it."""
        return next(kind for kind in self.kinds if kind.takes(config, variant))

    def check_config(self, config: Document) -> None:
        """Refuse what CreateEndpointConfig refuses of a configuration's variants."""
        for variant in every_variant(config):
            self.kind(config, variant).check_config(config, variant)

    def check(self, config: Document) -> None:
        """Refuse a configuration whose models are missing or cannot be served here.

        Raises ``AwsError``: AWS's if a model is not there, a refusal by name otherwise.
        """
        for variant in every_variant(config):
            self.kind(config, variant).check(config, variant)

    def initial_counts(self, config: Document) -> dict[str, int]:
        """Instances each production variant starts with."""
        return {
            variant["VariantName"]: self.kind(config, variant).initial_count(variant)
            for variant in config["ProductionVariants"]
        }

    def shadow_counts(self, config: Document) -> dict[str, int]:
        """Instances each shadow variant starts with."""
        return {
            variant["VariantName"]: self.kind(config, variant).initial_count(variant)
            for variant in config.get("ShadowProductionVariants", [])
        }

    def image_of(self, model: str) -> str:
        """The image of a model's first container."""
        return str(self.containers(model)[0]["Image"])

    def serving(self, model: str) -> Serving:
        """What runs a model's one container.

        Raises ``AwsError`` if it has several, ``ArtifactError`` if its data cannot be had.
        """
        return self._serving(model, self.container(model), None)

    def check_images(self, model: str) -> None:
        """Refuse (``AwsError``) a model of which a container has no local program."""
        for container in self.containers(model):
            why = serving_refusal(container["Image"], container)
            if why is not None:
                raise not_executed(why)

    def role_of(self, config: Document) -> str:
        """The execution role of a configuration's first model."""
        role = config.get("ExecutionRoleArn")
        if role is not None:
            return str(role)
        return self._role(config["ProductionVariants"][0]["ModelName"])

    def build(
        self, endpoint: str, config: Document, weights: Mapping[str, float] | None = None
    ) -> Fleet:
        """A fleet for a configuration; ``weights`` win over the configured ones.

        Raises :class:`StartFailure` if model data cannot be had.
        """
        given = {} if weights is None else weights

        def made(variant: Document, *, shadow: bool) -> VariantFleet:
            request = VariantRequest(
                endpoint=endpoint, config=config, document=variant, shadow=shadow,
                weight=given.get(variant["VariantName"], weight_of(variant)),
            )  # fmt: skip
            return self.kind(config, variant).build(request)

        return Fleet(
            config,
            [made(variant, shadow=False) for variant in config["ProductionVariants"]],
            [made(variant, shadow=True) for variant in config.get("ShadowProductionVariants", [])],
        )

    def instance(self, blueprint: Blueprint, on_change: Callable[[], None]) -> Instance:
        """An instance that is not started yet."""
        if isinstance(blueprint, PipelineBlueprint):
            return PipelineInstance(self._cloud, blueprint, self._timing(), on_change)
        return Instance(self._cloud, blueprint, self._timing(), on_change)

    def blueprint(self, request: VariantRequest, model: str | None = None) -> Blueprint:
        """What an instance of a variant runs: its own model, or ``model``.

        Raises :class:`StartFailure` if model data cannot be had.
        """
        name = request.document["ModelName"] if model is None else model
        containers = self.containers(name)
        parts = [self._part(request, name, container) for container in containers]
        if len(parts) == 1:
            return replace(parts[0], container=None)
        mode = self._service.store.get("model", name).get("InferenceExecutionConfig", {})
        members = {field.name: getattr(parts[0], field.name) for field in fields(Blueprint)}
        images = tuple(str(container["Image"]) for container in containers)
        own = {"container": None, "images": images}
        direct = mode.get("Mode") == "Direct"
        return PipelineBlueprint(**members | own, parts=tuple(parts), direct=direct)

    def _part(self, request: VariantRequest, model: str, container: Document) -> Blueprint:
        variant = request.document
        try:
            serving = self._serving(model, container, variant.get(_DOWNLOAD))
        except ArtifactError as error:
            raise StartFailure(str(error)) from error
        return Blueprint(
            endpoint=request.endpoint,
            variant=variant["VariantName"],
            role=serving.role,
            command=serving.command,
            environment=serving.environment,
            model_dir=serving.model_dir,
            startup_seconds=self._timing().startup(variant.get(_STARTUP)),
            container=container["ContainerHostname"],
        )

    def serving_of(
        self, container: Document, role: str, *, isolated: bool, download: int | None
    ) -> Serving:
        """What runs a container. Raises ``ArtifactError`` if its data cannot be had."""
        environment = self._environment(container, role, isolated=isolated)
        if is_multi_model(container):
            # Its data is a prefix: what is under it comes when it is asked for.
            return Serving(
                role=role,
                command=tuple(multi_model_command(container["Image"]) or ()),
                environment=environment | {"SAGEMAKER_MULTI_MODEL": "true"},
                model_dir=None,
            )
        return Serving(
            role=role,
            command=tuple(self.command_of(container) or ()),
            environment=environment,
            model_dir=self._artifacts.directory(container, role, download),
        )

    def _serving(self, model: str, container: Document, download: int | None) -> Serving:
        isolated = self._service.store.get("model", model).get("EnableNetworkIsolation", False)
        role = self._role(model)
        return self.serving_of(container, role, isolated=isolated, download=download)

    def spec(self, request: VariantRequest, blueprint: Blueprint, image: str) -> VariantSpec:
        """What a fleet of a variant is told."""
        config, variant = request.config, request.document
        metrics = config.get("MetricsConfig", {})
        routing = variant.get("RoutingConfig", {}).get("RoutingStrategy")
        return VariantSpec(
            name=variant["VariantName"],
            config_name=config["EndpointConfigName"],
            blueprint=blueprint,
            image=image,
            resolved_at=self._cloud.clock.now(),
            least_outstanding=routing == "LEAST_OUTSTANDING_REQUESTS",
            capture=CaptureSettings.of(config.get("DataCaptureConfig")),
            instance_type=variant.get("InstanceType"),
            enhanced_metrics=metrics.get("EnableEnhancedMetrics", False),
            metrics_every=float(metrics.get("MetricPublishFrequencyInSeconds", 60)),
            shadow=request.shadow,
        )

    def _environment(self, container: Document, role: str, *, isolated: bool) -> dict[str, str]:
        # The platform's own variables win over the user's, as they do on AWS.
        env = clean_environment() | dict(container.get("Environment", {}))
        env["SAGELOOP_CACHE_DIR"] = str(cache_folder())
        # Isolated, it gets no credentials and no address of this cloud. Its network is the
        # machine's all the same: in one of its own, nobody could reach its port.
        if isolated:
            region = self._cloud.region
            return env | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        credentials = self._cloud.credentials_of(role, "SageMaker")
        return env | self._cloud.child_environment(credentials)

    def container(self, model: str) -> dict[str, Any]:
        """A model's one container. Raises ``AwsError`` if it has several."""
        containers = self.containers(model)
        if len(containers) != 1:
            raise not_executed(f"a model of several containers here (model {model})")
        return containers[0]

    def containers(self, model: str) -> list[dict[str, Any]]:
        """A model's containers, each with a name: ``container-1`` … where it was given none."""
        found: list[dict[str, Any]] = self._service.models.containers_of(model)
        return [{"ContainerHostname": f"container-{n}"} | c for n, c in enumerate(found, 1)]

    def _role(self, model: str) -> str:
        return str(self._service.store.get("model", model).get("ExecutionRoleArn", ""))

    @staticmethod
    def command_of(container: Document) -> list[str] | None:
        """What serves a container's image here, if anything does."""
        return serving_command(container["Image"], container)
