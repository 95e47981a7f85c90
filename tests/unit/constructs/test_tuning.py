"""Requests and permissions of tuning jobs."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from constructs_lib import (
    CategoricalRange,
    CompletionCriteria,
    ContinuousRange,
    Hyperband,
    IntegerRange,
    LinearLearner,
    Objective,
    Spot,
    Strategy,
    TuningDefinition,
    TuningJob,
    WarmStart,
)
from sageloop.local_cloud.sagemaker.validation import check

from .conftest import Ground, ground_of
from .jobs import literal, specification, tuning


def _config(job: TuningJob) -> dict[str, object]:
    return dict(job.request()["HyperParameterTuningJobConfig"])


def _checked(job: TuningJob) -> None:
    request = literal(job, job.request())
    check("CreateHyperParameterTuningJob", {"HyperParameterTuningJobName": "demo-1", **request})


@pytest.mark.feature("tuning: Bayesian")
def test_default_strategy_is_bayesian(anew: Ground) -> None:
    config = _config(tuning(anew))

    assert config["Strategy"] == "Bayesian"
    assert config["ResourceLimits"] == {
        "MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 6,
    }  # fmt: skip
    assert config["TrainingJobEarlyStoppingType"] == "Off"


@pytest.mark.feature("tuning: Random")
def test_random_strategy_has_seed(anew: Ground) -> None:
    config = _config(tuning(anew, strategy=Strategy.RANDOM, random_seed=7))

    assert (config["Strategy"], config["RandomSeed"]) == ("Random", 7)


@pytest.mark.feature("tuning: Hyperband")
def test_hyperband_strategy_has_resources(anew: Ground) -> None:
    job = tuning(anew, strategy=Hyperband(min_resource=3, max_resource=81))

    assert _config(job)["StrategyConfig"] == {
        "HyperbandStrategyConfig": {"MinResource": 3, "MaxResource": 81}
    }
    _checked(job)


@pytest.mark.feature("tuning: Grid")
def test_request_of_a_grid_leaves_the_number_of_trials_to_its_points(anew: Ground) -> None:
    ranges = [CategoricalRange("max_depth", [3, 6]), CategoricalRange("eta", [0.1, 0.3])]

    config = _config(tuning(anew, strategy=Strategy.GRID, ranges=ranges, max_jobs=None))

    assert config["ResourceLimits"] == {"MaxParallelTrainingJobs": 2}
    assert config["ParameterRanges"] == {"CategoricalParameterRanges": [
        {"Name": "max_depth", "Values": ["3", "6"]}, {"Name": "eta", "Values": ["0.1", "0.3"]},
    ]}  # fmt: skip


@pytest.mark.feature("tuning: integer, continuous and categorical ranges with scaling")
def test_request_has_ranges_of_each_kind_as_texts(anew: Ground) -> None:
    ranges = [
        IntegerRange("max_depth", 3, 9), ContinuousRange("eta", 0.01, 0.4, "Logarithmic"),
        CategoricalRange("subsample", [0.5, "1"]),
    ]  # fmt: skip

    assert _config(tuning(anew, ranges=ranges))["ParameterRanges"] == {
        "IntegerParameterRanges": [
            {"Name": "max_depth", "MinValue": "3", "MaxValue": "9", "ScalingType": "Auto"}
        ],
        "ContinuousParameterRanges": [
            {"Name": "eta", "MinValue": "0.01", "MaxValue": "0.4", "ScalingType": "Logarithmic"}
        ],
        "CategoricalParameterRanges": [{"Name": "subsample", "Values": ["0.5", "1"]}],
    }


@pytest.mark.feature("tuning: static hyperparameters")
def test_tuned_hyperparameters_are_not_static(anew: Ground) -> None:
    job = tuning(anew, ranges=[IntegerRange("num_round", 5, 50)], static={"subsample": 0.5})

    definition = job.request()["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == {"eval_metric": "mae", "subsample": "0.5"}


@pytest.mark.feature("tuning: objective known from the algorithm")
def test_default_objective_is_that_of_algorithm(anew: Ground) -> None:
    objective = _config(tuning(anew))["HyperParameterTuningJobObjective"]

    assert objective == {"Type": "Minimize", "MetricName": "validation:mae"}


@pytest.mark.feature("tuning: several training definitions")
def test_request_compares_definitions(anew: Ground) -> None:
    linear = specification(
        anew, algorithm=LinearLearner(hyperparameters={"predictor_type": "regressor"})
    )
    mse = Objective(metric="validation:mse", type="Minimize")
    rmse = Objective(metric="validation:rmse", type="Minimize")
    job = tuning(anew, definitions=[
        TuningDefinition(name="trees", specification=specification(anew), objective=rmse,
                         ranges=[IntegerRange("max_depth", 3, 9)]),
        TuningDefinition(name="linear", specification=linear, objective=mse,
                         ranges=[ContinuousRange("wd", 1e-7, 1.0, "Logarithmic")]),
    ])  # fmt: skip

    definitions = job.request()["TrainingJobDefinitions"]

    assert [each["DefinitionName"] for each in definitions] == ["trees", "linear"]
    assert [each["TuningObjective"]["MetricName"] for each in definitions] == [
        "validation:rmse", "validation:mse",
    ]  # fmt: skip
    assert "ParameterRanges" not in _config(job)
    _checked(job)


@pytest.mark.feature("tuning: early stopping")
def test_request_has_early_stopping(anew: Ground) -> None:
    config = _config(tuning(anew, early_stopping=True))

    assert config["TrainingJobEarlyStoppingType"] == "Auto"


@pytest.mark.feature("tuning: completion criteria")
def test_request_has_completion_criteria(anew: Ground) -> None:
    completion = CompletionCriteria(target=8.5, not_improving_jobs=3, on_convergence=True)
    job = tuning(anew, completion=completion, max_jobs=None)

    assert _config(job)["TuningJobCompletionCriteria"] == {
        "TargetObjectiveMetricValue": 8.5,
        "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3},
        "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
    }
    _checked(job)


@pytest.mark.feature("tuning: warm start from parents")
def test_request_has_warm_start(anew: Ground) -> None:
    job = tuning(anew, warm_start=WarmStart(parents=["old-1"], type="TransferLearning"))

    assert job.request()["WarmStartConfig"] == {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "old-1"}],
        "WarmStartType": "TransferLearning",
    }
    _checked(job)


@pytest.mark.feature("tuning: limits")
def test_request_has_a_limit_of_time(anew: Ground) -> None:
    config = _config(tuning(anew, max_jobs=None, max_runtime_seconds=3600))

    assert config["ResourceLimits"] == {"MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 3600}


@pytest.mark.feature("tuning: the whole request holds against botocore's model")
def test_full_request_matches_api_model(anew: Ground) -> None:
    job = tuning(
        anew, environment={"A": "b"}, retries=3,
        spot=Spot(max_wait_seconds=7200, checkpoint_prefix="checkpoints/"),
    )  # fmt: skip

    definition = job.request()["TrainingJobDefinition"]
    assert definition["EnableManagedSpotTraining"] is True
    assert definition["EnableNetworkIsolation"] is True
    assert definition["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert definition["Environment"] == {"A": "b"}
    assert {"CheckpointConfig", "InputDataConfig", "OutputDataConfig", "ResourceConfig",
            "RoleArn", "StoppingCondition", "VpcConfig"} <= set(definition)  # fmt: skip
    _checked(job)


@pytest.mark.feature("tuning: escape hatch to any field of the API")
def test_overrides_set_other_members(anew: Ground) -> None:
    hint = [{"Name": "gamma", "ValueHint": "0.1"}]
    job = tuning(anew, overrides={
        "HyperParameterTuningJobConfig.ParameterRanges.AutoParameters": hint,
    })  # fmt: skip

    ranges = job.request()["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["AutoParameters"] == hint
    _checked(job)


@pytest.fixture(scope="module")
def template() -> Template:
    """A stack with a search, to read."""
    ground = ground_of(Stack(App(), "Test"))
    tuning(ground, start_on_deploy=True)
    return ground.template()


@pytest.mark.feature("tuning: lifecycle of the resource")
def test_resource_has_document(
    template: Template, document: Callable[[Template, str], str]
) -> None:
    text = document(template, "Custom::TuningJob")

    result = json.loads(text.replace("<token>", "x"))
    assert (result["kind"], result["job"], result["start_on_deploy"]) == ("tuning", "demo", True)
    assert result["data"]["manifest_key"] == "datasets/demo/manifest.json"
    assert "HyperParameterTuningJobConfig" in result["request"]


def test_resource_is_deleted_before_policies_and_endpoints(template: Template) -> None:
    (resource,) = template.find_resources("Custom::TuningJob").values()
    assert set(template.find_resources("AWS::EC2::VPCEndpoint")) <= set(resource["DependsOn"])


def test_jobs_and_trials_have_arns_of_their_prefix(anew: Ground) -> None:
    job = tuning(anew)

    searches, trials, many = job.job_arns
    assert searches.endswith(":hyper-parameter-tuning-job/demo-??????????")
    assert trials.endswith(":training-job/demo-??????????-???-????????")
    assert many.endswith(":training-job/demo-??????????-????-????????")


@pytest.mark.feature("tuning: who may start and stop")
def test_grant_start_allows_isolated_searches_only(anew: Ground) -> None:
    job = tuning(anew)
    role = iam.Role(anew.stack, "Who", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))

    create, *others = job.grant_start(role).principal_statements

    assert create.actions == ["sagemaker:CreateHyperParameterTuningJob"]
    assert create.conditions["Bool"]["sagemaker:NetworkIsolation"] == "true"
    assert create.conditions["Null"] == {"sagemaker:VpcSubnets": "false"}
    assert ["iam:PassRole"] in [statement.actions for statement in others]


def test_grant_stop_allows_searches_of_the_prefix(anew: Ground) -> None:
    (statement,) = tuning(anew).stop_statements()

    assert statement.actions == ["sagemaker:DescribeHyperParameterTuningJob",
                                 "sagemaker:StopHyperParameterTuningJob"]  # fmt: skip


def test_describe_reaches_the_trials(anew: Ground) -> None:
    actions = [each.actions for each in tuning(anew).describe_statements()]

    assert actions == [
        ["sagemaker:DescribeHyperParameterTuningJob"],
        ["sagemaker:ListTrainingJobsForHyperParameterTuningJob"],
        ["sagemaker:DescribeTrainingJob"],
    ]  # fmt: skip
