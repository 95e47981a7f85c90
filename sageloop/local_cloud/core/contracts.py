"""Protocols between the cloud's own services.

A service does not import another service. It obtains one of these protocols from
:class:`~sageloop.local_cloud.core.registry.Registry`. ``sageloop.local_cloud.services`` lets mypy
check that each service implements its protocol.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sageloop.local_cloud.core.samples import Sample, Series


class PutMetric(Protocol):
    """Adds one observation at the current virtual time."""

    def __call__(
        self, namespace: str, name: str, value: float, *, dimensions: dict[str, str],
        unit: str = "None",
    ) -> None:  # fmt: skip
        """Add one observation."""
        ...


class Samples(Protocol):
    """Metric samples that CloudWatch stores, by series."""

    def put(self, series: Series, sample: Sample, unit: str) -> None:
        """Add a sample."""
        ...

    def put_each(
        self, now: float, series: Sequence[Series], values: Sequence[float], units: Sequence[str]
    ) -> None:
        """Add an observation to each of several series."""
        ...

    def between(self, series: Series, start: float, end: float) -> list[Sample]:
        """Samples with ``start <= time < end``."""
        ...


class CloudWatch(Protocol):
    """Metrics and alarms."""

    @property
    def metrics(self) -> Samples:
        """Store of samples, for services that publish many."""
        ...

    def put(
        self, namespace: str, name: str, value: float, *, dimensions: dict[str, str],
        unit: str = "None",
    ) -> None:  # fmt: skip
        """Add one observation at the current virtual time."""
        ...

    def alarm_state(self, name: str) -> str | None:
        """The state of an alarm, or ``None`` if there is no such alarm."""
        ...

    def on_alarm(self, callback: Callable[[str, str], None]) -> None:
        """Call ``callback(alarm name, new state)`` at every transition."""
        ...

    def evaluate_alarms(self) -> None:
        """Evaluate every alarm now, regardless of its schedule."""
        ...

    def before_evaluation(self, publish: Callable[[], None]) -> None:
        """Call ``publish()`` before each evaluation of alarms, every virtual minute."""
        ...


class EventBridge(Protocol):
    """Event buses."""

    def emit(
        self, source: str, detail_type: str, detail: dict[str, Any], *, resources: list[str],
        region: str | None = None,
    ) -> None:  # fmt: skip
        """Put an AWS service's event on the default bus, in the background."""
        ...

    def forward(self, event: dict[str, Any], bus_arn: str, *, hops: int) -> None:
        """Put an event on another bus unchanged. Raises ``AwsError`` if the bus does not exist."""
        ...


class Lambda(Protocol):
    """Lambda functions, as services invoke them."""

    def invoke_for(
        self, principal: str, function_arn: str, payload: bytes, source_arn: str
    ) -> None:
        """Invoke asynchronously as an AWS service does. Raises ``AwsError``."""
        ...

    def on_async_failure(self, callback: Callable[[str, bytes, str], None]) -> None:
        """Call ``callback(function ARN, payload, error text)`` when an event is discarded."""
        ...


class AutoScaling(Protocol):
    """Application Auto Scaling."""

    def run_policy(self, arn: str, alarm: str, state: str) -> None:
        """Execute a scaling policy for an alarm state. Raises ``AwsError``."""
        ...

    def refuse_update(
        self, endpoint: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> None:  # fmt: skip
        """Raise ``AwsError`` for an update that removes or retypes a scaled variant."""
        ...

    def resource_deleted(self, resource: str) -> None:
        """Deregister the targets of a deleted resource."""
        ...


class SageMakerResources(Protocol):
    """Resources of SageMaker, and a condition that is notified on every change."""

    @property
    def changed(self) -> threading.Condition:
        """Notified on every change."""
        ...

    def find(self, family: str, name: str) -> dict[str, Any] | None:
        """A resource, or ``None`` if it does not exist."""
        ...


class InferenceComponents(Protocol):
    """Inference components, for CloudFormation's stabilization."""

    def wait(self, name: str) -> dict[str, Any] | None:
        """Wait for a component's final status; returns ``None`` if it is deleted."""
        ...


class Endpoints(Protocol):
    """Endpoints, as scaling and CloudFormation use them."""

    @property
    def components(self) -> InferenceComponents:
        """The inference components of all endpoints."""
        ...

    def outstanding(self, endpoint: str, variant: str) -> list[int]:
        """Number of requests in progress for each instance of a variant."""
        ...

    def outstanding_copies(self, component: str) -> list[int]:
        """Number of requests in progress for each copy of a component."""
        ...

    def rolled_back_by(self, name: str) -> str | None:
        """Name of the alarm that rolled back the last update of an endpoint, or ``None``."""
        ...


class FileSystems(Protocol):
    """Local directories mounted as EFS and FSx file systems."""

    def register(self, file_system_id: str, path: str | Path) -> None:
        """Mount a directory as a file system. Raises ``ValueError`` if it is not a directory."""
        ...


class SageMaker(Protocol):
    """SageMaker, as other services and the cloud's own API use it."""

    @property
    def store(self) -> SageMakerResources:
        """Its stored resources."""
        ...

    @property
    def hosting(self) -> Endpoints:
        """Its endpoints."""
        ...

    @property
    def file_systems(self) -> FileSystems:
        """File systems that its jobs can read."""
        ...

    def wait_endpoint(self, name: str) -> dict[str, Any]:
        """Wait for an endpoint's final status; returns its description."""
        ...
