from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from training_stage import ROLE

OBJECTIVE = {"Type": "Minimize", "MetricName": "loss"}
LOSS = {"Name": "loss", "Regex": r"loss=([-+0-9.e]+)"}
BASE = """
import json, os, pathlib, sys, time
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
values = json.loads((base / "input/config/hyperparameters.json").read_text())
def report(value):
    print(f"loss={value}", flush=True)
"""
BOWL = BASE + "report((float(values['x']) - 0.3) ** 2)\n"
X = {"Name": "x", "MinValue": "0", "MaxValue": "1"}


def continuous(*ranges: dict[str, Any]) -> dict[str, Any]:
    return {"ContinuousParameterRanges": list(ranges)}


def choices(**values: list[str]) -> dict[str, Any]:
    return {"CategoricalParameterRanges": [{"Name": n, "Values": v} for n, v in values.items()]}


def definition(image: str, **members: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [LOSS],
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://training-tests/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 300},
    }
    return spec | members


def config(
    strategy: str = "Random", *, jobs: int | None = 4, parallel: int = 1, **members: Any
) -> dict[str, Any]:
    limits = {"MaxParallelTrainingJobs": parallel}
    spec: dict[str, Any] = {
        "Strategy": strategy,
        "RandomSeed": 7,
        "HyperParameterTuningJobObjective": OBJECTIVE,
        "ResourceLimits": limits | ({} if jobs is None else {"MaxNumberOfTrainingJobs": jobs}),
        "ParameterRanges": continuous(X),
    }
    return spec | members


def tuning(name: str, image: str, settings: dict[str, Any] | None = None, **members: Any) -> Any:
    spec = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config() if settings is None else settings,
        "TrainingJobDefinition": definition(image),
    }
    return spec | members


def tune(aws: SimpleNamespace, request: dict[str, Any]) -> dict[str, Any]:
    aws.sagemaker.create_hyper_parameter_tuning_job(**request)
    assert aws.cloud.settle(180) == []
    return described(aws, request["HyperParameterTuningJobName"])


def described(aws: SimpleNamespace, name: str) -> dict[str, Any]:
    return dict(aws.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))


def trials(aws: SimpleNamespace, name: str, **members: Any) -> list[dict[str, Any]]:
    listed = aws.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, **({"MaxResults": 100} | members)
    )
    return list(listed["TrainingJobSummaries"])


def values(aws: SimpleNamespace, name: str, parameter: str = "x") -> list[str]:
    return [trial["TunedHyperParameters"][parameter] for trial in trials(aws, name)]


def objectives(aws: SimpleNamespace, name: str) -> list[float]:
    metric = "FinalHyperParameterTuningJobObjectiveMetric"
    return [trial[metric]["Value"] for trial in trials(aws, name) if metric in trial]


@pytest.fixture
def bowl(program: Any) -> str:
    """An image whose loss is minimal at x = 0.3."""
    return str(program(BOWL, "bowl"))


@pytest.fixture
def forgotten(aws: SimpleNamespace, program: Any) -> Iterator[None]:
    """Stops and deletes the tuning jobs of a test before its training jobs and programs."""
    yield
    client = aws.sagemaker
    for job in client.list_hyper_parameter_tuning_jobs(MaxResults=100)[
        "HyperParameterTuningJobSummaries"
    ]:
        name = job["HyperParameterTuningJobName"]
        if job["HyperParameterTuningJobStatus"] == "InProgress":
            client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            assert aws.cloud.settle(180) == []
        client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
