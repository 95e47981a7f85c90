from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.tuning import requests, warm_start
from sageloop.local_cloud.sagemaker.tuning.completion import Completion
from sageloop.local_cloud.sagemaker.tuning.definitions import (
    Objective,
    definitions_of,
    training_request,
)
from sageloop.local_cloud.sagemaker.tuning.stopping import MedianStopping

LOSS = Objective("loss", "Minimize")
SCORE = Objective("score", "Maximize")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
METRIC = {"Name": "loss", "Regex": "loss=(.*)"}
X = {"Name": "x", "MinValue": "0", "MaxValue": "1"}
N = {"Name": "n", "MinValue": "1", "MaxValue": "9"}
M = {"Name": "m", "Values": ["a", "b"]}
OBJECTIVE = {"Type": "Minimize", "MetricName": "loss"}
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def continuous(**changes: str) -> dict[str, Any]:
    return {"ContinuousParameterRanges": [X | changes]}


def integer(**changes: str) -> dict[str, Any]:
    return {"IntegerParameterRanges": [N | changes]}


def definition(**members: Any) -> dict[str, Any]:
    document = {
        "AlgorithmSpecification": {"TrainingImage": "own/a:1", "MetricDefinitions": [METRIC]},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        "InputDataConfig": ["train"],
    }
    return {k: v for k, v in (document | members).items() if v is not None}


def own(name: str, ranges: dict[str, Any], **members: Any) -> dict[str, Any]:
    return definition(
        DefinitionName=name, TuningObjective=OBJECTIVE, HyperParameterRanges=ranges, **members
    )


def request(ranges: Any = None, *, of: Any = None, **changes: Any) -> dict[str, Any]:
    limits = {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}
    document = {
        "Strategy": "Random",
        "ResourceLimits": limits,
        "HyperParameterTuningJobObjective": OBJECTIVE,
        "ParameterRanges": continuous() if ranges is None else ranges,
    } | changes
    kept = {k: v for k, v in document.items() if v is not None}
    several = isinstance(of, list)
    member = "TrainingJobDefinitions" if several else "TrainingJobDefinition"
    return {
        "HyperParameterTuningJobName": "job",
        "HyperParameterTuningJobStatus": "Completed",
        "HyperParameterTuningJobConfig": kept,
        member: definition() if of is None else of,
    }


def limits(maximum: int | None = 4, parallel: int = 2) -> dict[str, int]:
    document = {"MaxNumberOfTrainingJobs": maximum, "MaxParallelTrainingJobs": parallel}
    return {k: v for k, v in document.items() if v is not None}


def hyperband(**bounds: int) -> dict[str, Any]:
    return {"Strategy": "Hyperband", "StrategyConfig": {"HyperbandStrategyConfig": bounds}}


def test_valid_request_is_accepted() -> None:
    (accepted,) = requests.check(request())

    assert accepted.objective == LOSS
    assert [p.name for p in accepted.searched] == ["x"]


BAD: list[tuple[str, dict[str, Any]]] = [
    ("Grid searches categorical ranges only", request(Strategy="Grid")),
    (
        "must be the number of combinations, 2, or left out; got 4",
        request({"CategoricalParameterRanges": [M]}, Strategy="Grid"),
    ),
    (
        "must be Off with the strategy Hyperband",
        request(TrainingJobEarlyStoppingType="Auto", **hyperband(MinResource=1, MaxResource=9)),
    ),
    ("MinResource < MaxResource", request(**hyperband(MinResource=9, MaxResource=9))),
    ("MaxResource is not specified", request(**hyperband(MinResource=1))),
    (
        "StrategyConfig is for the strategy Hyperband only, got Random",
        request(**(hyperband(MaxResource=3) | {"Strategy": "Random"})),
    ),
    ("a range of values greater than 0", request(continuous(ScalingType="Logarithmic"))),
    ("a range within 0 <= x < 1", request(continuous(ScalingType="ReverseLogarithmic"))),
    ("for continuous ranges only", request(integer(ScalingType="ReverseLogarithmic"))),
    ("must be less than its MaxValue", request(continuous(MinValue="2"))),
    ("must be less than its MaxValue", request(integer(MinValue="9"))),
    ("must be an integer, got '1.5'", request(integer(MinValue="1.5"))),
    ("must be a number, got 'low'", request(continuous(MinValue="low"))),
    ("has 2 ranges; it may have one", request(continuous() | integer(Name="x"))),
    (
        "in StaticHyperParameters and has a range too",
        request(of=definition(StaticHyperParameters={"x": "1"})),
    ),
    (
        "search 31 hyperparameters; the maximum is 30",
        request({"IntegerParameterRanges": [N | {"Name": f"n{i}"} for i in range(31)]}),
    ),
    (
        "101 hyperparameters are static or searched",
        request(of=definition(StaticHyperParameters={f"s{i}": "1" for i in range(100)})),
    ),
    ("at least one range is required", request({})),
    ("values must be unique", request({"CategoricalParameterRanges": [M | {"Values": ["a"] * 2}]})),
    ("must not be greater than MaxNumberOfTrainingJobs", request(ResourceLimits=limits(2, 3))),
    ("The tuning job would not end", request(ResourceLimits=limits(None))),
    (
        "You don't have enough combinations of hyperparameter ranges",
        request({"CategoricalParameterRanges": [M]}),
    ),
    (
        "A metric is required for this hyperparameter tuning job objective",
        request(HyperParameterTuningJobObjective=OBJECTIVE | {"MetricName": "mae"}),
    ),
    ("exactly one of HyperParameterTuningJobConfig.", request(of=own("a", {}))),
    (
        "got none",
        {k: v for k, v in request().items() if k != "TrainingJobDefinition"},
    ),
    ("got both", request() | {"TrainingJobDefinitions": [own("a", continuous())]}),
    (
        "HyperParameterTuningJobObjective must not be specified with TrainingJobDefinitions",
        request(of=[own("a", continuous())]),
    ),
    ("Autotune", request() | {"Autotune": {"Mode": "Enabled"}}),
    ("AutoParameters", request({"AutoParameters": [{"Name": "x", "ValueHint": "1"}]})),
    ("got none", request(of=definition(ResourceConfig=None))),
    (
        "so it must not have InstanceType",
        request(
            of=definition(
                ResourceConfig=None,
                HyperParameterTuningResourceConfig={
                    "InstanceType": "ml.m5.large",
                    "InstanceConfigs": [{"InstanceType": "ml.m5.large", "InstanceCount": 1}],
                },
            )
        ),
    ),
    (
        "x is not one of the algorithm",
        request(
            of=definition(AlgorithmSpecification={"TrainingImage": XGBOOST}),
            HyperParameterTuningJobObjective=OBJECTIVE | {"MetricName": "validation:rmse"},
        ),
    ),
]


def together(*definitions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    none = {"HyperParameterTuningJobObjective": None, "ParameterRanges": None}
    return request(of=list(definitions), **(none | changes))


SEVERAL: list[tuple[str, dict[str, Any]]] = [
    ("has the DefinitionName a more than once", together(*[own("a", continuous())] * 2)),
    (
        "has no TuningObjective",
        together(definition(DefinitionName="a", HyperParameterRanges=continuous())),
    ),
    (
        "must have the same Type, got Maximize and Minimize",
        together(
            own("a", continuous()),
            own("b", continuous()) | {"TuningObjective": OBJECTIVE | {"Type": "Maximize"}},
        ),
    ),
    (
        "EarlyStoppingType Auto is for one training job definition",
        together(
            own("a", continuous()), own("b", continuous()), TrainingJobEarlyStoppingType="Auto"
        ),
    ),
    (
        "WarmStartConfig is for one training job definition",
        together(own("a", continuous()), own("b", continuous())) | {"WarmStartConfig": {}},
    ),
    (
        "60 environment variables together",
        together(
            *(
                own(name, continuous(), Environment={f"V{i}": "" for i in range(30)})
                for name in "ab"
            )
        ),
    ),
]


@pytest.mark.feature("tuning: illegal combinations refused")
@pytest.mark.parametrize(("message", "wrong"), BAD + SEVERAL)
def test_invalid_request_is_refused_in_one_line(message: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(AwsError) as caught:
        requests.check(wrong)

    assert caught.value.code == "ValidationException"
    assert message in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.feature("tuning: limits")
@pytest.mark.parametrize(
    ("strategy", "parameters"), [("Bayesian", limits(751)), ("Random", limits(200, 101))]
)
def test_request_over_the_quota_is_refused(strategy: str, parameters: dict[str, int]) -> None:
    with pytest.raises(AwsError) as caught:
        requests.check(request(Strategy=strategy, ResourceLimits=parameters))

    assert caught.value.code == "ResourceLimitExceeded"


def test_maximum_resource_is_inferred_from_static_epochs() -> None:
    static = definition(StaticHyperParameters={"n_epochs": "27"})

    assert requests.check(request(of=static, **hyperband(MinResource=3)))


def warm(document: dict[str, Any], kind: str = "IdenticalDataAndAlgorithm") -> dict[str, Any]:
    parents = [{"HyperParameterTuningJobName": "parent"}]
    config = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": kind}
    return document | {"WarmStartConfig": config}


def parent(document: dict[str, Any], **members: Any) -> dict[str, Any]:
    return document | {"HyperParameterTuningJobName": "parent"} | members


STATIC = definition(StaticHyperParameters={f"s{i}": "1" for i in range(6)})
OTHER = definition(StaticHyperParameters={f"s{i}": "2" for i in range(6)})
WARM: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "is in status InProgress",
        request(),
        parent(request(), HyperParameterTuningJobStatus="InProgress"),
    ),
    ("names is not the same", request(), parent(request(integer()))),
    ("must keep the type of its range", request(), parent(request(integer(Name="x")))),
    (
        "The objective must be the parent's",
        request(),
        parent(request(HyperParameterTuningJobObjective=OBJECTIVE | {"Type": "Maximize"})),
    ),
    ("needs the InputDataConfig", request(), parent(request(of=definition(InputDataConfig=[])))),
    (
        "The training image must be the parent's",
        request(),
        parent(request(of=definition(AlgorithmSpecification={"TrainingImage": "own/b:1"}))),
    ),
    ("12 changes of static", request(of=STATIC), parent(request(of=OTHER))),
    (
        "several training job definitions",
        request(),
        parent(together(own("a", continuous()), own("b", continuous()))),
    ),
]


@pytest.mark.feature("tuning: warm start")
@pytest.mark.parametrize(("message", "child", "before"), WARM)
def test_warm_start_from_incompatible_parent_is_refused(
    message: str, child: dict[str, Any], before: dict[str, Any]
) -> None:
    messages = list(warm_start.violations(warm(child), [before], 4))

    assert any(message in line for line in messages), messages


def test_warm_start_may_change_version_ranges_data_and_static_values() -> None:
    child = request(
        continuous(MaxValue="0.5"),
        of=definition(
            AlgorithmSpecification={"TrainingImage": "own/a:2"},
            StaticHyperParameters={"n": "3"},
            InputDataConfig=["more"],
        ),
    )
    before = parent(request(continuous() | integer()))

    assert list(warm_start.violations(warm(child, "TransferLearning"), [before], 4)) == []


@pytest.mark.feature("tuning: warm start")
def test_training_jobs_of_parents_count_towards_the_limit() -> None:
    (line,) = warm_start.violations(warm(request(Strategy="Bayesian")), [parent(request())], 747)

    assert "747 of them and 4 new ones are more than the 750" in line


@pytest.mark.feature("tuning: early stopping")
def test_median_rule_uses_running_averages_of_ended_jobs() -> None:
    rule = MedianStopping(LOSS)
    assert not rule.stops([9.0])
    for reported in ([4.0, 2.0], [3.0, 3.0], [8.0, 8.0, 8.0]):
        rule.ended(reported)

    assert not rule.stops([4.0])
    assert rule.stops([4.1])
    assert not rule.stops([9.0, 3.0])
    assert rule.stops([1.0, 3.1])
    assert rule.stops([1.0, 1.0, 8.1])
    assert not rule.stops([1.0, 1.0, 1.0, 99.0])


def test_median_rule_is_reversed_for_maximization() -> None:
    rule = MedianStopping(SCORE)
    rule.ended([0.5])

    assert rule.stops([0.4])
    assert not rule.stops([0.6])


def completed(criteria: dict[str, Any], *values: float, of: Objective = LOSS) -> list[bool]:
    watched = Completion(criteria)
    return [watched.observe(of, value, NOW) for value in values]


@pytest.mark.feature("tuning: completion criteria")
def test_reached_target_completes_the_job() -> None:
    target = {"TargetObjectiveMetricValue": 0.5}

    assert completed(target, 0.9, 0.6, 0.5) == [False, False, True]
    assert completed(target, 0.4, 0.6, of=SCORE) == [False, True]


@pytest.mark.feature("tuning: completion criteria")
def test_job_completes_after_trials_without_one_percent_improvement() -> None:
    criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}

    assert completed(criteria, 1.0, 0.995, 0.98, 0.99, 0.975, 2.0) == [False] * 5 + [True]


@pytest.mark.feature("tuning: completion criteria")
def test_convergence_is_reported_and_completes_the_job_if_enabled() -> None:
    flat = [1.0] * 20
    enabled = {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}
    watched = Completion({})

    assert completed(enabled, *flat) == [False] * 19 + [True]
    assert not any(watched.observe(LOSS, value, NOW) for value in flat)
    assert watched.details() == {
        "NumberOfTrainingJobsObjectiveNotImproving": 19,
        "ConvergenceDetectedTime": NOW,
    }


def test_trial_has_static_and_chosen_values_and_own_checkpoints() -> None:
    checkpoints = {"S3Uri": "s3://bucket/checkpoints/", "LocalPath": "/opt/ml/checkpoints"}
    (one,) = definitions_of(
        request(of=definition(StaticHyperParameters={"n": "3"}, CheckpointConfig=checkpoints))
    )

    document = training_request(one, name="job-001-0a", values={"x": "0.5"}, resources={})

    assert document["HyperParameters"] == {"n": "3", "x": "0.5", "_tuning_objective_metric": "loss"}
    assert document["CheckpointConfig"]["S3Uri"] == "s3://bucket/checkpoints/job-001-0a"
