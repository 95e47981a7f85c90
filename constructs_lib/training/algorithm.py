"""Base class of algorithms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aws_cdk import aws_iam as iam
from constructs import Construct

from .._private.checks import Checks, known
from .channel import Channel
from .images import AlgorithmImage
from .metric import MetricDefinition
from .resource_config import ResourceConfig

Directions = Mapping[str, str]
"""Names of metrics with their direction: ``Minimize`` or ``Maximize``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Members that an algorithm adds to a request.

    Attributes:
        hyperparameters: All hyperparameters, as strings.
        channels: Channels in addition to those of the data.
        entrypoint: ``ContainerEntrypoint``; that of the image if empty.
        arguments: ``ContainerArguments``; none if empty.

    """

    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    channels: Sequence[dict[str, Any]] = ()
    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()


class SpecifiedJob(Protocol):
    """Parts of a job specification that algorithms check."""

    @property
    def channels(self) -> Sequence[Channel]:
        """Channels in addition to those of the dataset."""
        ...

    @property
    def channel_names(self) -> list[str]:
        """Names of all channels."""
        ...

    @property
    def compute(self) -> ResourceConfig:
        """Instances."""
        ...

    @property
    def metric_definitions(self) -> Sequence[MetricDefinition]:
        """Metric definitions of the job."""
        ...

    @property
    def network_isolation(self) -> bool:
        """Whether the container has network isolation."""
        ...


class Algorithm(ABC):
    """Base class of built-in algorithms, frameworks with code, and custom images."""

    __slots__ = ()

    @abstractmethod
    def image(self, scope: Construct, instance_type: str | None = None) -> AlgorithmImage:
        """The image in the region of the scope's stack.

        Args:
            scope: Any construct of the stack.
            instance_type: Instance type; frameworks have separate images for GPUs.

        """

    @abstractmethod
    def program(self, scope: Construct, *, isolated: bool, instance_type: str = "") -> Program:
        """The members that the algorithm adds to a request.

        Args:
            scope: Any construct of the stack.
            isolated: Whether the container has network isolation.
            instance_type: Instance type.

        """

    @abstractmethod
    def check(self, check: Checks, job: SpecifiedJob) -> None:
        """Refuse channels, instances or metrics that the algorithm does not support."""

    @property
    def checkpoints(self) -> bool:
        """Whether the container can write checkpoints; custom code can."""
        return True

    @property
    def metrics(self) -> Directions:
        """Metrics that the algorithm publishes; empty for custom code."""
        return {}

    @property
    def serves(self) -> bool:
        """Whether the training image can serve the artifact without additional code."""
        return False

    def reported(self, definitions: Sequence[MetricDefinition]) -> Collection[str] | None:
        """Names of the metrics that a job reports; ``None`` if a token hides them.

        Args:
            definitions: Metric definitions of the job.

        """
        names = [each.name for each in definitions]
        return names if known(*names) else None

    def statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Statements that allow the job's role to read the algorithm's files."""
        del scope
        return []
