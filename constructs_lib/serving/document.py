"""The serving document: what the endpoint is, whichever model is its champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..data import DataStoreBase
from .values import Canary, DataCapture, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingDocument:
    """Everything of an endpoint but its model (see ADR 3).

    Attributes:
        endpoint_name: Name of the endpoint.
        role_arn: Role of the models.
        subnet_ids: Subnets of the instances.
        security_group_ids: Security groups of the instances.
        store: Where captured data goes, and whose key encrypts volumes.
        variants: Variants.
        capture: What is captured.
        rollout: How a new model or configuration comes in.
        alarm_names: Alarms that end a bad rollout.
        environment: Environment of the container.

    """

    endpoint_name: str
    role_arn: str
    subnet_ids: list[str]
    security_group_ids: list[str]
    store: DataStoreBase
    variants: Sequence[Variant]
    capture: DataCapture | None
    rollout: Canary | None
    alarm_names: list[str]
    environment: dict[str, str]

    def rendered(self) -> dict[str, Any]:
        """The document."""
        return {
            "endpoint_name": self.endpoint_name,
            "model": self._model(),
            "config": self._config(),
            "deployment": self._deployment(),
            "scaling": self._scaling(),
            "rollback_alarms": self.alarm_names,
            "keep_configs": 3,
        }

    def _model(self) -> dict[str, Any]:
        return {
            "ExecutionRoleArn": self.role_arn,
            "VpcConfig": {
                "SecurityGroupIds": self.security_group_ids,
                "Subnets": self.subnet_ids,
            },
            "EnableNetworkIsolation": True,
            "Environment": self.environment,
        }

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "ProductionVariants": [variant.rendered() for variant in self.variants]
        }
        key = None if self.store.key is None else self.store.key.key_arn
        if key is not None:
            config["KmsKeyId"] = key
        if self.capture is not None:
            destination = self.store.uri(self.capture.prefix).rstrip("/")
            config["DataCaptureConfig"] = self.capture.rendered(destination, key)
        return config

    def _deployment(self) -> dict[str, Any]:
        all_at_once = {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            "TerminationWaitInSeconds": 120,
            "MaximumExecutionTimeoutInSeconds": 1800,
        }
        policy = all_at_once if self.rollout is None else self.rollout.rendered()
        alarms = [{"AlarmName": name} for name in self.alarm_names]
        return {
            "BlueGreenUpdatePolicy": policy,
            "AutoRollbackConfiguration": {"Alarms": alarms},
        }

    def _scaling(self) -> list[dict[str, Any]]:
        return [
            {
                "VariantName": variant.name,
                "MinCapacity": variant.scaling.minimum,
                "MaxCapacity": variant.scaling.maximum,
                "Policies": [variant.scaling.policy()],
            }
            for variant in self.variants
            if variant.scaling is not None
        ]
