"""The containers that serve a model: images, model data, environment and instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.caller import SessionOrigin, origin_in
from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.images import (
    multi_model_command,
    serving_command,
    serving_refusal,
)
from sageloop.local_cloud.sagemaker.execution_role import (
    any_source,
    network_refusal,
    pull_denial,
    trust_refusal,
)
from sageloop.local_cloud.sagemaker.hosting.instances.artifacts import ArtifactError, Artifacts
from sageloop.local_cloud.sagemaker.hosting.instances.fleet import StartFailure, VariantSpec
from sageloop.local_cloud.sagemaker.hosting.instances.instance import Blueprint, Instance
from sageloop.local_cloud.sagemaker.hosting.instances.pipeline import (
    PipelineBlueprint,
    PipelineInstance,
)
from sageloop.local_cloud.sagemaker.hosting.invocation.capture import CaptureSettings
from sageloop.local_cloud.sagemaker.hosting.requests import not_executed
from sageloop.local_cloud.sagemaker.models import is_multi_model
from sageloop.local_cloud.sagemaker.training.host import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.kind import VariantRequest
    from sageloop.local_cloud.sagemaker.hosting.timing import Timing
    from sageloop.local_cloud.sagemaker.models import Models

    Document = Mapping[str, Any]

_STARTUP = "ContainerStartupHealthCheckTimeoutInSeconds"
_DOWNLOAD = "ModelDataDownloadTimeoutInSeconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The command, environment and model directory of one container of a model."""

    role: str
    command: tuple[str, ...]
    environment: dict[str, str]
    model_dir: Path | None


class ModelContainers:
    """Determines how the containers of models run locally; starts no process.

    ``timing`` returns the current wall-clock limits.
    """

    def __init__(self, account: Account, models: Models, timing: Callable[[], Timing]) -> None:
        self.timing = timing
        self._account = account
        self._cloud = account.cloud
        self._models = models
        self._artifacts = Artifacts(account.cloud)

    def image_of(self, model: str) -> str:
        """The image of the first container of a model."""
        return str(self.all_containers(model)[0]["Image"])

    def serving(self, model: str, *, source_arn: str) -> Serving:
        """The command and environment of a model with one container, for the job ``source_arn``.

        Raises ``AwsError`` if it has several, ``ArtifactError`` if its data is not available.
        """
        container = self.single_container(model)
        return self._serving(model, container, None, source_arn)

    def check_images(self, model: str) -> None:
        """Refuse a model with a container that has no local program (``AwsError``)."""
        for container in self.all_containers(model):
            why = serving_refusal(container["Image"], container)
            if why is not None:
                raise not_executed(why)

    def instance(self, blueprint: Blueprint, on_change: Callable[[], None]) -> Instance:
        """An instance that is not started yet."""
        if isinstance(blueprint, PipelineBlueprint):
            return PipelineInstance(self._cloud, blueprint, self.timing(), on_change)
        return Instance(self._cloud, blueprint, self.timing(), on_change)

    def blueprint(self, request: VariantRequest, model: str | None = None) -> Blueprint:
        """The blueprint of a variant's instances: for its own model, or for ``model``.

        Raises :class:`StartFailure` if model data is not available.
        """
        name = request.document["ModelName"] if model is None else model
        containers = self.all_containers(name)
        parts = [self._part(request, name, container) for container in containers]
        if len(parts) == 1:
            return replace(parts[0], container=None)
        mode = self._account.store.get("model", name).get("InferenceExecutionConfig", {})
        members = {field.name: getattr(parts[0], field.name) for field in fields(Blueprint)}
        images = tuple(str(container["Image"]) for container in containers)
        first = {"container": None, "images": images}
        direct = mode.get("Mode") == "Direct"
        return PipelineBlueprint(**members | first, parts=tuple(parts), direct=direct)

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
            startup_seconds=self.timing().startup(variant.get(_STARTUP)),
            container=container["ContainerHostname"],
        )

    def serving_of(
        self, container: Document, role: str, *, isolated: bool, download: int | None,
        source_arn: str | None = None, origin: SessionOrigin | None = None,
    ) -> Serving:  # fmt: skip
        """The command and environment of a container.

        Raises ``ArtifactError`` if the role may not be assumed, or may not read image or data.
        """
        if role:
            self._check_role(container, role, source_arn)
        environment = self._environment(container, role, origin, isolated=isolated)
        if is_multi_model(container):
            # Its model data is an S3 prefix; the models under it are downloaded on demand.
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
            model_dir=self._artifacts.directory(container, role, download, origin),
        )

    def _check_role(self, container: Document, role: str, source_arn: str | None) -> None:
        sources = [] if source_arn is None else [source_arn]
        refusal = trust_refusal(self._cloud, role, *sources, any_source(self._cloud))
        denial = pull_denial(self._cloud, role, container["Image"])
        if refusal is None and denial is not None:
            action = denial.request.action.removeprefix("ecr:")
            refusal = (
                f"The role '{role}' does not have {action} permission for the image: "
                f"'{container['Image']}'."
            )
        if refusal is not None:
            raise ArtifactError(refusal)

    def _serving(
        self, model: str, container: Document, download: int | None, source_arn: str | None = None
    ) -> Serving:
        known = self._account.store.get("model", model)
        isolated = known.get("EnableNetworkIsolation", False)
        role = self.role_of(model)
        refusal = network_refusal(self._cloud, role, known.get("VpcConfig")) if role else None
        if refusal is not None:
            raise ArtifactError(refusal)
        return self.serving_of(
            container, role, isolated=isolated, download=download, source_arn=source_arn,
            origin=origin_in(known.get("VpcConfig")),
        )  # fmt: skip

    def spec(self, request: VariantRequest, blueprint: Blueprint, image: str) -> VariantSpec:
        """The properties of a variant that its fleet needs."""
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

    def _environment(
        self, container: Document, role: str, origin: SessionOrigin | None, *, isolated: bool
    ) -> dict[str, str]:
        # As on AWS, variables of the platform take precedence over those of the user.
        env = clean_environment() | dict(container.get("Environment", {}))
        env["SAGELOOP_CACHE_DIR"] = str(cache_folder())
        # An isolated container gets neither credentials nor the address of this cloud. It uses the
        # network of the machine, because its port would not be reachable in a private one.
        if isolated:
            region = self._cloud.region
            return env | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        credentials = self._cloud.credentials_of(role, "SageMaker", origin)
        return env | self._cloud.child_environment(credentials)

    def single_container(self, model: str) -> dict[str, Any]:
        """The container of a model. Raises ``AwsError`` if it has several."""
        containers = self.all_containers(model)
        if len(containers) != 1:
            raise not_executed(f"a model with several containers (model {model})")
        return containers[0]

    def all_containers(self, model: str) -> list[dict[str, Any]]:
        """The containers of a model by name; ``container-1`` … without a ContainerHostname."""
        containers = self._models.containers_of(model)
        return [{"ContainerHostname": f"container-{n}"} | c for n, c in enumerate(containers, 1)]

    def role_of(self, model: str) -> str:
        """The execution role of a model; empty if it has none."""
        return str(self._account.store.get("model", model).get("ExecutionRoleArn", ""))

    @staticmethod
    def command_of(container: Document) -> list[str] | None:
        """The local command line that serves the image of a container, if there is one."""
        return serving_command(container["Image"], container)
