"""The cloud's own services, each as what the others may ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from sageloop.local_cloud.core.contracts import (
    AutoScaling,
    CloudWatch,
    EventBridge,
    Lambda,
    SageMaker,
)
from sageloop.local_cloud.core.operations import Operations

Model = Literal["application-autoscaling", "cloudwatch", "events", "lambda", "sagemaker"]
"""A service that others ask for, by its botocore name."""

_Service = TypeVar("_Service", bound=Operations)


class Registry:
    """Finds a service by the contract that it keeps.

    A cloud may be put together of some services only: :meth:`has` tells, and each property
    raises ``LookupError`` for a service that is not there.
    """

    def __init__(self, services: Mapping[str, Operations]) -> None:
        self._services = services

    def has(self, model: Model) -> bool:
        """Whether this cloud has a service."""
        return model in self._services

    @property
    def cloudwatch(self) -> CloudWatch:
        """Metrics and alarms."""
        return cast("CloudWatch", self._of("cloudwatch"))

    @property
    def events(self) -> EventBridge:
        """Event buses."""
        return cast("EventBridge", self._of("events"))

    @property
    def functions(self) -> Lambda:
        """Functions."""
        return cast("Lambda", self._of("lambda"))

    @property
    def scaling(self) -> AutoScaling:
        """Scalable targets."""
        return cast("AutoScaling", self._of("application-autoscaling"))

    @property
    def sagemaker(self) -> SageMaker:
        """Jobs, models and endpoints."""
        return cast("SageMaker", self._of("sagemaker"))

    def instance(self, kind: type[_Service]) -> _Service:
        """The service of a class, for its own room and for tests."""
        found = self._of(kind.model)
        if not isinstance(found, kind):
            raise LookupError(f"{kind.model} is served by {type(found).__name__} here")
        return found

    def _of(self, model: str) -> Any:
        try:
            return self._services[model]
        except KeyError:
            there = ", ".join(sorted(self._services)) or "none"
            raise LookupError(f"this cloud has no service {model}; it has {there}") from None
