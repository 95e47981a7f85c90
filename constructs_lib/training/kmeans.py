"""The built-in K-means algorithm and its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .algorithm import Directions
from .builtin import CSV, PROTOBUF, BuiltIn
from .hyperparameters import Hyperparameter, Parameter, Table

_INIT = ("kmeans++", "random")
TABLE = Table(
    algorithm="KMeans",
    documentation="https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html",
    parameters={
        "feature_dim": Parameter(kind="integer", low=1, required=True),
        "k": Parameter(kind="integer", low=1, required=True),
        "epochs": Parameter(kind="integer", low=1),
        "eval_metrics": Parameter(kind="list", choices=("msd", "ssd")),
        "extra_center_factor": Parameter(kind="integer", low=1, choices=("auto",)),
        "half_life_time_size": Parameter(kind="integer", low=0),
        "init_method": Parameter(kind="choice", choices=_INIT),
        "local_lloyd_init_method": Parameter(kind="choice", choices=_INIT),
        "local_lloyd_max_iter": Parameter(kind="integer", low=1),
        "local_lloyd_num_trials": Parameter(kind="integer", low=1, choices=("auto",)),
        "local_lloyd_tol": Parameter(kind="float", low=0, high=1),
        "mini_batch_size": Parameter(kind="integer", low=1),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KMeans(BuiltIn):
    """The built-in K-means algorithm: clusters of similar rows.

    CSV has no header and no label; the content type is ``text/csv;label_size=0``.

    Attributes:
        version: Version of the image.
        hyperparameters: AWS's names; ``k`` and ``feature_dim`` are required.

    Raises:
        ConfigurationError: If a hyperparameter is unknown, missing, or out of its range.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-api-config.html

    Example:
        >>> KMeans(hyperparameters={"k": 6, "feature_dim": 4, "init_method": "kmeans++"})

    """

    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    version: str = "1"
    _TABLE: ClassVar[Table] = TABLE
    _IMAGE: ClassVar[str] = "kmeans"
    _CHANNELS: ClassVar[tuple[str, ...]] = ("train", "test")
    _CONTENT_TYPES: ClassVar[tuple[str, ...]] = (CSV, PROTOBUF)

    def __post_init__(self) -> None:
        """Check each hyperparameter by itself."""
        TABLE.check(self.hyperparameters)

    @property
    def metrics(self) -> Directions:
        """Metrics of the test channel.

        See https://docs.aws.amazon.com/sagemaker/latest/dg/k-means-tuning.html
        """
        return {"test:msd": "Minimize", "test:ssd": "Minimize"}
