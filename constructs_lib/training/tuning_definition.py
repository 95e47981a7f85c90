"""Training definitions of tuning jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from constructs import Construct

from .._private.checks import Checks, known, text_of
from .ranges import Range, render_ranges
from .specification import JobSpecification
from .tuning_facts import check_tunable, known_objective
from .tuning_rules import Objective, check_ranges, check_training_request

_TAKEN = ("RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig", "ResourceConfig",
          "StoppingCondition", "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
          "EnableManagedSpotTraining", "CheckpointConfig", "Environment",
          "RetryStrategy")  # fmt: skip
_ALGORITHM = ("AlgorithmName", "TrainingImage", "TrainingInputMode", "MetricDefinitions")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningDefinition:
    """One of several training job definitions of a tuning job.

    Attributes:
        name: Name of the definition, unique in its tuning job, 64 characters at most.
        specification: Training job. Its hyperparameters are static, except those with a range.
        ranges: Ranges of 1 to 30 hyperparameters.
        static: Additional static hyperparameters, which override the specification.
        objective: Objective metric; by default that of the algorithm.

    Example:
        >>> TuningDefinition(name="deep", specification=specification,
        ...                  ranges=[IntegerRange("max_depth", 6, 12)])

    """

    name: str = ""
    specification: JobSpecification
    ranges: Sequence[Range]
    static: Mapping[str, str | int | float] = field(default_factory=dict)
    objective: Objective | None = None

    @property
    def label(self) -> str:
        """Name in error messages."""
        return f"definition {self.name}" if self.name else "specification"

    def fixed(self, request: Mapping[str, Any]) -> dict[str, str]:
        """Static hyperparameters, those of the specification without a range included."""
        searched = {each.name for each in self.ranges}
        own: Mapping[str, str] = request.get("HyperParameters", {})
        kept = {name: value for name, value in own.items() if name not in searched}
        more = {
            name: value if isinstance(value, str) else text_of(value)
            for name, value in self.static.items()
        }
        return dict(sorted({**kept, **more}.items()))

    def improved(self, check: Checks) -> Objective | None:
        """The objective; by default that of the algorithm. Refused if there is none."""
        if self.objective is not None:
            return self.objective
        algorithm = self.specification.algorithm
        metric = known_objective(algorithm)
        if metric is None:
            check.refuse("ValueMissing", f"{self.label}: objective is needed: the algorithm's own "
                         "is not known")  # fmt: skip
            return None
        return Objective(metric=metric, type=algorithm.metrics[metric])

    def check(self, check: Checks, scope: Construct) -> None:
        """Refuse values that SageMaker does not accept."""
        self.specification.check(check)
        request = self.specification.request(scope)
        check_ranges(check, self.ranges, self.fixed(request))
        check_training_request(check, request, self.label)
        check_tunable(check, self.specification.algorithm, self.ranges)
        objective = self.improved(check)
        if objective is not None:
            objective.check(check)
            self._check_metric(check, objective.metric, request)

    def rendered(self, scope: Construct) -> dict[str, Any]:
        """``TrainingJobDefinition`` of the request, without name, objective and ranges."""
        request = self.specification.request(scope)
        algorithm = request["AlgorithmSpecification"]
        definition: dict[str, Any] = {
            "AlgorithmSpecification": {
                key: algorithm[key] for key in _ALGORITHM if key in algorithm
            }
        }
        static = self.fixed(request)
        if static:
            definition["StaticHyperParameters"] = static
        return {**definition, **{key: request[key] for key in _TAKEN if key in request}}

    def named(self, scope: Construct, objective: Objective) -> dict[str, Any]:
        """One of ``TrainingJobDefinitions``, with name, objective and ranges."""
        return {
            "DefinitionName": self.name,
            "TuningObjective": objective.rendered(),
            "HyperParameterRanges": render_ranges(self.ranges),
            **self.rendered(scope),
        }

    def _check_metric(self, check: Checks, metric: str, request: Mapping[str, Any]) -> None:
        own = self.specification.algorithm.metrics
        defined = request["AlgorithmSpecification"].get("MetricDefinitions", [])
        names = {each["Name"] for each in defined} | {*own}
        if known(metric, *names) and metric not in names:
            listed = ", ".join(sorted(names)) if names else "none"
            check.refuse("MetricUnknown", f"{self.label}: objective.metric must be one of the "
                         f"metrics that the job reports ({listed}), got {metric!r}")  # fmt: skip
        channels = [each["ChannelName"] for each in request.get("InputDataConfig", [])]
        channel = metric.split(":", maxsplit=1)[0]
        if metric in own and known(*channels) and channel not in channels:
            check.refuse("ChannelMissing", f"{self.label}: the objective {metric} needs a channel "
                         f"{channel!r}, got {', '.join(channels)}")  # fmt: skip
