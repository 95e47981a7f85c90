"""Constraints between strategies, limits and other members of a tuning request.

See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html and, in the
API reference, ResourceLimits, HyperbandStrategyConfig and HyperParameterTuningJobConfig.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sageloop.local_cloud.sagemaker.tuning import ranges
from sageloop.local_cloud.sagemaker.tuning.definitions import (
    Request,
    definitions_of,
    documents_of,
)
from sageloop.local_cloud.sagemaker.tuning.search import Hyperband

_MAX_ENVIRONMENT_VARIABLES = 48
_MAX_PARALLEL_JOBS = 100
_MAX_RESOURCE = 20_000
_EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
_MAX_JOBS_BY_STRATEGY = {"Random": 10_000}
_MAX_JOBS = 750


def jobs_limit(strategy: str) -> int:
    """The maximum number of training jobs of a tuning job on AWS."""
    return _MAX_JOBS_BY_STRATEGY.get(strategy, _MAX_JOBS)


def max_jobs(request: Request) -> int:
    """The maximum number of training jobs of a tuning job: as requested, else AWS's limit."""
    config = request["HyperParameterTuningJobConfig"]
    limit = jobs_limit(config["Strategy"])
    configured = config["ResourceLimits"].get("MaxNumberOfTrainingJobs", limit)
    if config["Strategy"] == "Grid":
        return int(sum(d.combinations for d in definitions_of(request)))
    return int(configured)


def hyperband_of(request: Request, document: Mapping[str, Any]) -> Hyperband | None:
    """The Hyperband bounds of a definition; ``None`` if MaxResource cannot be inferred."""
    config = request["HyperParameterTuningJobConfig"]
    configured = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    maximum = configured.get("MaxResource")
    if maximum is None:
        static = document.get("StaticHyperParameters", {})
        epochs = (ranges.number(static[key]) for key in _EPOCHS if key in static)
        inferred = next((value for value in epochs if value is not None), None)
        if inferred is None:
            return None
        maximum = int(inferred)
    return Hyperband(configured.get("MinResource", 1), maximum)


def violations(request: Request) -> Iterator[str]:
    """The violated constraints between valid members of a request, one line each."""
    config = request["HyperParameterTuningJobConfig"]
    yield from _of_limits(config)
    yield from _of_strategy(request)
    yield from _of_combinations(request)
    several = len(documents_of(request)) > 1
    if several and config.get("TrainingJobEarlyStoppingType") == "Auto":
        yield "TrainingJobEarlyStoppingType Auto is for one training job definition, got several."
    if several and "WarmStartConfig" in request:
        yield "WarmStartConfig is for one training job definition, got several."
    variables = sum(len(d.get("Environment", {})) for d in documents_of(request))
    if variables > _MAX_ENVIRONMENT_VARIABLES:
        yield (
            f"The training job definitions have {variables} environment variables together; the "
            f"maximum is {_MAX_ENVIRONMENT_VARIABLES}."
        )


def _of_limits(config: Mapping[str, Any]) -> Iterator[str]:
    limits = config["ResourceLimits"]
    maximum, parallel = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    if maximum is not None and parallel > maximum:
        yield (
            f"MaxParallelTrainingJobs must not be greater than MaxNumberOfTrainingJobs, got "
            f"{parallel} and {maximum}."
        )
    ends = config["Strategy"] == "Grid" or "MaxRuntimeInSeconds" in limits
    if maximum is None and not ends and not config.get("TuningJobCompletionCriteria"):
        yield (
            "The tuning job would not end: specify ResourceLimits.MaxNumberOfTrainingJobs, "
            "ResourceLimits.MaxRuntimeInSeconds or TuningJobCompletionCriteria."
        )


def _of_strategy(request: Request) -> Iterator[str]:
    config = request["HyperParameterTuningJobConfig"]
    strategy = config["Strategy"]
    if "StrategyConfig" in config and strategy != "Hyperband":
        yield f"StrategyConfig is for the strategy Hyperband only, got {strategy}."
    if strategy == "Hyperband":
        yield from _of_hyperband(request)
    if strategy == "Grid":
        yield from _of_grid(request)
    if "WarmStartConfig" in request and strategy not in ("Bayesian", "Random"):
        yield f"WarmStartConfig is for the strategies Bayesian and Random, got {strategy}."


def _of_hyperband(request: Request) -> Iterator[str]:
    if request["HyperParameterTuningJobConfig"].get("TrainingJobEarlyStoppingType") == "Auto":
        yield (
            "TrainingJobEarlyStoppingType must be Off with the strategy Hyperband, which stops "
            "training jobs itself; got Auto."
        )
    for document in documents_of(request):
        bounds = hyperband_of(request, document)
        if bounds is None:
            yield (
                "HyperbandStrategyConfig.MaxResource is not specified and cannot be inferred from "
                f"StaticHyperParameters, which have none of {', '.join(_EPOCHS)}."
            )
        elif not bounds.minimum < bounds.maximum <= _MAX_RESOURCE:
            yield (
                "HyperbandStrategyConfig needs MinResource < MaxResource <= "
                f"{_MAX_RESOURCE}, got {bounds.minimum} and {bounds.maximum}."
            )


def _of_grid(request: Request) -> Iterator[str]:
    searched = [p for d in definitions_of(request) for p in d.searched]
    for parameter in searched:
        if parameter.kind != "Categorical":
            yield (
                "The strategy Grid searches categorical ranges only, got the "
                f"{parameter.kind.lower()} range {parameter.name}."
            )
            return
    maximum = request["HyperParameterTuningJobConfig"]["ResourceLimits"].get(
        "MaxNumberOfTrainingJobs"
    )
    product = max_jobs(request)
    if maximum is not None and maximum != product:
        yield (
            "With the strategy Grid, MaxNumberOfTrainingJobs must be the number of combinations, "
            f"{product}, or left out; got {maximum}."
        )


def _of_combinations(request: Request) -> Iterator[str]:
    config = request["HyperParameterTuningJobConfig"]
    maximum = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    total = sum(d.combinations for d in definitions_of(request))
    if config["Strategy"] != "Grid" and maximum is not None and total < maximum:
        yield (
            "You don't have enough combinations of hyperparameter ranges. The total number of "
            f"hyperparameter combinations for the provided ranges [{total}] must be equal or "
            f"greater than the value of MaxNumberOfJobs, [{maximum}]. Provide additional ranges."
        )


def over_quota(request: Request) -> Iterator[str]:
    """The exceeded account quotas, one line each."""
    config = request["HyperParameterTuningJobConfig"]
    limit = jobs_limit(config["Strategy"])
    parallel = config["ResourceLimits"]["MaxParallelTrainingJobs"]
    if max_jobs(request) > limit:
        yield (
            f"A tuning job of the strategy {config['Strategy']} may launch {limit} training "
            f"jobs, got {max_jobs(request)}."
        )
    if parallel > _MAX_PARALLEL_JOBS:
        yield (
            f"A tuning job may run {_MAX_PARALLEL_JOBS} training jobs at a time, got "
            f"MaxParallelTrainingJobs {parallel}."
        )
