"""Base class of the built-in algorithms."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from constructs import Construct

from .._private.checks import Checks, known
from .algorithm import Algorithm, Program, SpecifiedJob
from .hyperparameters import Hyperparameter, Table, rendered
from .images import AlgorithmImage
from .metric import MetricDefinition

PROTOBUF = "application/x-recordio-protobuf"
CSV = "text/csv"


class BuiltIn(Algorithm):
    """A built-in algorithm of SageMaker, configured by hyperparameters.

    Attributes:
        hyperparameters: Hyperparameters by name.
        version: Version of the image.

    """

    __slots__ = ()

    hyperparameters: Mapping[str, Hyperparameter]
    version: str
    _TABLE: ClassVar[Table]
    _IMAGE: ClassVar[str]
    _CHANNELS: ClassVar[Sequence[str]]
    _CONTENT_TYPES: ClassVar[Sequence[str]]
    _CHECKPOINTS: ClassVar[bool] = False

    @property
    def checkpoints(self) -> bool:
        """Whether the algorithm writes checkpoints."""
        return self._CHECKPOINTS

    @property
    def serves(self) -> bool:
        """Whether the image can serve the artifact; all built-in ones can."""
        return True

    def reported(self, definitions: Sequence[MetricDefinition]) -> Collection[str] | None:
        """Names of the metrics that the algorithm publishes."""
        del definitions
        return self.metrics

    def image(self, scope: Construct, instance_type: str | None = None) -> AlgorithmImage:
        """The image in the region of the scope's stack."""
        return AlgorithmImage.find(scope, self._IMAGE, self.version, instance_type=instance_type)

    def rendered(self) -> dict[str, str]:
        """Hyperparameters for the request: sorted, all strings."""
        return rendered(self.hyperparameters)

    def program(self, scope: Construct, *, isolated: bool, instance_type: str = "") -> Program:
        """The hyperparameters."""
        del scope, isolated, instance_type
        return Program(hyperparameters=self.rendered())

    def check(self, check: Checks, job: SpecifiedJob) -> None:
        """Refuse channels and content types that the algorithm does not support."""
        names = job.channel_names
        if known(*names) and "train" not in names:
            check.refuse("ChannelMissing", f"{self._TABLE.algorithm} needs a channel 'train', "
                         f"got {', '.join(names) if names else 'none'}")  # fmt: skip
        for name in names:
            check.one_of("channel", name, self._CHANNELS)
        for channel in job.channels:
            self._check_content_type(check, channel.name, channel.content_type)
        if job.metric_definitions:
            message = (
                f"metric_definitions must be empty: {self._TABLE.algorithm} publishes its own "
                f"({', '.join(self.metrics)})"
            )
            check.refuse("MetricsNotAllowed", message)

    def _check_content_type(self, check: Checks, channel: str, content_type: str) -> None:
        plain = content_type.split(";", maxsplit=1)[0].strip().lower()
        if known(content_type) and plain not in self._CONTENT_TYPES:
            listed = ", ".join(self._CONTENT_TYPES)
            actual = "none" if content_type == "" else repr(content_type)
            message = f"content_type of channel {channel!r} must be one of {listed}, got {actual}"
            check.refuse("ContentTypeNotAllowed", message)
