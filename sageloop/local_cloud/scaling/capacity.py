"""Reads and sets the capacity of scalable targets through SageMaker's API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.scaling.model import TargetKey

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

INSTANCES = "sagemaker:variant:DesiredInstanceCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
COPIES = "sagemaker:inference-component:DesiredCopyCount"
_IN_PROGRESS = frozenset(("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"))
_WORDS = {
    INSTANCES: "desired instance count",
    CONCURRENCY: "desired provisioned concurrency",
    COPIES: "desired copy count",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The desired capacity of a resource, and whether the resource can be changed now."""

    capacity: int
    active: bool
    status: str


def words(key: TargetKey) -> str:
    """The dimension in the texts of AWS's activities."""
    return _WORDS[key.dimension]


def least(key: TargetKey) -> int:
    """The minimum capacity of the dimension in SageMaker's API."""
    return 1 if key.dimension == CONCURRENCY else 0


class Capacity:
    """Capacities of SageMaker's variants and inference components."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def standing(self, key: TargetKey, role: str) -> Standing | None:
        """The capacity of a resource, or ``None`` if it does not exist."""
        client = self._client(key, role)
        try:
            if key.dimension == COPIES:
                return _of_component(client.describe_inference_component(
                    InferenceComponentName=_component(key)))  # fmt: skip
            endpoint, variant = _variant(key)
            return _of_variant(key, client.describe_endpoint(EndpointName=endpoint), variant)
        except ClientError:
            return None

    def request(self, key: TargetKey, role: str, capacity: int) -> None:
        """Request a capacity from SageMaker. Raises ``ClientError`` with SageMaker's message."""
        client = self._client(key, role)
        if key.dimension == COPIES:
            client.update_inference_component_runtime_config(
                InferenceComponentName=_component(key),
                DesiredRuntimeConfig={"CopyCount": capacity},
            )
            return
        endpoint, variant = _variant(key)
        change: dict[str, Any] = {"VariantName": variant}
        if key.dimension == CONCURRENCY:
            change["ServerlessUpdateConfig"] = {"ProvisionedConcurrency": capacity}
        else:
            change["DesiredInstanceCount"] = capacity
        client.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[change]
        )

    def rest(self, key: TargetKey) -> None:
        """Wait until the resource is not being changed, is deleted, or the cloud stops."""
        store = self._cloud.services.sagemaker.store
        if key.dimension == COPIES:
            family, name, member = (
                "inference-component", _component(key), "InferenceComponentStatus",
            )  # fmt: skip
        else:
            family, name, member = "endpoint", _variant(key)[0], "EndpointStatus"
        with store.changed:
            while not self._cloud.stopped.is_set():
                resource = store.find(family, name)
                if resource is None or resource[member] not in _IN_PROGRESS:
                    return
                store.changed.wait()

    def _client(self, key: TargetKey, role: str) -> Any:
        return self._cloud.client("sagemaker", principal=role, region=key.region)


def _component(key: TargetKey) -> str:
    return key.resource.split("/")[1]


def _variant(key: TargetKey) -> tuple[str, str]:
    _, endpoint, _, variant = key.resource.split("/")
    return endpoint, variant


def _of_variant(key: TargetKey, described: Mapping[str, Any], name: str) -> Standing | None:
    for variant in described.get("ProductionVariants", ()):
        if variant["VariantName"] == name:
            status = described["EndpointStatus"]
            return Standing(_capacity(key, variant), status == "InService", status)
    # The first instances are not in service yet.
    status = described["EndpointStatus"]
    return Standing(0, False, status) if status in _IN_PROGRESS else None


def _capacity(key: TargetKey, variant: Mapping[str, Any]) -> int:
    if key.dimension == CONCURRENCY:
        config = variant.get("DesiredServerlessConfig") or variant.get("CurrentServerlessConfig")
        return int((config or {}).get("ProvisionedConcurrency", 0))
    return int(variant["DesiredInstanceCount"])


def _of_component(described: Mapping[str, Any]) -> Standing:
    status = described["InferenceComponentStatus"]
    runtime = described.get("RuntimeConfig", {})
    return Standing(int(runtime.get("DesiredCopyCount", 0)), status == "InService", status)
