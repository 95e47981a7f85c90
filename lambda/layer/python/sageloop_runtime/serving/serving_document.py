"""The serving document, and the SageMaker requests that it renders."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.names import canonical, config_name, digest_of, model_name
from sageloop_runtime.serving.model_registry import ModelPackage

_VARIANT_LISTS = ("ProductionVariants", "ShadowProductionVariants")


@dataclass(frozen=True, kw_only=True)
class ServingDocument:
    """How an endpoint serves its champion."""

    endpoint_name: str
    model: dict[str, Any]
    config: dict[str, Any]
    deployment: dict[str, Any] | None
    scaling: tuple[dict[str, Any], ...]
    rollback_alarms: tuple[str, ...]
    keep_configs: int
    digest: str

    @classmethod
    def of_row(cls, row: Mapping[str, Any] | None, endpoint_name: str) -> ServingDocument | None:
        """From the row of an endpoint; None without one, and while the endpoint is deleted."""
        if row is None or row.get("tombstone"):
            return None
        return cls.parse(row["document"], endpoint_name)

    @classmethod
    def parse(cls, text: str, endpoint_name: str) -> ServingDocument:
        """Parse and check a serving document.

        Raises:
            BadInputError: in one line, what is wrong with it.

        """
        try:
            document = json.loads(text)
        except (ValueError, TypeError):
            raise BadInputError("the serving document is not JSON") from None
        if not isinstance(document, dict):
            raise BadInputError("the serving document is not a JSON object")
        name = document.get("endpoint_name")
        if name != endpoint_name or not endpoint_name:
            raise BadInputError(f"the document is of endpoint {name!r}, not of {endpoint_name!r}")
        model, config = document.get("model"), document.get("config")
        if not isinstance(model, dict) or "ExecutionRoleArn" not in model:
            raise BadInputError("the serving document's 'model' has no ExecutionRoleArn")
        if not isinstance(config, dict) or not config.get("ProductionVariants"):
            raise BadInputError("the serving document's 'config' has no ProductionVariants")
        return cls(
            endpoint_name=endpoint_name,
            model=model,
            config=config,
            deployment=document.get("deployment") or None,
            scaling=tuple(document.get("scaling") or ()),
            rollback_alarms=tuple(document.get("rollback_alarms") or ()),
            keep_configs=int(document.get("keep_configs", 3)),
            digest=digest_of(canonical(document), length=64),
        )

    @property
    def variants(self) -> list[str]:
        """The names of the production variants."""
        return [variant["VariantName"] for variant in self.config["ProductionVariants"]]

    @property
    def unscaled_counts(self) -> dict[str, int]:
        """Instances by production variant without scaling; empty if no variant is scaled."""
        scaled = {item["VariantName"] for item in self.scaling}
        return {
            variant["VariantName"]: int(variant["InitialInstanceCount"])
            for variant in self.config["ProductionVariants"]
            if scaled and variant["VariantName"] not in scaled and "InitialInstanceCount" in variant
        }

    @property
    def properties_of_config(self) -> list[dict[str, str]]:
        """Variant properties that an update takes from the configuration.

        The others are retained: the number of instances, if scaling changes it.
        https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_VariantProperty.html
        """
        names = ["DataCaptureConfig", "DesiredWeight"]
        names += [] if self.scaling else ["DesiredInstanceCount"]
        return [{"VariantPropertyType": name} for name in names]

    @property
    def security_groups(self) -> list[str]:
        """The security groups of the model's network interfaces."""
        return list((self.model.get("VpcConfig") or {}).get("SecurityGroupIds", []))

    def image_for(self, package: ModelPackage) -> str:
        """The container image: the one of the document, or else of the package."""
        own = self.model.get("Image")
        return package.image if own is None else str(own)

    def model_name(self, package: ModelPackage) -> str:
        """The name of the model for a package."""
        image = self.image_for(package)
        return model_name(self.endpoint_name, package.arn, self.model, image)

    def config_name(self, package: ModelPackage) -> str:
        """The name of the endpoint configuration for a package."""
        return config_name(self.endpoint_name, self.model_name(package), self.digest)

    def model_request(self, package: ModelPackage) -> dict[str, Any]:
        """The CreateModel request for a package."""
        container = {"Image": self.image_for(package), "ModelDataUrl": package.model_data_url}
        environment = {**package.environment, **(self.model.get("Environment") or {})}
        if environment:
            container["Environment"] = environment  # type: ignore[assignment]
        request = {
            "ModelName": self.model_name(package),
            "ExecutionRoleArn": self.model["ExecutionRoleArn"],
            "PrimaryContainer": container,
        }
        for key in ("VpcConfig", "EnableNetworkIsolation"):
            if self.model.get(key):
                request[key] = self.model[key]
        return request

    def config_request(self, package: ModelPackage) -> dict[str, Any]:
        """The CreateEndpointConfig request for a package."""
        request = copy.deepcopy(self.config)
        request["EndpointConfigName"] = self.config_name(package)
        for variant_list in _VARIANT_LISTS:
            for variant in request.get(variant_list, []):
                variant["ModelName"] = self.model_name(package)
        return request
