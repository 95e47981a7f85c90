"""What a specification asks of an algorithm, whoever wrote it."""

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
"""Names of metrics with the direction in which they get better: Minimize or Maximize."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What an algorithm adds to a request.

    Attributes:
        hyperparameters: All of them, as texts.
        channels: Channels beside those of the data.
        entrypoint: ``ContainerEntrypoint``; the image's own if empty.
        arguments: ``ContainerArguments``; none if empty.

    """

    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    channels: Sequence[dict[str, Any]] = ()
    entrypoint: Sequence[str] = ()
    arguments: Sequence[str] = ()


class SpecifiedJob(Protocol):
    """What an algorithm looks at of the job that it is specified for."""

    @property
    def channels(self) -> Sequence[Channel]:
        """Channels beside those of a data set."""
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
        """Metrics read from the log."""
        ...

    @property
    def network_isolation(self) -> bool:
        """Whether the container can reach nothing but its channels."""
        ...


class Algorithm(ABC):
    """An image with what it is told: built in, a framework with code, or an image of one's own."""

    __slots__ = ()

    @abstractmethod
    def image(self, scope: Construct, instance_type: str | None = None) -> AlgorithmImage:
        """The image in the region of the scope's stack.

        Args:
            scope: Any construct of the stack.
            instance_type: Where it will run; frameworks have images for GPUs.

        """

    @abstractmethod
    def program(self, scope: Construct, *, isolated: bool, instance_type: str = "") -> Program:
        """What the algorithm adds to a request.

        Args:
            scope: Any construct of the stack.
            isolated: Whether the container can reach nothing but its channels.
            instance_type: Where it will run.

        """

    @abstractmethod
    def check(self, check: Checks, job: SpecifiedJob) -> None:
        """Refuse channels, instances or metrics that the algorithm does not take."""

    @property
    def checkpoints(self) -> bool:
        """Whether the container can write checkpoints; code of one's own can."""
        return True

    @property
    def metrics(self) -> Directions:
        """Metrics that the algorithm publishes itself; empty for code of one's own."""
        return {}

    @property
    def serves(self) -> bool:
        """Whether the training image serves the artifact by itself, without code added to it."""
        return False

    def reported(self, definitions: Sequence[MetricDefinition]) -> Collection[str] | None:
        """Names of the metrics that a job reports; none if they are known at deployment only.

        Args:
            definitions: Metrics that are read from the job's log.

        """
        names = [each.name for each in definitions]
        return names if known(*names) else None

    def statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """What the job's role must be allowed for the algorithm's own files."""
        del scope
        return []
