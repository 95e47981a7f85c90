"""What a loop refuses: gates that compare nothing, and jobs whose models cannot serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from aws_cdk import CfnParameter, Stack

from constructs_lib import (
    Algorithm,
    ConfigurationError,
    CustomImage,
    DatePartitionedDataset,
    Gate,
    IntegerRange,
    JobSpecification,
    KMeans,
    LinearLearner,
    MetricDefinition,
    Objective,
    PyTorch,
    RetrainingLoop,
    SKLearn,
    SourceCode,
    TensorFlow,
    TrainingJob,
    TrainingRole,
    TuningDefinition,
    XGBoost,
    XGBoostScript,
)
from constructs_lib.training.xgboost import _DEFAULTS

from . import jobs
from .conftest import Ground

Loop = Callable[..., RetrainingLoop]
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mine:1"
REPORTED = MetricDefinition(name="validation:mae", regex=r"mae=([0-9.]+)")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SourceCode:
    folder = tmp_path_factory.mktemp("code")
    Path(folder / "train.py").write_text("print('trained')\n")
    return SourceCode(folder=folder, entry_point="train.py")


def job(ground: Ground, algorithm: Algorithm, **changes: Any) -> TrainingJob:
    return ground.job(algorithm=algorithm, **changes)


def refusal(make: Callable[[], Any]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        make()
    return str(refused.value)


@pytest.mark.parametrize(
    "metric",
    ["validation:auc", "validation:logloss", "train:mae", "accuracy", "validation:mae:x", ""],
)
def test_metric_not_computed_for_champion_is_refused(loop: Loop, metric: str) -> None:
    message = refusal(lambda: loop(gate=Gate(metric=metric, threshold=1)))

    assert message.partition("] ")[2] == (
        "GateNotComputed: gate.metric must be validation:mae or validation:rmse (no other is "
        f"computed for the champion), got {metric!r}"
    )


def test_maximizing_an_error_is_refused(loop: Loop) -> None:
    message = refusal(lambda: loop(gate=Gate(threshold=1, objective="Maximize")))

    assert message.endswith("gate.objective must be Minimize for mae and rmse, got 'Maximize'")


@pytest.mark.parametrize(
    ("hyperparameters", "metric", "reported"),
    [
        ({"eval_metric": "mae"}, "validation:rmse", "train:mae, validation:mae"),
        ({}, "validation:mae", "train:rmse, validation:rmse"),
        ({"objective": "count:poisson"}, "validation:rmse", "train:poisson-nloglik, validation:"),
    ],
)
def test_metric_that_job_does_not_report_is_refused(
    anew: Ground, loop: Loop, hyperparameters: dict[str, Any], metric: str, reported: str
) -> None:
    made = job(anew, XGBoost(hyperparameters={"num_round": 10, **hyperparameters}))

    message = refusal(lambda: loop(job=made, gate=Gate(metric=metric, threshold=1)))

    assert f"must be one that the job reports ({reported}" in message
    assert message.endswith(f"got {metric!r}")


@pytest.mark.parametrize(
    ("hyperparameters", "metric"),
    [
        ({"eval_metric": "mae,rmse"}, "validation:rmse"),
        ({"eval_metric": '["rmse", "mae"]'}, "validation:mae"),
        ({}, "validation:rmse"),
        ({"objective": "reg:absoluteerror"}, "validation:mae"),
    ],
)
def test_metric_that_job_reports_is_accepted(
    anew: Ground, loop: Loop, hyperparameters: dict[str, Any], metric: str
) -> None:
    made = job(anew, XGBoost(hyperparameters={"num_round": 10, **hyperparameters}))

    assert loop(job=made, gate=Gate(metric=metric, threshold=1)).gate.metric == metric


@pytest.mark.parametrize("framework", [PyTorch, SKLearn, TensorFlow, XGBoostScript])
def test_framework_is_refused_with_alternative(
    anew: Ground, loop: Loop, source: SourceCode, framework: Any
) -> None:
    made = job(anew, framework(source=source), metric_definitions=[REPORTED])

    message = refusal(lambda: loop(job=made))

    assert len(message.splitlines()) == 1
    assert "ImageCannotServe" in message
    assert f"got {framework.__name__}: serve its models by Endpoint and Model" in message


def test_custom_image_with_source_is_refused(anew: Ground, loop: Loop, source: SourceCode) -> None:
    made = job(anew, CustomImage(uri=IMAGE, source=source), metric_definitions=[REPORTED])

    assert "or a CustomImage without source" in refusal(lambda: loop(job=made))


def test_custom_image_without_source_is_accepted(anew: Ground, loop: Loop) -> None:
    made = job(anew, CustomImage(uri=IMAGE), metric_definitions=[REPORTED])

    assert loop(job=made).job is made


def test_custom_image_without_metrics_is_refused(anew: Ground, loop: Loop) -> None:
    made = job(anew, CustomImage(uri=IMAGE))

    assert "the job reports (none)" in refusal(lambda: loop(job=made))


@pytest.mark.parametrize(
    ("algorithm", "channel", "reported"),
    [
        (KMeans(hyperparameters={"k": 3, "feature_dim": 4}), "test", "test:msd, test:ssd"),
        (LinearLearner(hyperparameters={"predictor_type": "regressor"}), "validation",
         "test:absolute_loss"),
    ],
)  # fmt: skip
def test_built_in_algorithms_without_gate_metric_are_refused(
    anew: Ground, loop: Loop, algorithm: Algorithm, channel: str, reported: str
) -> None:
    made = job(
        anew,
        algorithm,
        data=DatePartitionedDataset(prefix="datasets/demo/", validation_channel=channel),
    )

    assert reported in refusal(lambda: loop(job=made))


def test_tuning_with_framework_is_refused(anew: Ground, loop: Loop, source: SourceCode) -> None:
    role = TrainingRole(anew.stack, "Tuning", key=anew.store.key, tunes=True)
    specification = JobSpecification(
        algorithm=PyTorch(source=source), store=anew.store, role=role,
        data=DatePartitionedDataset(prefix="datasets/demo/"), subnet_ids=anew.network.subnet_ids,
        security_group_ids=["sg-1"], metric_definitions=[REPORTED],
    )  # fmt: skip
    made = jobs.tuning(anew, definitions=[TuningDefinition(
        name="one", specification=specification, ranges=[IntegerRange("epochs", 1, 9)],
        objective=Objective(metric="validation:mae", type="Minimize"),
    )])  # fmt: skip

    assert "got PyTorch" in refusal(lambda: loop(job=made))


def test_token_metrics_are_not_checked(stack: Stack) -> None:
    unknown = CfnParameter(stack, "Metric").value_as_string

    assert XGBoost(hyperparameters={"num_round": 1, "eval_metric": unknown}).reported([]) is None
    assert XGBoost(hyperparameters={"num_round": 1, "objective": unknown}).reported([]) is None
    assert CustomImage(uri=IMAGE).reported([MetricDefinition(name=unknown, regex="(.)")]) is None


@pytest.mark.parametrize("objective", sorted(_DEFAULTS))
def test_default_metric_is_that_of_xgboost(objective: str) -> None:
    rows = 40
    features = np.linspace(0.1, 1, rows * 2).reshape(rows, 2)
    counted = {"multi": 3, "count": 3, "binary": 2, "rank": 2}
    classes = counted.get(objective.partition(":")[0])
    labels = features[:, 0] if classes is None else np.arange(rows) % classes
    matrix = xgboost.DMatrix(features, label=labels.astype(float))
    if objective.startswith("rank"):
        matrix.set_info(qid=np.arange(rows) // 10)
    if objective == "survival:aft":
        matrix.set_info(label_lower_bound=features[:, 0], label_upper_bound=features[:, 1])
    parameters = {"objective": objective, "verbosity": 0, "num_class": 3, "quantile_alpha": 0.5}
    if not objective.startswith("multi"):
        del parameters["num_class"]
    results: dict[str, Any] = {}

    xgboost.train(parameters, matrix, 1, evals=[(matrix, "train")], evals_result=results,
                  verbose_eval=False)  # fmt: skip

    assert [each.split("@")[0] for each in results["train"]] == [_DEFAULTS[objective]]
