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

_MOST_ENVIRONMENT = 48
_MOST_PARALLEL = 100
_MOST_RESOURCE = 20_000
_EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
_MOST_JOBS = {"Random": 10_000}
_MOST_JOBS_ELSE = 750


def jobs_limit(strategy: str) -> int:
    """The maximum number of training jobs of a tuning job on AWS."""
    return _MOST_JOBS.get(strategy, _MOST_JOBS_ELSE)


def most_jobs(request: Request) -> int:
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
    most = configured.get("MaxResource")
    if most is None:
        static = document.get("StaticHyperParameters", {})
        epochs = (ranges.number(static[key]) for key in _EPOCHS if key in static)
        inferred = next((value for value in epochs if value is not None), None)
        if inferred is None:
            return None
        most = int(inferred)
    return Hyperband(configured.get("MinResource", 1), most)


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
    if variables > _MOST_ENVIRONMENT:
        yield (
            f"The training job definitions have {variables} environment variables together; the "
            f"maximum is {_MOST_ENVIRONMENT}."
        )


def _of_limits(config: Mapping[str, Any]) -> Iterator[str]:
    limits = config["ResourceLimits"]
    most, parallel = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    if most is not None and parallel > most:
        yield (
            f"MaxParallelTrainingJobs must not be greater than MaxNumberOfTrainingJobs, got "
            f"{parallel} and {most}."
        )
    ends = config["Strategy"] == "Grid" or "MaxRuntimeInSeconds" in limits
    if most is None and not ends and not config.get("TuningJobCompletionCriteria"):
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
        elif not bounds.least < bounds.most <= _MOST_RESOURCE:
            yield (
                "HyperbandStrategyConfig needs MinResource < MaxResource <= "
                f"{_MOST_RESOURCE}, got {bounds.least} and {bounds.most}."
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
    most = request["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    product = most_jobs(request)
    if most is not None and most != product:
        yield (
            "With the strategy Grid, MaxNumberOfTrainingJobs must be the number of combinations, "
            f"{product}, or left out; got {most}."
        )


def _of_combinations(request: Request) -> Iterator[str]:
    config = request["HyperParameterTuningJobConfig"]
    most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    total = sum(d.combinations for d in definitions_of(request))
    if config["Strategy"] != "Grid" and most is not None and total < most:
        yield (
            "You don't have enough combinations of hyperparameter ranges. The total number of "
            f"hyperparameter combinations for the provided ranges [{total}] must be equal or "
            f"greater than the value of MaxNumberOfJobs, [{most}]. Provide additional ranges."
        )


def over_quota(request: Request) -> Iterator[str]:
    """The exceeded account quotas, one line each."""
    config = request["HyperParameterTuningJobConfig"]
    limit = jobs_limit(config["Strategy"])
    parallel = config["ResourceLimits"]["MaxParallelTrainingJobs"]
    if most_jobs(request) > limit:
        yield (
            f"A tuning job of the strategy {config['Strategy']} may launch {limit} training "
            f"jobs, got {most_jobs(request)}."
        )
    if parallel > _MOST_PARALLEL:
        yield (
            f"A tuning job may run {_MOST_PARALLEL} training jobs at a time, got "
            f"MaxParallelTrainingJobs {parallel}."
        )
