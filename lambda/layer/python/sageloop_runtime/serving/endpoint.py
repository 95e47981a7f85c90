"""An endpoint with its configurations and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import TryAgainError, already_exists, is_missing, message_of
from sageloop_runtime.log import log
from sageloop_runtime.names import endpoint_prefix, is_of_endpoint
from sageloop_runtime.serving.model_registry import ModelPackage
from sageloop_runtime.serving.serving_document import ServingDocument
from sageloop_runtime.times import parse_time

BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
"""In these states an endpoint can be neither updated nor deleted."""


@dataclass(frozen=True, kw_only=True)
class EndpointDescription:
    """What promotions read of an endpoint.

    Attributes:
        status: the endpoint's status.
        config: the configuration in service.
        pending_config: the configuration of the update in progress.
        reason: the failure reason; empty if there is none.
        modified_at: the last modification in epoch seconds.
        variants: the names of the production variants in service.

    """

    status: str
    config: str
    pending_config: str | None
    reason: str
    modified_at: float | None
    variants: tuple[str, ...] = ()


class EndpointResources:
    """One endpoint, its configurations and its models, which have deterministic names.

    Args:
        sagemaker: a SageMaker client.
        name: the endpoint's name.

    """

    def __init__(self, sagemaker: Any, name: str) -> None:
        self._sagemaker = sagemaker
        self._name = name

    def read(self) -> dict[str, Any] | None:
        """The response of DescribeEndpoint; None if the endpoint does not exist."""
        try:
            return dict(self._sagemaker.describe_endpoint(EndpointName=self._name))
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def describe(self) -> EndpointDescription | None:
        """The endpoint's description; None if it does not exist."""
        described = self.read()
        if described is None:
            return None
        modified = described.get("LastModifiedTime")
        pending = described.get("PendingDeploymentSummary") or {}
        return EndpointDescription(
            status=described["EndpointStatus"],
            config=described.get("EndpointConfigName", ""),
            pending_config=pending.get("EndpointConfigName"),
            reason=described.get("FailureReason", ""),
            modified_at=None if modified is None else parse_time(modified),
            variants=tuple(
                variant["VariantName"] for variant in described.get("ProductionVariants", [])
            ),
        )

    def instance_types(self, config: str) -> dict[str, list[str]]:
        """Instance types by variant of a configuration; empty if it does not exist."""
        try:
            described = self._sagemaker.describe_endpoint_config(EndpointConfigName=config)
        except ClientError as error:
            if is_missing(error):
                return {}
            raise
        return instance_types_of(described)

    def create_config(self, serving: ServingDocument, package: ModelPackage) -> None:
        """Create the model and the configuration of a package, unless they exist."""
        _create(self._sagemaker.create_model, serving.model_request(package))
        _create(self._sagemaker.create_endpoint_config, serving.config_request(package))

    def create(self, serving: ServingDocument, config: str) -> None:
        """Create the endpoint, unless it exists."""
        request: dict[str, Any] = {"EndpointName": self._name, "EndpointConfigName": config}
        if serving.deployment is not None:
            request["DeploymentConfig"] = serving.deployment
        with_retry(lambda: _create(self._sagemaker.create_endpoint, request))

    def update(
        self,
        serving: ServingDocument,
        config: str,
        *,
        current: EndpointDescription,
        auto_rollback: bool = True,
    ) -> bool:
        """Start the rollout of a configuration; False if the endpoint cannot be updated now.

        Weights and data capture are those of the configuration, and so is the number of instances
        unless a variant is scaled. SageMaker retains it for all variants or for none: if only some
        are scaled, the others are resized first.

        An update that adds, removes or renames variants has no deployment configuration:
        SageMaker accepts one only if the names of the variants stay the same.
        https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html

        Args:
            serving: the serving document.
            config: the new configuration.
            current: the endpoint before the update.
            auto_rollback: whether rollback alarms may roll the update back.

        """
        request: dict[str, Any] = {
            "EndpointName": self._name,
            "EndpointConfigName": config,
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": serving.properties_of_config,
        }
        deployment = serving.deployment
        if not auto_rollback:
            deployment = without_auto_rollback(deployment)
        if deployment and self._renames_variants(serving, current):
            log("no deployment guardrails: the variants change", endpoint=self._name)
        elif deployment:
            request["DeploymentConfig"] = deployment
        try:
            if self._resize(serving.unscaled_counts):
                return False
            with_retry(lambda: self._sagemaker.update_endpoint(**request))
        except ClientError as error:
            text = message_of(error).lower()
            if "in-progress" in text or "in progress" in text or "cannot update" in text:
                return False
            raise
        return True

    def delete(self) -> None:
        """Delete the endpoint; an endpoint that does not exist is no error."""
        _delete(lambda: self._sagemaker.delete_endpoint(EndpointName=self._name))

    def configs(self) -> Iterator[str]:
        """The names of the endpoint's configurations, newest first."""
        yield from self._list(
            self._sagemaker.list_endpoint_configs, "EndpointConfigs", "EndpointConfigName"
        )

    def prune(self, keep: set[str], newest: int) -> None:
        """Delete old configurations, and the models that no remaining configuration uses.

        Args:
            keep: configurations to keep: the one in service, the desired and the previous one.
            newest: number of the newest configurations to keep besides.

        """
        names = list(self.configs())
        kept = keep | set(names[:newest])
        if not set(names) - kept:
            return
        # The list may lack a configuration that was created a moment ago, and is in service.
        models = {model for config in kept for model in self._models_of(config)}
        for config in names:
            if config not in kept:
                self._delete_config(config)
        self._delete_models(keep=models)

    def delete_configs(self) -> None:
        """Delete every configuration and model."""
        for config in list(self.configs()):
            self._delete_config(config)
        self._delete_models(keep=set())

    def _resize(self, counts: Mapping[str, int]) -> bool:
        """Set the number of instances of variants that have another; whether there is one."""
        if not counts:
            return False
        described = self._sagemaker.describe_endpoint(EndpointName=self._name)
        current = {
            variant["VariantName"]: variant.get("DesiredInstanceCount")
            for variant in described.get("ProductionVariants", [])
        }
        changes = [
            {"VariantName": name, "DesiredInstanceCount": count}
            for name, count in counts.items()
            if current.get(name) not in {None, count}
        ]
        if changes:
            log("resized before the update", endpoint=self._name, changes=changes)
            self._sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=self._name, DesiredWeightsAndCapacities=changes
            )
        return bool(changes)

    def _renames_variants(self, serving: ServingDocument, current: EndpointDescription) -> bool:
        """Whether the names of the variants change; False if they are unknown."""
        names = set(current.variants or self.instance_types(current.config))
        return bool(names) and names != set(serving.variants)

    def _models_of(self, config: str) -> list[str]:
        try:
            described = self._sagemaker.describe_endpoint_config(EndpointConfigName=config)
        except ClientError as error:
            if is_missing(error):
                return []
            raise
        variants = [
            *described.get("ProductionVariants", []),
            *described.get("ShadowProductionVariants", []),
        ]
        return [variant["ModelName"] for variant in variants if "ModelName" in variant]

    def _delete_config(self, name: str) -> None:
        _delete(lambda: self._sagemaker.delete_endpoint_config(EndpointConfigName=name))

    def _delete_models(self, *, keep: set[str]) -> None:
        for model in list(self._list(self._sagemaker.list_models, "Models", "ModelName")):
            if model not in keep:
                self._delete_model(model)

    def _delete_model(self, name: str) -> None:
        _delete(lambda: self._sagemaker.delete_model(ModelName=name))

    def _list(self, call: Callable[..., Any], items: str, key: str) -> Iterator[str]:
        request = {
            "NameContains": endpoint_prefix(self._name),
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
        }
        while True:
            response = call(**request)
            for item in response[items]:
                if is_of_endpoint(self._name, item[key]):
                    yield item[key]
            if not response.get("NextToken"):
                return
            request["NextToken"] = response["NextToken"]


def instance_types_of(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Sorted instance types by production variant of an endpoint configuration."""
    result = {}
    for variant in config["ProductionVariants"]:
        pools = [variant, *variant.get("InstancePools", [])]
        types = [pool["InstanceType"] for pool in pools if "InstanceType" in pool]
        result[variant["VariantName"]] = sorted(types)
    return result


def without_auto_rollback(deployment: dict[str, Any] | None) -> dict[str, Any] | None:
    """A deployment configuration without its rollback alarms."""
    if deployment is None:
        return None
    return {k: v for k, v in deployment.items() if k != "AutoRollbackConfiguration"}


def with_retry(call: Callable[[], object]) -> None:
    """Call SageMaker with a configuration that was created a moment ago.

    Raises:
        TryAgainError: if SageMaker does not find the configuration yet.

    """
    try:
        call()
    except ClientError as error:
        if is_missing(error):
            raise TryAgainError(message_of(error)) from None
        raise


def _create(call: Callable[..., Any], request: dict[str, Any]) -> None:
    """Create a resource; one that exists was created by an earlier attempt."""
    try:
        call(**request)
    except ClientError as error:
        if not already_exists(error):
            raise


def _delete(call: Callable[[], object]) -> None:
    """Delete a resource; one that does not exist is no error."""
    try:
        call()
    except ClientError as error:
        if not is_missing(error):
            raise
