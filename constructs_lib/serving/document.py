"""The serving document: the definition of an endpoint without its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..data import DataStoreBase
from .configuration import Configuration
from .rollout import AllAtOnce, Rollout
from .rules import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingDocument:
    """The definition of an endpoint without its model (see ADR 3).

    Attributes:
        endpoint_name: Name of the endpoint.
        role_arn: Role of the models.
        subnet_ids: Subnets of the instances.
        security_group_ids: Security groups of the instances.
        store: Where captured data goes, and whose key encrypts volumes.
        setup: Everything that is checked: variants, shadow, capture, rollout, metrics.
        alarm_names: Alarms that end a bad rollout.
        environment: Environment of the container.

    """

    endpoint_name: str
    role_arn: str
    subnet_ids: list[str]
    security_group_ids: list[str]
    store: DataStoreBase
    setup: Setup
    alarm_names: list[str]
    environment: dict[str, str]

    @property
    def rollout(self) -> Rollout | None:
        """The rollout of a new model or configuration; all at once by default."""
        return self.setup.rollout

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
        return Configuration(setup=self.setup, store=self.store).rendered()

    def _deployment(self) -> dict[str, Any]:
        rollout = AllAtOnce() if self.rollout is None else self.rollout
        alarms = [{"AlarmName": name} for name in self.alarm_names]
        return {**rollout.rendered(), "AutoRollbackConfiguration": {"Alarms": alarms}}

    def _scaling(self) -> list[dict[str, Any]]:
        return [
            {
                "VariantName": variant.name,
                "MinCapacity": variant.scaling.minimum,
                "MaxCapacity": variant.scaling.maximum,
                "Policies": variant.scaling.policies(self.endpoint_name),
            }
            for variant in self.setup.variants
            if variant.scaling is not None
        ]
