"""The built-in XGBoost algorithm: validation and parsing of its inputs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from built_in import (
    FinishedRun,
    command,
    prepare,
)

from sageloop.local_cloud import images
from sageloop.local_cloud.images.rules import HyperparameterError
from sageloop.local_cloud.images.xgboost import hyperparameters as hp
from sageloop.local_cloud.images.xgboost import serve
from sageloop.local_cloud.images.xgboost import train as program

CSV = {"ContentType": "text/csv"}
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def csv(rows: int) -> bytes:
    return "".join(f"{2 * i},{i},{i % 3}\n" for i in range(rows)).encode()


def predicted(base: Path, rows: Any) -> Any:
    return np.array(serve.Model(base / "model").predict(np.asarray(rows, np.float32)))


def rounds(finished: FinishedRun) -> list[int]:
    return [int(number) for number in re.findall(r"^\[(\d+)\]\t", finished.log, re.M)]


@pytest.mark.feature("bad input: hyperparameter of XGBoost")
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "Missing required hyperparameter: num_round"),
        ({"num_round": "0"}, "Hyperparameter num_round: value 0 not in range [1, inf]"),
        ({"num_round": "x"}, "Hyperparameter num_round: could not parse value: 'x'"),
        # sagemaker-python-sdk #5317: the container takes no JSON.
        (
            {"num_round": "1", "objective": '"reg:squarederror"'},
            'Hyperparameter objective: value "reg:squarederror" not in range',
        ),
        ({"num_round": '"1"'}, "Hyperparameter num_round: could not parse value"),
        ({"num_round": "1", "etta": "1"}, "Extraneous hyperparameter found: etta"),
        ({"num_round": "1", "_kfold": "3"}, "k-fold cross validation is not executed locally"),
        ({"num_round": "1", "use_dask_gpu_training": "true"}, "training on GPUs is not executed"),
        ({"num_round": "1", "eval_metric": "auc"}, "Metric 'auc' can only be applied"),
        ({"num_round": "1", "eval_metric": "rmse@2"}, "with @threshold for error, ndcg, map"),
        (
            {"num_round": "1", "objective": "multi:softmax"},
            "Require input for parameter 'num_class'",
        ),
        ({"num_round": "1", "monotone_constraints": "(1,0)"}, "tree_method parameter is set to"),
        ({"num_round": "1", "updater": "grow_histmaker,distcol"}, "Only one tree grow plugin"),
        ({"num_round": "1", "tweedie_variance_power": "2"}, "not in range (1, 2)"),
    ],
)
def test_invalid_hyperparameter_is_named_in_the_error(
    parameters: dict[str, str], message: str
) -> None:
    with pytest.raises(HyperparameterError) as caught:
        hp.typed(parameters)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        # sagemaker-xgboost-container #74.
        (
            {"num_round": "1"},
            "text/csv;label_size=0",
            "text/csv;label_size=0 is not an accepted csv ContentType. Optional parameter "
            "label_size must be equal to 1",
        ),
        ({"num_round": "1"}, "image/png", "image/png is not an accepted ContentType"),
        ({"num_round": "1"}, "application/x-recordio-protobuf", "no RecordIO magic number"),
        ({"num_round": "1", "objective": "binary:logistic"}, "text/csv", "label must be in [0,1]"),
    ],
)
def test_invalid_training_writes_failure_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, str],
    kind: str,
    message: str,
) -> None:
    prepare(tmp_path, parameters, {"train": csv(10)}, ContentType=kind)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))

    assert program.main() == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert message in reason
    assert "Stack trace" not in reason


def test_libsvm_in_pipe_mode_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = {"ContentType": "text/x-libsvm", "TrainingInputMode": "Pipe"}
    prepare(tmp_path, {"num_round": "1"}, {"train": b""}, **described)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))

    assert program.main() == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert "Pipe mode not supported for LibSVM." in reason


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is here")
def test_parquet_without_pyarrow_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, {"num_round": "1"}, {"train": b"PAR1"}, ContentType="application/x-parquet")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))

    assert program.main() == 1
    assert "needs pyarrow" in (tmp_path / "output" / "failure").read_text()


def test_aliases_are_read_and_the_variables_of_frameworks_ignored() -> None:
    values = hp.typed(
        {
            "num_round": "3", "objective": "reg:linear", "sagemaker_region": '"x"',
            "learning_rate": "0.1",
        }
    )  # fmt: skip

    assert hp.booster_parameters(values, threads=2) == {
        "objective": "reg:squarederror", "nthread": 2, "eta": 0.1,
    }  # fmt: skip


def test_gpu_tree_method_is_mapped_with_a_warning() -> None:
    values = hp.typed({"num_round": "3", "tree_method": "gpu_hist", "predictor": "gpu_predictor"})

    assert hp.booster_parameters(values, threads=1) == {"tree_method": "hist", "nthread": 1}
    assert [line.split()[1] for line in hp.notes(values)] == ["predictor", "gpu_hist"]


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"updater": "grow_colmaker,prune"},
        {"tree_method": "hist", "monotone_constraints": "(1,-1)"},
        {"tree_method": "hist", "interaction_constraints": "[[0],[1]]"},
        {"booster": "gblinear", "updater": "coord_descent"},
        {"booster": "dart", "rate_drop": "0.1", "sample_type": "weighted"},
        {"objective": "survival:aft", "aft_loss_distribution": "logistic"},
        {"grow_policy": "lossguide", "max_leaves": "4", "max_bin": "16", "tree_method": "hist"},
    ],
)
def test_hyperparameters_are_passed_to_the_booster(hyperparameters: dict[str, str]) -> None:
    values = hp.typed({"num_round": "2"} | hyperparameters)
    rows = xgboost.DMatrix(np.arange(20.0).reshape(10, 2), label=np.arange(1.0, 11))
    if "aft_loss_distribution" in hyperparameters:
        rows.set_float_info("label_lower_bound", np.arange(1.0, 11))
        rows.set_float_info("label_upper_bound", np.arange(1.0, 11))

    booster = xgboost.train(hp.booster_parameters(values, threads=1), rows, 2)

    assert booster.num_boosted_rounds() == 2


def test_registered_program_overrides_the_built_in_one() -> None:
    images.register("*/sagemaker-xgboost:*", ["own"])
    try:
        assert images.training_command(IMAGE) == ["own", "train"]
        assert images.serving_command(IMAGE) == ["own", "serve"]
    finally:
        images.unregister("*/sagemaker-xgboost:*")
    assert images.training_command(IMAGE) == command("xgboost.train")


def test_unknown_image_has_no_program() -> None:
    assert images.training_command("elsewhere:2") is None
    assert images.serving_command("elsewhere:2") is None
