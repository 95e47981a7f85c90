"""The project's app with a tuning job in place of the training job, deployed and driven."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from deployed import Loop, deploy_project, in_process

pytestmark = pytest.mark.slow

JOB = "sageloop-tune-flights"


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """A tuning job that new data started; its best model is promoted and deployed."""
    with in_process() as (_, client):
        deployed = deploy_project(client, "tune")
        deployed.deliver(date(2013, 1, 1), 20)
        client.settle(120)
        yield deployed


@pytest.fixture(scope="module")
def search(loop: Loop) -> dict[str, Any]:
    """The description of the tuning job."""
    sagemaker = loop.cloud.client("sagemaker")
    (description,) = sagemaker.list_hyper_parameter_tuning_jobs()[
        "HyperParameterTuningJobSummaries"
    ]
    return dict(
        sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=description["HyperParameterTuningJobName"]
        )
    )


@pytest.mark.feature("tuning: the retraining loop may tune instead of train")
def test_new_data_starts_a_tuning_job(search: dict[str, Any]) -> None:
    assert search["HyperParameterTuningJobName"].startswith(f"{JOB}-")
    assert search["HyperParameterTuningJobStatus"] == "Completed"
    assert search["TrainingJobStatusCounters"]["Completed"] == 6


@pytest.mark.feature("tuning: the gate evaluates and registers the best trial")
def test_best_trial_is_promoted(loop: Loop, search: dict[str, Any]) -> None:
    best = search["BestTrainingJob"]["TrainingJobName"]

    (package,) = loop.packages()
    assert package["ModelApprovalStatus"] == "Approved"
    assert f"/{best}/" in loop.champion()["model_data_url"]
    assert loop.champion()["state"] == "live"


def test_trials_use_the_delivered_days(loop: Loop, search: dict[str, Any]) -> None:
    best = search["BestTrainingJob"]["TrainingJobName"]
    job = loop.cloud.client("sagemaker").describe_training_job(TrainingJobName=best)

    train, validation = [
        channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in job["InputDataConfig"]
    ]
    name = search["HyperParameterTuningJobName"]
    assert train.endswith(f"/runs/{name}/train.manifest")
    assert validation.endswith(f"/runs/{name}/validation.manifest")


def test_start_function_is_published_under_the_job_name(loop: Loop) -> None:
    ssm = loop.cloud.client("ssm")

    description = ssm.get_parameter(Name=f"/sageloop/jobs/{JOB}/start-function")

    assert (
        ":function:sageloop-tune-Operations-LoopStartTraining" in description["Parameter"]["Value"]
    )


def test_demo_reads_the_hold_out_of_the_best_trial(loop: Loop, search: dict[str, Any]) -> None:
    best = search["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]

    assert loop.watch.runs() == [search["HyperParameterTuningJobName"]]
    assert loop.watch.holdout(loop.watch.runs()[0]) == pytest.approx(best)
