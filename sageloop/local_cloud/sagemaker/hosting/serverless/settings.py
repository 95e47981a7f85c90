"""ServerlessConfig: its settings, and the features that it excludes.

https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.hosting.requests import invalid
from sageloop.local_cloud.sagemaker.models import is_multi_model

Document = Mapping[str, Any]
MAX_PAYLOAD = 4 * 1024**2
# Maximum wall seconds until a container passes /ping.
STARTUP_SECONDS = 180
_GIGABYTE = 1024
_OF_INSTANCES = (
    "AcceleratorType", "CapacityReservationConfig", "ContainerStartupHealthCheckTimeoutInSeconds",
    "CoreDumpConfig", "EnableSSMAccess", "InferenceAmiVersion", "InitialInstanceCount",
    "InstancePools", "InstanceType", "ManagedInstanceScaling",
    "ModelDataDownloadTimeoutInSeconds", "RoutingConfig", "VolumeSizeInGB",
)  # fmt: skip
_OF_CONFIGS = ("AsyncInferenceConfig", "DataCaptureConfig", "ExplainerConfig",
               "ShadowProductionVariants", "VpcConfig", "EnableNetworkIsolation")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServerlessSettings:
    """Memory and maximum concurrency; ``provisioned`` environments are always warm."""

    memory_mb: int
    max_concurrency: int
    provisioned: int = 0

    @classmethod
    def of(cls, config: Document) -> ServerlessSettings:
        """The settings of a ServerlessConfig. Raises ``AwsError`` if they are invalid."""
        settings = cls(
            int(config["MemorySizeInMB"]),
            int(config["MaxConcurrency"]),
            int(config.get("ProvisionedConcurrency", 0)),
        )
        if settings.memory_mb % _GIGABYTE:
            raise invalid(
                "MemorySizeInMB must be 1024, 2048, 3072, 4096, 5120 or 6144, got "
                f"{settings.memory_mb}"
            )
        return settings._checked()

    def changed(self, update: Document) -> ServerlessSettings:
        """The settings after a ServerlessUpdateConfig. Raises ``AwsError`` as :meth:`of` does."""
        max_concurrency = int(update.get("MaxConcurrency", self.max_concurrency))
        provisioned = int(update.get("ProvisionedConcurrency", self.provisioned))
        return replace(self, max_concurrency=max_concurrency, provisioned=provisioned)._checked()

    def described(self, provisioned: int) -> dict[str, int]:
        """The settings in the format of DescribeEndpoint."""
        document = {"MemorySizeInMB": self.memory_mb, "MaxConcurrency": self.max_concurrency}
        return document | ({"ProvisionedConcurrency": provisioned} if provisioned else {})

    def _checked(self) -> ServerlessSettings:
        if self.provisioned > self.max_concurrency:
            raise invalid(
                f"ProvisionedConcurrency ({self.provisioned}) must be less than or equal to "
                f"MaxConcurrency ({self.max_concurrency})"
            )
        return self


def is_serverless(config: Document) -> bool:
    """Whether an endpoint configuration is serverless."""
    return any(variant.get("ServerlessConfig") for variant in config["ProductionVariants"])


def check_update(served: Document, desired: Document) -> None:
    """Refuse an update from a serverless endpoint to one with instances."""
    if is_serverless(served) and not is_serverless(desired):
        raise invalid(
            "A serverless endpoint cannot be updated to an instance-based one; create a new "
            "endpoint."
        )


def check_combination(
    config: Document, variant: Document, model: Document, containers: list[dict[str, Any]]
) -> None:
    """Refuse features that serverless inference excludes."""
    features = list(_excluded(config, variant, model, containers))
    if features:
        raise unsupported(variant["VariantName"], features)


def unsupported(variant: str, features: list[str]) -> AwsError:
    """AWS's error, with the unsupported features."""
    return invalid(
        "One or more endpoint features are not supported using this configuration: variant "
        f"{variant} has a ServerlessConfig, which is not combined with {', '.join(features)}."
    )


def _excluded(
    config: Document, variant: Document, model: Document, containers: list[dict[str, Any]]
) -> Iterator[str]:
    yield from (member for member in _OF_CONFIGS if config.get(member))
    if len(config["ProductionVariants"]) > 1:
        yield "several production variants"
    yield from (member for member in _OF_INSTANCES if variant.get(member) is not None)
    if model.get("VpcConfig"):
        yield "a model's VpcConfig"
    if model.get("EnableNetworkIsolation"):
        yield "a model's EnableNetworkIsolation"
    if len(containers) > 1:
        yield "inference pipelines (several containers)"
    if any(map(is_multi_model, containers)):
        yield "multi-model containers (Mode MultiModel)"
    if any("ModelDataSource" in container for container in containers):
        yield "ModelDataSource"
