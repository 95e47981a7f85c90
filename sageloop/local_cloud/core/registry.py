"""The cloud's own services by the protocols that other services use."""

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
"""A service that other services use, by its botocore name."""

_Service = TypeVar("_Service", bound=Operations)


class Registry:
    """Returns services by protocol.

    A cloud may have only some of the services: :meth:`has` checks it, and each property raises
    ``LookupError`` for a missing service.
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
        """The service of a class, for its own package and for tests."""
        service = self._of(kind.model)
        if not isinstance(service, kind):
            raise LookupError(f"{kind.model} is implemented by {type(service).__name__}")
        return service

    def _of(self, model: str) -> Any:
        try:
            return self._services[model]
        except KeyError:
            existing = ", ".join(sorted(self._services)) or "none"
            raise LookupError(f"this cloud has no service {model}; it has {existing}") from None
