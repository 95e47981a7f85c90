"""Tuning jobs that are refused, stopped, fail or exceed their runtime."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from training_stage import aws, program, start_cloud, world  # noqa: F401 - fixtures by name
from tuning_stage import (  # noqa: F401 - fixtures are found by name
    BASE,
    bowl,
    config,
    definition,
    described,
    forgotten,
    trials,
    tune,
    tuning,
)

from sageloop.local_cloud.core.errors import AwsError

pytestmark = pytest.mark.usefixtures("forgotten")


def refusal_of(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def wait_for(aws: SimpleNamespace, name: str, member: str, count: int) -> None:
    changed = aws.cloud.service("sagemaker").store.changed
    with changed:
        assert changed.wait_for(
            lambda: described(aws, name)["TrainingJobStatusCounters"][member] >= count, 20
        )


SLEEPS = BASE + "report(1)\ntime.sleep(60)"


@pytest.mark.feature("tuning: stop")
def test_stopped_job_stops_its_trials(aws: SimpleNamespace, program: Any) -> None:
    client = aws.sagemaker
    client.create_hyper_parameter_tuning_job(
        **tuning("stopped", program(SLEEPS), config(jobs=8, parallel=2))
    )
    wait_for(aws, "stopped", "InProgress", 2)

    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")

    assert aws.cloud.settle(180) == []
    job = described(aws, "stopped")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
    assert {t["TrainingJobStatus"] for t in trials(aws, "stopped")} == {"Stopped"}
    code, message = refusal_of(
        client.stop_hyper_parameter_tuning_job, HyperParameterTuningJobName="stopped"
    )
    assert (code, message.endswith("is in status Stopped.")) == ("ValidationException", True)


@pytest.mark.feature("tuning: stop")
def test_manually_stopped_trial_counts_and_search_continues(
    aws: SimpleNamespace, program: Any
) -> None:
    image = program(
        BASE + "report(1)\nif '-001-' in os.environ['TRAINING_JOB_NAME']: time.sleep(60)"
    )
    aws.sagemaker.create_hyper_parameter_tuning_job(**tuning("one", image, config(jobs=2)))
    wait_for(aws, "one", "InProgress", 1)
    (first,) = trials(aws, "one")

    aws.sagemaker.stop_training_job(TrainingJobName=first["TrainingJobName"])

    assert aws.cloud.settle(180) == []
    job = described(aws, "one")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    counters = job["TrainingJobStatusCounters"]
    assert (counters["Stopped"], counters["Completed"]) == (1, 1)


def test_stopped_cloud_leaves_no_tuning_job_in_flight(aws: SimpleNamespace, program: Any) -> None:
    image = program(SLEEPS)
    other = start_cloud()
    other.sagemaker.create_hyper_parameter_tuning_job(**tuning("left", image, config(parallel=2)))
    wait_for(other, "left", "InProgress", 2)

    other.cloud.stop()

    assert not [label for label in other.cloud.activity.in_flight() if "tuning" in label]


@pytest.mark.feature("tuning: failing trials")
def test_job_fails_after_five_failed_trials(aws: SimpleNamespace, program: Any) -> None:
    job = tune(aws, tuning("failing", program("raise SystemExit(2)"), config(jobs=9)))

    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 5
    assert job["ObjectiveStatusCounters"]["Failed"] == 5
    assert "BestTrainingJob" not in job


@pytest.mark.feature("tuning: failing trials")
def test_job_without_objective_values_fails_with_reason(aws: SimpleNamespace, program: Any) -> None:
    job = tune(aws, tuning("silent", program("print('nothing')"), config(jobs=2)))

    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No objective metrics found after running 2")
    assert job["TrainingJobStatusCounters"]["Completed"] == 2
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 2}


@pytest.mark.feature("tuning: failing trials")
def test_internal_errors_of_trials_are_counted_as_retryable(
    aws: SimpleNamespace, bowl: str
) -> None:
    aws.cloud.faults.inject(kind="process", match="training:*", times=1)

    job = tune(aws, tuning("flaky", bowl, config(jobs=3)))

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1
    assert job["TrainingJobStatusCounters"]["Completed"] == 2


def test_refused_trial_fails_the_job_with_its_reason(
    aws: SimpleNamespace, bowl: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise AwsError("ResourceLimitExceeded", "no more of these")

    monkeypatch.setattr(aws.cloud.service("sagemaker").training, "launch", refuse)

    job = tune(aws, tuning("refused", bowl))

    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"] == "ResourceLimitExceeded: no more of these"
    assert trials(aws, "refused") == []


def test_internal_exception_fails_the_job(
    aws: SimpleNamespace, bowl: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> str:
        raise KeyError("broken")

    monkeypatch.setattr(aws.cloud.service("sagemaker").training, "launch", breaks)

    job = tune(aws, tuning("broken", bowl))

    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError")


def flexible(name: str, image: str, *kinds: str) -> dict[str, Any]:
    spec = tuning(name, image, config(jobs=2))
    del spec["TrainingJobDefinition"]["ResourceConfig"]
    spec["TrainingJobDefinition"]["HyperParameterTuningResourceConfig"] = {
        "AllocationStrategy": "Prioritized",
        "InstanceConfigs": [
            {"InstanceType": kind, "InstanceCount": 1, "VolumeSizeInGB": 5} for kind in kinds
        ],
    }
    return dict(spec)


def types_used(aws: SimpleNamespace, name: str) -> list[tuple[str, str]]:
    used = []
    for trial in trials(aws, name):
        job = aws.sagemaker.describe_training_job(TrainingJobName=trial["TrainingJobName"])
        used.append((job["ResourceConfig"]["InstanceType"], job["TrainingJobStatus"]))
    return used


@pytest.mark.feature("tuning: instance type flexibility")
def test_next_instance_type_is_used_if_quota_is_exceeded(aws: SimpleNamespace, bowl: str) -> None:
    aws.cloud.faults.refuse_quota("ml.m5.xlarge", times=None)

    job = tune(aws, flexible("quota", bowl, "ml.m5.xlarge", "ml.m5.large"))

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert types_used(aws, "quota") == [("ml.m5.large", "Completed")] * 2
    code, _ = refusal_of(
        aws.sagemaker.create_hyper_parameter_tuning_job, **flexible("none", bowl, "ml.m5.xlarge")
    )
    assert code == "ResourceLimitExceeded"


@pytest.mark.feature("tuning: instance type flexibility")
def test_trial_without_capacity_is_retried_on_next_instance_type(
    aws: SimpleNamespace, bowl: str
) -> None:
    aws.cloud.faults.refuse_capacity("ml.m5.xlarge", times=1)

    job = tune(aws, flexible("capacity", bowl, "ml.m5.xlarge", "ml.m5.large"))

    assert types_used(aws, "capacity") == [
        ("ml.m5.xlarge", "Failed"), ("ml.m5.large", "Completed"), ("ml.m5.xlarge", "Completed")
    ]  # fmt: skip
    first, second, _ = trials(aws, "capacity")
    assert first["TunedHyperParameters"] == second["TunedHyperParameters"]
    assert job["TrainingJobStatusCounters"]["RetryableError"] == 1


@pytest.mark.feature("tuning: limits")
def test_max_runtime_completes_the_job_with_the_best_trial(
    aws: SimpleNamespace, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two minutes are the minimum; the timer is patched to fire sooner.
    timer = threading.Timer
    monkeypatch.setattr(threading, "Timer", lambda seconds, call: timer(seconds / 100, call))
    settings = config(jobs=None)
    settings["ResourceLimits"]["MaxRuntimeInSeconds"] = 120

    job = tune(aws, tuning("timed", program(SLEEPS), settings))

    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1
    assert job["BestTrainingJob"]["TrainingJobStatus"] == "Stopped"
    assert 1 <= job["ConsumedResources"]["RuntimeInSeconds"] < 30


@pytest.mark.feature("bad input: tuning")
def test_refused_request_creates_no_job(aws: SimpleNamespace, bowl: str) -> None:
    create = aws.sagemaker.create_hyper_parameter_tuning_job
    no_role = definition(bowl, RoleArn="arn:aws:iam::123456789012:role/not-there")

    grid = refusal_of(create, **tuning("bad", bowl, config("Grid")))
    image = refusal_of(create, **tuning("bad", "nowhere/image:1"))
    role = refusal_of(create, **tuning("bad", bowl, TrainingJobDefinition=no_role))
    name = refusal_of(create, **tuning("n" * 33, bowl))
    parent = refusal_of(create, **tuning("bad", bowl, WarmStartConfig={
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "missing"}],
        "WarmStartType": "TransferLearning",
    }))  # fmt: skip

    assert "categorical ranges only" in grid[1]
    assert "has no program on this machine" in image[1]
    assert "Could not assume role" in role[1]
    assert "less than or equal to 32" in name[1]
    assert parent == (
        "ResourceNotFound",
        "Amazon SageMaker can't find a tuning job called missing. Type another name.",
    )
    assert not aws.sagemaker.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    assert not aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]


def test_name_is_reusable_after_deletion_and_trials_are_kept(
    aws: SimpleNamespace, bowl: str
) -> None:
    tune(aws, tuning("once", bowl, config(jobs=1)))

    create = aws.sagemaker.create_hyper_parameter_tuning_job
    assert refusal_of(create, **tuning("once", bowl))[0] == "ResourceInUse"
    aws.sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="once")

    code, _ = refusal_of(
        aws.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
        HyperParameterTuningJobName="once",
    )
    assert code == "ResourceNotFound"
    assert len(aws.sagemaker.list_training_jobs()["TrainingJobSummaries"]) == 1


def test_running_job_cannot_be_deleted(aws: SimpleNamespace, program: Any) -> None:
    client = aws.sagemaker
    client.create_hyper_parameter_tuning_job(**tuning("busy", program(SLEEPS), config(jobs=1)))

    code, _ = refusal_of(
        client.delete_hyper_parameter_tuning_job, HyperParameterTuningJobName="busy"
    )

    assert code == "ResourceInUse"


def test_allowed_unknown_image_is_stored_and_can_be_stopped(aws: SimpleNamespace) -> None:
    job = tune(aws, tuning("stored", "elsewhere/image:1"))

    assert job["HyperParameterTuningJobStatus"] == "InProgress"
    assert trials(aws, "stored") == []
    aws.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stored")
    assert described(aws, "stored")["HyperParameterTuningJobStatus"] == "Stopped"
