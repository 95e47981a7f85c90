"""An endpoint with its configurations and models: looked at, made, removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.errors import TryAgainError, already_exists, is_missing, message_of
from sageloop_runtime.log import log
from sageloop_runtime.names import endpoint_prefix, is_of_endpoint
from sageloop_runtime.registry import Package
from sageloop_runtime.serving import Serving
from sageloop_runtime.times import parse_time

BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
"""In these states an endpoint can neither be updated nor deleted."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An endpoint as it is; ``wanted`` is the configuration of the update under way."""

    status: str
    config: str
    wanted: str | None
    reason: str
    changed: float | None


class Endpoints:
    """What belongs to one endpoint, by deterministic names.

    Args:
        sagemaker: a SageMaker client.
        name: the endpoint's name.

    """

    def __init__(self, sagemaker: Any, name: str) -> None:
        self._sagemaker = sagemaker
        self._name = name

    def look(self) -> Seen | None:
        """The endpoint as it is, None if there is none."""
        try:
            described = self._sagemaker.describe_endpoint(EndpointName=self._name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        changed = described.get("LastModifiedTime")
        return Seen(
            status=described["EndpointStatus"],
            config=described.get("EndpointConfigName", ""),
            wanted=(described.get("PendingDeploymentSummary") or {}).get("EndpointConfigName"),
            reason=described.get("FailureReason", ""),
            changed=None if changed is None else parse_time(changed),
        )

    def instance_types(self, config: str) -> dict[str, list[str]]:
        """Instance types of a configuration's variants by their names; none if it is gone."""
        try:
            described = self._sagemaker.describe_endpoint_config(EndpointConfigName=config)
        except ClientError as error:
            if is_missing(error):
                return {}
            raise
        return types_of(described)

    def prepare(self, serving: Serving, package: Package) -> None:
        """Make the model and the configuration, unless an earlier try did."""
        _adopt(self._sagemaker.create_model, serving.model_request(package))
        _adopt(self._sagemaker.create_endpoint_config, serving.config_request(package))

    def create(self, serving: Serving, config: str) -> None:
        """Create the endpoint; one that was created meanwhile will be seen by the next pass."""
        request: dict[str, Any] = {"EndpointName": self._name, "EndpointConfigName": config}
        if serving.deployment is not None:
            request["DeploymentConfig"] = serving.deployment
        with_retry(lambda: _adopt(self._sagemaker.create_endpoint, request))

    def update(
        self, serving: Serving, config: str, *, served: str, guarded: bool = True
    ) -> bool:  # fmt: skip
        """Start the rollout of a configuration; False if the endpoint cannot be updated now.

        Variants that come, go or change their names come in all at once and unwatched: SageMaker
        takes a deployment configuration for the same names only.
        https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html

        Args:
            serving: how it is served.
            config: the configuration.
            served: the configuration that it has now.
            guarded: whether the rollback alarms may undo the rollout.

        """
        request: dict[str, Any] = {
            "EndpointName": self._name,
            "EndpointConfigName": config,
            "RetainAllVariantProperties": True,
        }
        deployment = serving.deployment if guarded else unguarded(serving.deployment)
        if deployment and self._renames(serving, served):
            log("variants change, so nothing guards the rollout", endpoint=self._name)
        elif deployment:
            request["DeploymentConfig"] = deployment
        try:
            with_retry(lambda: self._sagemaker.update_endpoint(**request))
        except ClientError as error:
            text = message_of(error).lower()
            if "in-progress" in text or "in progress" in text or "cannot update" in text:
                return False
            raise
        return True

    def delete(self) -> None:
        """Delete the endpoint; one that is not there is no error."""
        _forgive_missing(lambda: self._sagemaker.delete_endpoint(EndpointName=self._name))

    def configs(self) -> Iterator[str]:
        """The endpoint's configurations, newest first."""
        yield from self._list(
            self._sagemaker.list_endpoint_configs, "EndpointConfigs", "EndpointConfigName"
        )

    def prune(self, keep: set[str], newest: int) -> None:
        """Delete old configurations and the models that none of the kept ones serves.

        Args:
            keep: configurations that must stay: served, wanted and previous.
            newest: how many of the newest stay besides.

        """
        names = list(self.configs())
        kept = keep | set(names[:newest])
        if not set(names) - kept:
            return
        models = {model for config in names if config in kept for model in self._models_of(config)}
        for config in names:
            if config not in kept:
                self._delete_config(config)
        self._delete_models(keep=models)

    def remove_all(self) -> None:
        """Delete every configuration and model."""
        for config in list(self.configs()):
            self._delete_config(config)
        self._delete_models(keep=set())

    def _renames(self, serving: Serving, served: str) -> bool:
        """Whether the names of the production variants change; unknown ones are taken to stay."""
        there = self.instance_types(served)
        return bool(there) and set(there) != set(serving.variants)

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
        _forgive_missing(lambda: self._sagemaker.delete_endpoint_config(EndpointConfigName=name))

    def _delete_models(self, *, keep: set[str]) -> None:
        for model in list(self._list(self._sagemaker.list_models, "Models", "ModelName")):
            if model not in keep:
                self._delete_model(model)

    def _delete_model(self, name: str) -> None:
        _forgive_missing(lambda: self._sagemaker.delete_model(ModelName=name))

    def _list(self, call: Callable[..., Any], items: str, key: str) -> Iterator[str]:
        request = {
            "NameContains": endpoint_prefix(self._name),
            "SortBy": "CreationTime",
            "SortOrder": "Descending",
        }
        while True:
            answer = call(**request)
            for item in answer[items]:
                if is_of_endpoint(self._name, item[key]):
                    yield item[key]
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]


def types_of(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Instance types of the production variants by their names, in the order of the alphabet."""
    found = {}
    for variant in config["ProductionVariants"]:
        places = [variant, *variant.get("InstancePools", [])]
        types = [place["InstanceType"] for place in places if "InstanceType" in place]
        found[variant["VariantName"]] = sorted(types)
    return found


def unguarded(deployment: dict[str, Any] | None) -> dict[str, Any] | None:
    """A deployment configuration without the alarms that would undo it."""
    if deployment is None:
        return None
    return {k: v for k, v in deployment.items() if k != "AutoRollbackConfiguration"}


def with_retry(call: Callable[[], object]) -> None:
    """Call; a configuration that SageMaker does not see yet asks for another try.

    Raises:
        TryAgainError: if the configuration just made is not visible yet.

    """
    try:
        call()
    except ClientError as error:
        if is_missing(error):
            raise TryAgainError(message_of(error)) from None
        raise


def _adopt(call: Callable[..., Any], request: dict[str, Any]) -> None:
    try:
        call(**request)
    except ClientError as error:
        if not already_exists(error):
            raise


def _forgive_missing(call: Callable[[], object]) -> None:
    try:
        call()
    except ClientError as error:
        if not is_missing(error):
            raise
