"""Illegal combinations of a tuning job: each is one line at synth."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import Aws, CfnParameter

from constructs_lib import (
    CategoricalRange,
    CompletionCriteria,
    ConfigurationError,
    ContinuousRange,
    DatePartitionedDataset,
    Hyperband,
    IntegerRange,
    KMeans,
    LinearLearner,
    Objective,
    Strategy,
    TrainingRole,
    TuningDefinition,
    WarmStart,
    XGBoost,
)

from .conftest import Ground
from .jobs import specification, tuning

DEPTH = IntegerRange("max_depth", 3, 9)
GRID = [CategoricalRange("max_depth", [3, 6])]


@pytest.mark.feature("bad input: grid with a continuous range")
def test_grid_accepts_categorical_ranges_only(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="Grid takes categorical ranges only, got others "
                       "for eta"):  # fmt: skip
        tuning(anew, strategy=Strategy.GRID, max_jobs=None,
               ranges=[*GRID, ContinuousRange("eta", 0.1, 0.3)])  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "Grid", "ranges": GRID, "max_jobs": 3}, "max_jobs must be the grid's 2"),
        ({"strategy": "Annealing"}, "strategy must be one of Bayesian, Grid, Hyperband, Random"),
        ({"strategy": Hyperband(), "early_stopping": True}, "early_stopping must be off"),
        ({"strategy": Strategy.HYPERBAND, "early_stopping": True}, "early_stopping must be off"),
        ({"strategy": Hyperband(min_resource=9, max_resource=3)}, "less than max_resource, got 9"),
        ({"strategy": Hyperband(min_resource=0)}, "min_resource must be at least 1, got 0"),
        ({"max_parallel": 11, "max_jobs": 20}, "max_parallel must be between 1 and 10, got 11"),
        ({"max_parallel": 5, "max_jobs": 2}, r"at most max_jobs \(2\), got 5"),
        ({"max_jobs": 751}, "max_jobs must be between 1 and 750, got 751"),
        ({"max_jobs": None}, "max_jobs is needed with the strategy Bayesian"),
        ({"max_runtime_seconds": 60}, "max_runtime_seconds must be between 120 and 15768000"),
        ({"random_seed": -1}, "random_seed must be between 0"),
        ({"job": "x" * 22}, "job must have at most 21 characters, got 22"),
        ({"completion": CompletionCriteria()}, "completion must say target"),
        ({"completion": CompletionCriteria(not_improving_jobs=2)}, "must be at least 3, got 2"),
        ({"warm_start": WarmStart(parents=[])}, "parents must be 1 to 5, got 0"),
        ({"warm_start": WarmStart(parents=["a"] * 6)}, "parents must be 1 to 5, got 6"),
        ({"warm_start": WarmStart(parents=["x" * 33])}, "at most 32 characters, got 33"),
        ({"warm_start": WarmStart(parents=["a"], type="Same")}, "warm_start.type must be one of"),
        ({"objective": Objective(metric="validation:mae", type="Less")}, "Maximize, Minimize"),
        ({"objective": Objective(metric="loss", type="Minimize")}, "got 'loss'"),
        ({"environment": {f"V{n}": "x" for n in range(49)}}, "takes 48 environment variables"),
        ({"ranges": []}, "ranges must be 1 to 30 hyperparameters, got 0"),
    ],
)  # fmt: skip
def test_search_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tuning(anew, **changes)


@pytest.mark.parametrize(
    ("searched", "message"),
    [
        (IntegerRange("max_depth", 9, 3), "minimum must be less than maximum, got 9 and 3"),
        (IntegerRange("max_depth", 3, 3), "fix the value instead"),
        (IntegerRange("max_depth", 0, 9, "Logarithmic"), "minimum must be above 0, got 0"),
        (IntegerRange("max_depth", 1, 9, "ReverseLogarithmic"), "only a continuous range can"),
        (IntegerRange("max_depth", 1, 9, "Log"), "scaling must be one of Auto, Linear"),
        (ContinuousRange("eta", 0.1, 1.0, "ReverseLogarithmic"), "within 0 and 1"),
        (ContinuousRange("eta", 0.0, 0.5, "Logarithmic"), "minimum must be above 0, got 0.0"),
        (ContinuousRange("eta", 0.1, float("inf")), "maximum must be finite, got inf"),
        (ContinuousRange("eta", 0.1, 2.0), "eta: maximum must be between 0 and 1, got 2.0"),
        (ContinuousRange("max_depth", 3, 9), "max_depth needs an integer range, got a continuous"),
        (IntegerRange("depth", 3, 9), "depth cannot be searched; allowed are alpha"),
        (IntegerRange("nthread", 1, 4), "nthread cannot be searched"),
        (CategoricalRange("max_depth", []), "must have 1 to 30 values, got 0"),
        (CategoricalRange("max_depth", list(range(31))), "must have 1 to 30 values, got 31"),
        (CategoricalRange("max_depth", [3, 3]), "has a value twice: 3"),
        (IntegerRange("_tuning_objective_metric", 1, 2), "is set by SageMaker itself"),
        (IntegerRange("x" * 257, 1, 2), "at most 256 characters, got 257"),
    ],
)
def test_range_is_refused(anew: Ground, searched: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tuning(anew, ranges=[searched])


def test_duplicate_range_is_refused(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="ranges has max_depth twice"):
        tuning(anew, ranges=[DEPTH, DEPTH])


@pytest.mark.feature("bad input: hyperparameter both searched and fixed")
def test_range_of_static_hyperparameter_is_refused(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="max_depth is both searched and fixed"):
        tuning(anew, ranges=[DEPTH], static={"max_depth": 5})


def test_more_than_30_ranges_are_refused(anew: Ground) -> None:
    ranges = [IntegerRange(f"p{number}", 1, 2) for number in range(31)]

    with pytest.raises(ConfigurationError, match="1 to 30 hyperparameters, got 31"):
        tuning(anew, ranges=ranges)


@pytest.mark.parametrize(
    ("algorithm", "searched", "message"),
    [
        (KMeans(hyperparameters={"k": 3, "feature_dim": 2}), IntegerRange("k", 2, 9),
         "k cannot be searched; allowed are epochs"),
        (LinearLearner(hyperparameters={"predictor_type": "regressor"}),
         IntegerRange("epochs", 2, 9), "epochs cannot be searched; allowed are l1"),
    ],
)  # fmt: skip
def test_ranges_of_untunable_hyperparameters_are_refused(
    anew: Ground, algorithm: Any, searched: Any, message: str
) -> None:
    data = DatePartitionedDataset(
        prefix="d/", validation_channel="test", content_type="text/csv;label_size=0"
    )

    with pytest.raises(ConfigurationError, match=message):
        tuning(anew, algorithm=algorithm, data=data, ranges=[searched])


def test_objective_without_its_channel_is_refused(anew: Ground) -> None:
    objective = Objective(metric="validation:msd", type="Minimize")
    kmeans = KMeans(hyperparameters={"k": 3, "feature_dim": 2})
    data = DatePartitionedDataset(prefix="d/", validation_channel="test")

    with pytest.raises(ConfigurationError, match="must be one of the metrics that the job reports"):
        tuning(anew, algorithm=kmeans, data=data, objective=objective,
               ranges=[IntegerRange("epochs", 1, 3)])  # fmt: skip


def test_role_without_tunes_is_refused(anew: Ground) -> None:
    role = TrainingRole(anew.stack, "Plain")

    with pytest.raises(ConfigurationError, match=r"TrainingRole\(..., tunes=True\)"):
        tuning(anew, role=role)


def test_definitions_exclude_specification(anew: Ground) -> None:
    definition = TuningDefinition(name="a", specification=specification(anew), ranges=[DEPTH])

    with pytest.raises(ConfigurationError, match="definitions takes the place of"):
        tuning(anew, definitions=[definition], ranges=[DEPTH])


def test_definitions_have_unique_names(anew: Ground) -> None:
    definition = TuningDefinition(name="a", specification=specification(anew), ranges=[DEPTH])

    with pytest.raises(ConfigurationError, match="definitions has a twice"):
        tuning(anew, definitions=[definition, definition])


def test_definitions_share_their_data(anew: Ground) -> None:
    other = specification(anew, data=DatePartitionedDataset(prefix="elsewhere/"))
    definitions = [
        TuningDefinition(name="a", specification=specification(anew), ranges=[DEPTH]),
        TuningDefinition(name="b", specification=other, ranges=[DEPTH]),
    ]

    with pytest.raises(ConfigurationError, match="definition b must have the store and the data"):
        tuning(anew, definitions=definitions)


def test_tuning_without_specification_is_refused(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="specification or definitions is needed"):
        tuning(anew, specification=None)


def test_options_of_training_jobs_are_refused(anew: Ground) -> None:
    changed = specification(anew, overrides={"RemoteDebugConfig": {"EnableRemoteDebug": True}})

    with pytest.raises(ConfigurationError, match="a tuning job takes no RemoteDebugConfig"):
        tuning(anew, specification=changed)


def test_unknown_objective_is_required(anew: Ground) -> None:
    many = XGBoost(hyperparameters={"num_round": 3, "eval_metric": "mae,rmse"})

    with pytest.raises(ConfigurationError, match="objective is needed"):
        tuning(anew, algorithm=many)


def test_quota_override_allows_more_trials(anew: Ground) -> None:
    job = tuning(anew, strategy="Random", max_jobs=5000, max_parallel=60, quota_override=True)

    limits = job.request()["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits == {"MaxParallelTrainingJobs": 60, "MaxNumberOfTrainingJobs": 5000}


def test_tokens_are_not_checked(anew: Ground) -> None:
    number = CfnParameter(anew.stack, "Jobs", type="Number").value_as_number

    job = tuning(
        anew, job=Aws.STACK_NAME, max_jobs=number, max_parallel=number, random_seed=number,
        ranges=[IntegerRange("max_depth", number, 9)],
    )  # fmt: skip

    searched = job.request()["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert searched["IntegerParameterRanges"][0]["MaxValue"] == "9"
