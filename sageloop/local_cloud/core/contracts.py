"""What the cloud's own services ask of each other, and nothing more than that.

A service never imports another one: it asks :class:`~sageloop.local_cloud.core.registry.Registry`
for the part that it needs, which is one of these protocols. ``sageloop.local_cloud.services``
shows mypy that each service is what is promised here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sageloop.local_cloud.core.samples import Sample, Series


class PutMetric(Protocol):
    """Adds one observation at virtual now."""

    def __call__(
        self, namespace: str, name: str, value: float, *, dimensions: dict[str, str],
        unit: str = "None",
    ) -> None:  # fmt: skip
        """Add it."""
        ...


class Samples(Protocol):
    """The samples that CloudWatch keeps, by series."""

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
        """The samples themselves, for who has many of them."""
        ...

    def put(
        self, namespace: str, name: str, value: float, *, dimensions: dict[str, str],
        unit: str = "None",
    ) -> None:  # fmt: skip
        """Add one observation at virtual now."""
        ...

    def alarm_state(self, name: str) -> str | None:
        """The state of an alarm, or ``None`` if there is no such alarm."""
        ...

    def on_alarm(self, callback: Callable[[str, str], None]) -> None:
        """Call ``callback(alarm name, new state)`` at every transition."""
        ...

    def evaluate_alarms(self) -> None:
        """Evaluate every alarm now, whenever it is due."""
        ...

    def before_evaluation(self, publish: Callable[[], None]) -> None:
        """Call ``publish()`` just before alarms are evaluated, every virtual minute."""
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
        """Pass an event on to another bus as it is. Raises ``AwsError`` if there is none."""
        ...


class Lambda(Protocol):
    """Functions, as services invoke them."""

    def invoke_for(
        self, principal: str, function_arn: str, payload: bytes, source_arn: str
    ) -> None:
        """Invoke asynchronously as an AWS service does. Raises ``AwsError``."""
        ...

    def on_async_failure(self, callback: Callable[[str, bytes, str], None]) -> None:
        """Call ``callback(function ARN, payload, error text)`` when an event is given up."""
        ...


class AutoScaling(Protocol):
    """Application Auto Scaling."""

    def run_policy(self, arn: str, alarm: str, state: str) -> None:
        """Carry out a policy because an alarm is in a state. Raises ``AwsError``."""
        ...

    def refuse_update(
        self, endpoint: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> None:  # fmt: skip
        """Refuse an update that takes a scaled variant or its type away."""
        ...

    def resource_deleted(self, resource: str) -> None:
        """Deregister the targets of a deleted resource."""
        ...


class SageMakerResources(Protocol):
    """What SageMaker knows, and a condition to wait on for a change of it."""

    @property
    def changed(self) -> threading.Condition:
        """Notified at each change."""
        ...

    def find(self, family: str, name: str) -> dict[str, Any] | None:
        """A resource, or ``None``."""
        ...


class InferenceComponents(Protocol):
    """Inference components, as CloudFormation waits for them."""

    def wait(self, name: str) -> dict[str, Any] | None:
        """Block until a component is at rest; ``None`` if it is gone."""
        ...


class Endpoints(Protocol):
    """Endpoints, as scaling and CloudFormation see them."""

    @property
    def components(self) -> InferenceComponents:
        """What endpoints serve copies of."""
        ...

    def outstanding(self, endpoint: str, variant: str) -> list[int]:
        """Requests in progress in each instance of a variant."""
        ...

    def outstanding_copies(self, component: str) -> list[int]:
        """Requests in progress in each copy of a component."""
        ...

    def rolled_back_by(self, name: str) -> str | None:
        """The alarm that undid the last update of an endpoint, if one did."""
        ...


class FileSystems(Protocol):
    """Directories that stand for EFS and FSx file systems."""

    def register(self, file_system_id: str, path: str | Path) -> None:
        """Let a directory stand for a file system. Raises ``ValueError`` if it is none."""
        ...


class SageMaker(Protocol):
    """SageMaker, as the other services and the cloud's own API see it."""

    @property
    def store(self) -> SageMakerResources:
        """Its resources."""
        ...

    @property
    def hosting(self) -> Endpoints:
        """Its endpoints."""
        ...

    @property
    def file_systems(self) -> FileSystems:
        """The file systems its jobs may read."""
        ...

    def wait_endpoint(self, name: str) -> dict[str, Any]:
        """Wait until an endpoint is at rest; returns its description."""
        ...
