"""Tuning jobs: search, training jobs, reported results and completion."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    XGBOOST,
    aws,
    channel,
    csv,
    program,
    world,
)
from tuning_stage import (  # noqa: F401 - fixtures are found by name
    BASE,
    BOWL,
    OBJECTIVE,
    bowl,
    choices,
    config,
    continuous,
    definition,
    described,
    forgotten,
    objectives,
    trials,
    tune,
    tuning,
    values,
)

pytestmark = pytest.mark.usefixtures("forgotten")


@pytest.mark.feature("tuning: Random")
def test_random_search_reports_the_best_training_job(aws: SimpleNamespace, bowl: str) -> None:
    job = tune(aws, tuning("random", bowl, Tags=[{"Key": "team", "Value": "ml"}]))

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 4, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0
    }  # fmt: skip
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert job["HyperParameterTuningEndTime"] >= job["CreationTime"]
    best = job["BestTrainingJob"]
    final = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert final["Value"] == pytest.approx(min(objectives(aws, "random")))
    assert (final["Type"], final["MetricName"]) == ("Minimize", "loss")
    assert best["ObjectiveStatus"] == "Succeeded"
    assert best["TrainingStartTime"] <= best["TrainingEndTime"]
    assert re.fullmatch(r"random-00[1-4]-[0-9a-f]{8}", best["TrainingJobName"])
    arn = aws.sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert arn["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert arn["HyperParameters"]["_tuning_objective_metric"] == "loss"
    tags = aws.sagemaker.list_tags(ResourceArn=best["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "ml"}]


@pytest.mark.feature("tuning: events")
def test_tuning_job_status_changes_are_events(aws: SimpleNamespace, bowl: str) -> None:
    tune(aws, tuning("events", bowl, config(jobs=1), Tags=[{"Key": "team", "Value": "ml"}]))

    kind = "SageMaker HyperParameter Tuning Job State Change"
    sent = [(d, arns) for k, d, arns in aws.events.sent if k == kind]
    statuses = [detail["HyperParameterTuningJobStatus"] for detail, _ in sent]
    assert statuses == ["InProgress", "Completed"]
    detail, arns = sent[-1]
    assert arns == [detail["HyperParameterTuningJobArn"]]
    assert detail["HyperParameterTuningJobConfig"]["Strategy"] == "Random"
    assert isinstance(detail["HyperParameterTuningEndTime"], int)
    assert detail["BestTrainingJob"]["TrainingJobName"].startswith("events-001-")
    assert detail["Tags"] == {"team": "ml"}
    assert detail["FailureReason"] is None


@pytest.mark.feature("tuning: RandomSeed")
def test_same_seed_repeats_the_values_of_a_job(aws: SimpleNamespace, bowl: str) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        tune(aws, tuning(name, bowl, config("Bayesian", jobs=3, RandomSeed=seed)))

    assert values(aws, "a") == values(aws, "b")
    assert values(aws, "a") != values(aws, "c")


@pytest.mark.slow
@pytest.mark.feature("tuning: Bayesian")
def test_bayesian_search_concentrates_on_better_values(aws: SimpleNamespace, bowl: str) -> None:
    for strategy in ("Bayesian", "Random"):
        tune(aws, tuning(strategy, bowl, config(strategy, jobs=16, RandomSeed=4)))

    late = {name: sum(objectives(aws, name)[-8:]) for name in ("Bayesian", "Random")}
    assert late["Bayesian"] < 0.25 * late["Random"]


@pytest.mark.feature("tuning: Grid")
def test_grid_search_tries_each_combination_once(aws: SimpleNamespace, program: Any) -> None:
    image = program(BASE + "report(len(values['a']) + len(values['b']))")
    ranges = choices(a=["1", "22"], b=["x", "yyy"])
    settings = config("Grid", jobs=None, parallel=2, ParameterRanges=ranges)

    job = tune(aws, tuning("grid", image, settings))

    tried = [tuple(t["TunedHyperParameters"].values()) for t in trials(aws, "grid")]
    assert tried == [("1", "x"), ("1", "yyy"), ("22", "x"), ("22", "yyy")]
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"a": "1", "b": "x"}


EPOCHS = """
for epoch in range(9):
    report(float(values["x"]) + 1 / (epoch + 1))
    time.sleep(0.04)
"""


@pytest.mark.feature("tuning: Hyperband")
def test_hyperband_stops_underperforming_trials(aws: SimpleNamespace, program: Any) -> None:
    bounds = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
    settings = config("Hyperband", jobs=10, parallel=1, StrategyConfig=bounds)

    job = tune(aws, tuning("halving", program(BASE + EPOCHS), settings))

    counters = job["TrainingJobStatusCounters"]
    assert counters["Stopped"] > 0
    assert counters["Completed"] > 0
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 10, "Pending": 0, "Failed": 0}
    assert job["BestTrainingJob"]["TrainingJobStatus"] == "Completed"
    assert float(job["BestTrainingJob"]["TunedHyperParameters"]["x"]) == min(
        float(x) for x in values(aws, "halving")
    )


GETS_WORSE = """
import re
number = int(os.environ["TRAINING_JOB_NAME"].split("-")[1])
for epoch in range(100 if number == 4 else 3):
    report(number * 10)
    time.sleep(0.05)
"""


@pytest.mark.feature("tuning: early stopping")
def test_early_stopping_stops_a_trial_worse_than_the_median(
    aws: SimpleNamespace, program: Any
) -> None:
    settings = config(jobs=4, TrainingJobEarlyStoppingType="Auto")

    tune(aws, tuning("median", program(BASE + GETS_WORSE), settings))

    first, *_, last = trials(aws, "median")
    assert first["TrainingJobStatus"] == "Completed"
    assert last["TrainingJobStatus"] == "Stopped"
    assert last["ObjectiveStatus"] == "Succeeded"
    assert last["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 40.0


@pytest.mark.feature("tuning: completion criteria")
def test_reached_target_completes_the_job(aws: SimpleNamespace, bowl: str) -> None:
    target = {"TargetObjectiveMetricValue": 1.0}

    job = tune(aws, tuning("target", bowl, config(jobs=9, TuningJobCompletionCriteria=target)))

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 1


@pytest.mark.feature("tuning: completion criteria")
def test_missing_improvement_completes_the_job(aws: SimpleNamespace, program: Any) -> None:
    criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
    settings = config(jobs=None, TuningJobCompletionCriteria=criteria)

    job = tune(aws, tuning("no-improvement", program(BASE + "report(5)"), settings))

    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    details = job["TuningJobCompletionDetails"]
    assert details == {"NumberOfTrainingJobsObjectiveNotImproving": 3}


TOGETHER = """
import datetime
report(time.time())
time.sleep(0.4)
"""


@pytest.mark.feature("tuning: parallel trials")
def test_trials_run_in_parallel_up_to_the_limit(aws: SimpleNamespace, program: Any) -> None:
    settings = config(jobs=6, parallel=3)

    tune(aws, tuning("many", program(BASE + TOGETHER), settings))

    spans = [(t["TrainingStartTime"], t["TrainingEndTime"]) for t in trials(aws, "many")]
    most = max(sum(a <= start < b for a, b in spans) for start, _ in spans)
    assert 2 <= most <= 3


@pytest.mark.feature("tuning: several training definitions")
def test_several_definitions_alternate_and_share_one_best(
    aws: SimpleNamespace, program: Any
) -> None:
    better = program(BASE + "report(float(values['x']))", "better")
    worse = program(BASE + "report(10 + float(values['y']))", "worse")
    spec = tuning("several", better, config(jobs=4))
    del spec["TrainingJobDefinition"]
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        del spec["HyperParameterTuningJobConfig"][member]
    spec["TrainingJobDefinitions"] = [
        definition(
            image, DefinitionName=name, TuningObjective=OBJECTIVE,
            HyperParameterRanges=continuous({"Name": key, "MinValue": "0", "MaxValue": "1"}),
            StaticHyperParameters={"of": name},
        )
        for image, name, key in ((better, "first", "x"), (worse, "second", "y"))
    ]  # fmt: skip

    job = tune(aws, spec)

    names = [trial["TrainingJobDefinitionName"] for trial in trials(aws, "several")]
    assert names == ["first", "second", "first", "second"]
    assert job["BestTrainingJob"]["TrainingJobDefinitionName"] == "first"


@pytest.mark.feature("tuning: warm start")
def test_warm_start_uses_parent_results_and_reports_overall_best(
    aws: SimpleNamespace, bowl: str
) -> None:
    parent = tune(aws, tuning("parent", bowl, config("Bayesian", jobs=12, RandomSeed=1)))
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    settings = config("Bayesian", jobs=3, RandomSeed=5)
    tune(aws, tuning("cold", bowl, settings))

    job = tune(aws, tuning("child", bowl, settings, WarmStartConfig=warm))

    assert sum(objectives(aws, "child")) < sum(objectives(aws, "cold"))
    overall = job["OverallBestTrainingJob"]
    metric = "FinalHyperParameterTuningJobObjectiveMetric"
    assert overall[metric]["Value"] == min(
        j["BestTrainingJob"][metric]["Value"] for j in (parent, job)
    )
    assert overall["TuningJobName"] == overall["TrainingJobName"].rsplit("-", 2)[0]


@pytest.mark.slow
@pytest.mark.feature("tuning: built-in algorithm")
def test_xgboost_is_tuned_by_its_metric(aws: SimpleNamespace) -> None:
    for name in ("train", "validation"):
        aws.s3.put_object(Bucket=BUCKET, Key=f"{name}/a.csv", Body=csv(200))
    objective = {"Type": "Minimize", "MetricName": "validation:rmse"}
    ranges = {"IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "6"}]}
    settings = config(
        jobs=2, parallel=2, HyperParameterTuningJobObjective=objective, ParameterRanges=ranges
    )
    spec = tuning("trees", XGBOOST, settings)
    del spec["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    spec["TrainingJobDefinition"] |= {
        "StaticHyperParameters": {"num_round": "3", "objective": "reg:squarederror"},
        "InputDataConfig": [
            channel(n, f"s3://training-tests/{n}/") for n in ("train", "validation")
        ],
    }

    job = tune(aws, spec)

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 2
    assert {"Name", "Regex"} == set(
        job["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"][0]
    )


@pytest.mark.feature("tuning: list and sort")
def test_trials_are_listed_sorted_and_paginated(aws: SimpleNamespace, program: Any) -> None:
    image = program(BASE + "report(values['x']) if float(values['x']) < 0.5 else sys.exit(1)")
    settings = config(jobs=4, RandomSeed=7)
    tune(aws, tuning("listed", image, settings))
    everything = trials(aws, "listed")

    assert [t["TrainingJobName"].split("-")[1] for t in everything] == ["001", "002", "003", "004"]
    failed = trials(aws, "listed", StatusEquals="Failed")
    assert 0 < len(failed) < 4
    assert all(t["ObjectiveStatus"] == "Failed" for t in failed)
    assert all(t["FailureReason"].startswith("AlgorithmError") for t in failed)
    by_value = trials(aws, "listed", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    listing = [t["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for t in by_value]
    assert listing == sorted(objectives(aws, "listed"), reverse=True)
    assert len(listing) == 4 - len(failed)
    batches = aws.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    listed_in_batches = [
        one["TrainingJobName"]
        for batch in batches.paginate(
            HyperParameterTuningJobName="listed", PaginationConfig={"PageSize": 3}
        )
        for one in batch["TrainingJobSummaries"]
    ]
    assert listed_in_batches == [t["TrainingJobName"] for t in everything]


@pytest.mark.feature("tuning: list and sort")
def test_tuning_jobs_are_listed_with_strategy_and_limits(aws: SimpleNamespace, bowl: str) -> None:
    for name in ("zebra", "ape"):
        tune(aws, tuning(name, bowl, config(jobs=1)))

    listed = aws.sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    listing = aws.sagemaker.list_hyper_parameter_tuning_jobs(
        NameContains="zeb", StatusEquals="Completed"
    )["HyperParameterTuningJobSummaries"]

    assert [one["HyperParameterTuningJobName"] for one in listed] == ["ape", "zebra"]
    assert [one["HyperParameterTuningJobName"] for one in listing] == ["zebra"]
    assert listing[0]["Strategy"] == "Random"
    assert listing[0]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 1
    assert listing[0]["TrainingJobStatusCounters"]["Completed"] == 1
    assert described(aws, "ape")["TrainingJobDefinition"]["StaticHyperParameters"] == {
        "_tuning_objective_metric": "loss"
    }
