"""Rules of SageMaker for tuning jobs.

See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .._private.checks import Checks, known
from .ranges import CategoricalRange, Range

_RESERVED = "_tuning_objective_metric"
_SEARCHED = 30
_HYPERPARAMETERS = 100
_ENVIRONMENT = 48
_JOBS = 750
_KEY = r"[\s\S]+"
_DEFINITION_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"
_PARENT_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"
_NOT_TUNED = {
    "DebugHookConfig", "DebugRuleConfigurations", "ExperimentConfig", "InfraCheckConfig",
    "MlflowConfig", "ModelPackageConfig", "ProfilerConfig", "ProfilerRuleConfigurations",
    "RemoteDebugConfig", "ServerlessJobConfig", "SessionChainingConfig",
    "TensorBoardOutputConfig",
}  # fmt: skip
_NOT_TUNED_ALGORITHM = {"ContainerArguments", "ContainerEntrypoint",
                        "EnableSageMakerMetricsTimeSeries", "TrainingImageConfig"}  # fmt: skip


class Strategy(StrEnum):
    """Search strategy of a tuning job."""

    BAYESIAN = "Bayesian"
    RANDOM = "Random"
    HYPERBAND = "Hyperband"
    GRID = "Grid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperband:
    """The Hyperband strategy: many short trials, of which the best continue.

    The container must report the objective at each epoch.

    Attributes:
        min_resource: Minimum epochs of a trial.
        max_resource: Maximum epochs of a trial.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-how-it-works.html

    """

    min_resource: int = 1
    max_resource: int = 27

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        check.whole("strategy.min_resource", self.min_resource, 1)
        check.whole("strategy.max_resource", self.max_resource, 1)
        ends = (self.min_resource, self.max_resource)
        if known(*ends) and self.min_resource >= self.max_resource:
            check.refuse("ValueOutOfRange", "strategy.min_resource must be less than "
                         f"max_resource, got {ends[0]} and {ends[1]}")  # fmt: skip

    def rendered(self) -> dict[str, Any]:
        """The strategy for the request."""
        resources = {"MinResource": self.min_resource, "MaxResource": self.max_resource}
        return {"HyperbandStrategyConfig": resources}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Objective metric of a tuning job.

    Attributes:
        metric: Name of the metric.
        type: ``Minimize`` or ``Maximize``.

    """

    metric: str
    type: str

    def check(self, check: Checks, label: str = "objective") -> None:
        """Refuse values that SageMaker does not accept."""
        check.one_of(f"{label}.type", self.type, {"Maximize", "Minimize"})
        check.matches(f"{label}.metric", self.metric, r".+", 255)

    def rendered(self) -> dict[str, str]:
        """The objective for the request."""
        return {"Type": self.type, "MetricName": self.metric}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionCriteria:
    """Completion criteria of a tuning job.

    Attributes:
        target: Target value of the objective.
        not_improving_jobs: Trials without improvement, at least 3.
        on_convergence: Whether to stop when SageMaker detects convergence.

    """

    target: float | None = None
    not_improving_jobs: int | None = None
    on_convergence: bool = False

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        if self.target is not None:
            check.between("completion.target", self.target)
        if self.not_improving_jobs is not None:
            check.whole("completion.not_improving_jobs", self.not_improving_jobs, 3)
        if self == CompletionCriteria():
            check.refuse("ValueMissing", "completion must say target, not_improving_jobs or "
                         "on_convergence, got none")  # fmt: skip

    def rendered(self) -> dict[str, Any]:
        """``TuningJobCompletionCriteria``."""
        criteria: dict[str, Any] = {}
        if self.target is not None:
            criteria["TargetObjectiveMetricValue"] = self.target
        if self.not_improving_jobs is not None:
            limit = {"MaxNumberOfTrainingJobsNotImproving": self.not_improving_jobs}
            criteria["BestObjectiveNotImproving"] = limit
        if self.on_convergence:
            criteria["ConvergenceDetected"] = {"CompleteOnConvergence": "Enabled"}
        return criteria


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """Warm start from parent tuning jobs.

    Attributes:
        parents: Names of 1 to 5 ended tuning jobs with the same objective.
        type: ``IdenticalDataAndAlgorithm`` or ``TransferLearning``.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-warm-start.html

    """

    parents: Sequence[str]
    type: str = "IdenticalDataAndAlgorithm"

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        check.one_of(
            "warm_start.type", self.type, {"IdenticalDataAndAlgorithm", "TransferLearning"}
        )
        if not 1 <= len(self.parents) <= 5:
            check.refuse("ValueOutOfRange",
                         f"warm_start.parents must be 1 to 5, got {len(self.parents)}")  # fmt: skip
        for name in self.parents:
            check.matches("warm_start.parents", name, _PARENT_NAME, 32)
        if len(set(self.parents)) < len(self.parents):
            check.refuse("ValueNotUnique", "warm_start.parents names a tuning job twice")

    def rendered(self) -> dict[str, Any]:
        """``WarmStartConfig``."""
        parents = [{"HyperParameterTuningJobName": name} for name in self.parents]
        return {"ParentHyperParameterTuningJobs": parents, "WarmStartType": self.type}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of a tuning job.

    Attributes:
        jobs: Maximum number of trials; ``None`` for a grid, or with other completion criteria.
        parallel: Maximum number of parallel trials.
        runtime_seconds: Maximum runtime in seconds, 120 to 15,768,000.
        raised: Whether the quotas of 10 parallel and 750 total trials are increased (to at most
            100, and 10,000 with the strategy Random).

    """

    jobs: int | None
    parallel: int
    runtime_seconds: int | None = None
    raised: bool = False

    def check(self, check: Checks, strategy: str) -> None:
        """Refuse values that SageMaker does not accept."""
        most = 10_000 if self.raised and strategy == Strategy.RANDOM else _JOBS
        check.whole("max_parallel", self.parallel, 1, 100 if self.raised else 10)
        if self.runtime_seconds is not None:
            check.whole("max_runtime_seconds", self.runtime_seconds, 120, 15_768_000)
        if self.jobs is None:
            return
        check.whole("max_jobs", self.jobs, 1, most)
        if known(self.jobs, self.parallel) and self.parallel > self.jobs:
            check.refuse("ValueOutOfRange", f"max_parallel must be at most max_jobs "
                         f"({self.jobs}), got {self.parallel}")  # fmt: skip

    def rendered(self) -> dict[str, int]:
        """``ResourceLimits``."""
        limits = {"MaxParallelTrainingJobs": self.parallel}
        if self.jobs is not None:
            limits["MaxNumberOfTrainingJobs"] = self.jobs
        if self.runtime_seconds is not None:
            limits["MaxRuntimeInSeconds"] = self.runtime_seconds
        return limits


def check_ranges(check: Checks, ranges: Sequence[Range], static: Mapping[str, str]) -> None:
    """Refuse ranges, and combinations with static hyperparameters, that are not allowed.

    Args:
        check: Collects the errors.
        ranges: Ranges of hyperparameters.
        static: Static hyperparameters.

    """
    if not 1 <= len(ranges) <= _SEARCHED:
        check.refuse(
            "ValueOutOfRange", f"ranges must be 1 to {_SEARCHED} hyperparameters, got {len(ranges)}"
        )
    for each in ranges:
        each.check(check)
    names = [each.name for each in ranges]
    for name in names:
        check.matches("the name of a range", name, _KEY, 256)
    for name in sorted({name for name in names if names.count(name) > 1}):
        check.refuse("ValueNotUnique", f"ranges has {name} twice")
    for name in sorted({*names} & {*static}):
        check.refuse(
            "HyperparameterTwice",
            f"{name} is both searched and fixed: give it in ranges or in static",
        )
    for name in [name for name in (*names, *static) if name == _RESERVED]:
        check.refuse("HyperparameterNotAllowed", f"{name} is set by SageMaker itself")
    if len({*names, *static}) > _HYPERPARAMETERS:
        check.refuse("ValueOutOfRange", f"there may be {_HYPERPARAMETERS} hyperparameters, "
                     f"searched and fixed together, got {len({*names, *static})}")  # fmt: skip


def check_strategy(
    check: Checks,
    strategy: Strategy | Hyperband | str,
    *,
    searches: Sequence[Sequence[Range]],
    limits: Limits,
    early_stopping: bool,
    ends_itself: bool,
) -> None:
    """Refuse options that the strategy does not support.

    Args:
        check: Collects the errors.
        strategy: The strategy.
        searches: Ranges of each definition.
        limits: The limits.
        early_stopping: Whether SageMaker stops trials that fall behind.
        ends_itself: Whether there is a completion criterion.

    """
    name = strategy_name(strategy)
    check.one_of("strategy", name, [each.value for each in Strategy])
    limits.check(check, name)
    if isinstance(strategy, Hyperband):
        strategy.check(check)
    if name == Strategy.HYPERBAND and early_stopping:
        check.refuse("EarlyStoppingNotAllowed", "early_stopping must be off with the strategy "
                     "Hyperband, which stops trials itself")  # fmt: skip
    if name == Strategy.GRID:
        _check_grid(check, searches, limits.jobs)
    elif limits.jobs is None and limits.runtime_seconds is None and not ends_itself:
        check.refuse("ValueMissing", f"max_jobs is needed with the strategy {name}, or "
                     "max_runtime_seconds, or completion")  # fmt: skip


def check_definition_name(check: Checks, names: Sequence[str]) -> None:
    """Refuse names of definitions that are too long, not allowed or not unique."""
    if not 1 <= len(names) <= 10:
        check.refuse("ValueOutOfRange", f"definitions must be 1 to 10, got {len(names)}")
    for name in names:
        check.matches("the name of a definition", name, _DEFINITION_NAME, 64)
    for name in sorted({name for name in names if names.count(name) > 1}):
        check.refuse("ValueNotUnique", f"definitions has {name} twice")


def check_training_request(check: Checks, request: Mapping[str, Any], label: str) -> None:
    """Refuse options of training jobs that trials do not support."""
    algorithm = request["AlgorithmSpecification"]
    refused = sorted(({*request} & _NOT_TUNED) | ({*algorithm} & _NOT_TUNED_ALGORITHM))
    for field in refused:
        check.refuse("FieldNotTunable", f"{label}: a tuning job takes no {field}; only a "
                     "training job does")  # fmt: skip
    environment = request.get("Environment", {})
    if len(environment) > _ENVIRONMENT:
        check.refuse("ValueOutOfRange", f"{label}: a tuning job takes {_ENVIRONMENT} environment "
                     f"variables, got {len(environment)}")  # fmt: skip


def strategy_name(strategy: Strategy | Hyperband | str) -> str:
    """The name of a strategy in the request."""
    return Strategy.HYPERBAND.value if isinstance(strategy, Hyperband) else str(strategy)


def _check_grid(check: Checks, searches: Sequence[Sequence[Range]], jobs: int | None) -> None:
    ranges_of_all = [each for ranges in searches for each in ranges]
    others = sorted(each.name for each in ranges_of_all if not isinstance(each, CategoricalRange))
    if others:
        check.refuse("RangeNotAllowed", "the strategy Grid takes categorical ranges only, got "
                     f"others for {', '.join(others)}")  # fmt: skip
        return
    size = sum(
        math.prod(len(each.values) for each in ranges if isinstance(each, CategoricalRange))
        for ranges in searches
    )
    if size > _JOBS:
        check.refuse("ValueOutOfRange", f"the grid must have at most {_JOBS} points, got {size}")
    if jobs is not None and known(jobs) and jobs != size:
        check.refuse("ValueOutOfRange", f"max_jobs must be the grid's {size} points with the "
                     f"strategy Grid, or left out, got {jobs}")  # fmt: skip
