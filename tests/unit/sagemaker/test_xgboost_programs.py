"""The built-in XGBoost algorithm: training, formats, hosts and responses."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from built_in import (
    FinishedRun,
    failed_server,
    invoke,
    prepare,
    run,
    served,
    started,
    train,
    train_together,
)

from sageloop.local_cloud.images.formats import matrix, record, recordio
from sageloop.local_cloud.images.xgboost import serve
from sageloop.local_cloud.images.xgboost.metrics import METRIC_DEFINITIONS

CSV = {"ContentType": "text/csv"}
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def csv(rows: int) -> bytes:
    return "".join(f"{2 * i},{i},{i % 3}\n" for i in range(rows)).encode()


def predicted(base: Path, rows: Any) -> Any:
    return np.array(serve.Model(base / "model").predict(np.asarray(rows, np.float32)))


def rounds(finished: FinishedRun) -> list[int]:
    return [int(number) for number in re.findall(r"^\[(\d+)\]\t", finished.log, re.M)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ml")
    finished = train(
        "xgboost", folder, {"num_round": "20", "seed": "1"}, {"train": csv(200)}, **CSV
    )
    assert finished.code == 0, finished.log
    return folder


@pytest.fixture(scope="module")
def url(base: Path) -> Iterator[str]:
    with served("xgboost", base) as place:
        yield place


def test_ping_returns_an_empty_response(url: str) -> None:
    with urllib.request.urlopen(f"{url}/ping") as response:  # noqa: S310
        assert (response.status, response.read()) == (200, b"")


def test_execution_parameters_are_returned(url: str) -> None:
    with urllib.request.urlopen(f"{url}/execution-parameters") as response:  # noqa: S310
        parameters = json.loads(response.read())
    assert parameters == {
        "MaxConcurrentTransforms": os.cpu_count(), "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": 6,
    }  # fmt: skip


def test_csv_predictions_are_on_one_line(url: str) -> None:
    status, body, kind = invoke(url, b"100,1\n150,0\n", Content_Type="text/csv")

    assert (status, kind) == (200, "text/csv; charset=utf-8")
    first, second = map(float, body.split(b","))
    assert first == pytest.approx(200, abs=10)
    assert second == pytest.approx(300, abs=10)


@pytest.mark.feature("responses: XGBoost")
def test_response_has_scores_in_each_format(url: str) -> None:
    payload = b"100,1\n150,0\n"
    plain = {"Content_Type": "text/csv"}

    document = json.loads(invoke(url, payload, Accept="application/json", **plain)[1])
    lines = invoke(url, payload, Accept="application/jsonlines", **plain)[1].splitlines()
    binary = invoke(url, payload, Accept="application/x-recordio-protobuf", **plain)[1]

    scores = [prediction["score"] for prediction in document["predictions"]]
    assert scores == pytest.approx([200, 300], abs=10)
    assert [json.loads(line)["score"] for line in lines] == scores
    decoded = [record.decode(payload).label["score"].values[0] for payload in recordio.read(binary)]
    assert decoded == pytest.approx(scores)


def test_request_is_accepted_in_each_format(url: str) -> None:
    dense = matrix.write_recordio(np.array([[100.0, 1.0]]))

    expected = invoke(url, b"100,1", Content_Type="text/csv")

    assert invoke(url, b"7 0:100 1:1", Content_Type="text/libsvm") == expected
    assert invoke(url, b"7:2 0:100 1:1\r\n", Content_Type="text/libsvm") == expected
    for delimiter in (b";", b"\t", b" "):
        assert invoke(url, delimiter.join((b"100", b"1")), Content_Type="text/csv") == expected
    assert invoke(url, dense, Content_Type="application/x-recordio-protobuf") == expected


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (
            b"1,2,3",
            {"Content_Type": "text/csv"},
            400,
            b"Number of columns does not match number of features in booster",
        ),
        (b"a,b", {"Content_Type": "text/csv"}, 415, b"not numeric"),
        (b"1, ,2", {"Content_Type": "text/csv"}, 415, b"not numeric"),
        ("\ufeff1,2".encode(), {"Content_Type": "text/csv"}, 415, b"not numeric"),
        (b"1,2", {"Content_Type": "text/csv;label_size=0"}, 415, b"must be equal to 1"),
        (b"{}", {"Content_Type": "application/json"}, 415, b"application/json is not supported"),
        (b"1,2", {"Content_Type": "text/csv", "Accept": "image/png"}, 406, b"image/png"),
    ],
)
def test_invalid_payload_is_refused_with_reason(
    url: str, body: bytes, headers: dict[str, str], status: int, message: bytes
) -> None:
    status_code, words, _ = invoke(url, body, **headers)

    assert (status_code, message in words) == (status, True)


def test_absent_features_are_missing_values(url: str) -> None:
    whole, short = (
        invoke(url, b"100,", Content_Type="text/csv"),
        invoke(url, b"100", Content_Type="text/csv"),
    )

    assert short == whole
    assert short[0] == 200


def test_empty_payload_returns_no_content(url: str) -> None:
    assert invoke(url, b"", Content_Type="text/csv")[0] == 204


def test_batch_predictions_are_one_per_line(base: Path) -> None:
    with served("xgboost", base, SAGEMAKER_BATCH="true") as url:
        assert invoke(url, b"100,1\n150,0\n", Content_Type="text/csv")[1].count(b"\n") == 2


@pytest.mark.parametrize(
    ("content", "environment", "message"),
    [
        (None, {}, "no model file"),
        (b"a pickle", {}, "xgboost-model is not an XGBoost model"),
        (None, {"SAGEMAKER_INFERENCE_OUTPUT": "labels"}, "SAGEMAKER_INFERENCE_OUTPUT"),
    ],
)
def test_failed_server_exits_with_reason(
    tmp_path: Path, content: bytes | None, environment: dict[str, str], message: str
) -> None:
    (tmp_path / "model").mkdir()
    if content is not None:
        (tmp_path / "model" / "xgboost-model").write_bytes(content)

    code, words = failed_server("xgboost", tmp_path, **environment)

    assert (code, message in words) == (1, True)


def test_early_stopping_keeps_the_best_rounds(tmp_path: Path) -> None:
    parameters = {
        "num_round": "200", "eta": "1", "early_stopping_rounds": "2", "eval_metric": "rmse,mse",
    }  # fmt: skip
    noisy = "".join(f"{(i * 7919) % 13},{i % 5}\n" for i in range(100)).encode()
    other = "".join(f"{(i * 104729) % 11},{i % 5}\n" for i in range(50)).encode()

    finished = train("xgboost", tmp_path, parameters, {"train": noisy, "validation": other}, **CSV)

    assert finished.code == 0, finished.log
    assert len(rounds(finished)) < 20
    assert "\tvalidation-mse:" in finished.log


@pytest.mark.feature("training: XGBoost reads recordio-protobuf and libsvm")
def test_every_format_trains_the_same_model(tmp_path: Path, base: Path) -> None:
    rows = np.array([[i, i % 3] for i in range(200)], np.float32)
    labels = np.array([2 * i for i in range(200)], np.float32)
    lines = "".join(f"{2 * i} 0:{i} 1:{i % 3}\n" for i in range(200)).encode()
    parameters = {"num_round": "20", "seed": "1"}

    for name, content, kind in (
        ("recordio", matrix.write_recordio(rows, labels), "application/x-recordio-protobuf"),
        ("libsvm", lines, "text/x-libsvm"),
        ("short", csv(200), "csv"),
        ("semicolon", csv(200).replace(b",", b";"), "text/csv; label_size=1"),
        ("tab", csv(200).replace(b",", b"\t"), "text/csv"),
        ("windows", "\ufeff".encode() + csv(200).replace(b"\n", b"\r\n"), "text/csv"),
        ("weights", re.sub(rb"(?m)^(\d+) ", rb"\1:1 ", lines), "text/libsvm"),
    ):
        finished = train(
            "xgboost", tmp_path / name, parameters, {"train": content}, ContentType=kind
        )

        assert finished.code == 0, finished.log
        np.testing.assert_array_equal(predicted(tmp_path / name, rows), predicted(base, rows))


def test_groups_of_libsvm_rank(tmp_path: Path) -> None:
    """Within groups a higher feature has the higher label; between them it has the lower one."""
    lines = "".join(
        f"0 qid:{2 * n} 0:2\n1 qid:{2 * n} 0:3\n5 qid:{2 * n + 1} 0:0\n6 qid:{2 * n + 1} 0:1\n"
        for n in range(20)
    )
    parameters = {"num_round": "3", "objective": "rank:pairwise", "max_depth": "3"}

    finished = train(
        "xgboost", tmp_path, parameters, {"train": lines.encode()}, ContentType="text/libsvm"
    )

    assert finished.code == 0, finished.log
    lowest, *_, highest = predicted(tmp_path, [[0.0], [1.0], [2.0], [3.0]])
    assert lowest < highest


@pytest.mark.feature("training: XGBoost in Pipe mode")
def test_pipe_mode_reads_the_whole_pipe(tmp_path: Path, base: Path) -> None:
    described = CSV | {"TrainingInputMode": "Pipe"}
    prepare(tmp_path, {"num_round": "20", "seed": "1"}, {"train": b""}, **described)
    fifo = tmp_path / "input" / "data" / "train_0"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(csv(200),), daemon=True)
    writer.start()

    finished = run("xgboost", tmp_path)

    assert finished.code == 0, finished.log
    rows = [[100, 1], [7, 2]]
    np.testing.assert_array_equal(predicted(tmp_path, rows), predicted(base, rows))


@pytest.mark.feature("training: XGBoost on several hosts")
def test_two_hosts_train_the_same_model_as_one(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    rows = random.integers(0, 50, (400, 3)).astype(np.float32)
    labels = rows @ [1, -2, 0.5]
    whole = [f"{y},{a},{b},{c}\n" for y, (a, b, c) in zip(labels, rows, strict=True)]
    parameters = {
        "num_round": "15",
        "tree_method": "hist",
        "eval_metric": "rmse,r2",
        "nthread": "1",
    }
    single = {"train": "".join(whole).encode()}
    one_host = train("xgboost", tmp_path / "one", parameters, single, **CSV)
    shards = {
        "algo-1": {"train": "".join(whole[:150]).encode()},
        "algo-2": {"train": "".join(whole[150:]).encode()},
    }

    finished = train_together("xgboost", tmp_path, parameters, shards, **CSV)

    assert [one_host.code, *(d.code for d in finished.values())] == [0, 0, 0], finished
    assert not list((tmp_path / "algo-2" / "model").iterdir())
    assert rounds(finished["algo-1"]) == list(range(15))
    assert rounds(finished["algo-2"]) == []
    np.testing.assert_allclose(
        predicted(tmp_path / "algo-1", rows), predicted(tmp_path / "one", rows), atol=0.5
    )
    errors = [re.findall(r"train-rmse:(\S+)", d.log)[-1] for d in (one_host, finished["algo-1"])]
    assert float(errors[1]) == pytest.approx(float(errors[0]), rel=0.05)


def test_host_without_data_does_not_participate(tmp_path: Path) -> None:
    shards = {"algo-1": {"train": b""}, "algo-2": {"train": csv(50)}}

    finished = train_together("xgboost", tmp_path, {"num_round": "3"}, shards, **CSV)

    assert [d.code for d in finished.values()] == [0, 0], finished
    assert "algo-1 does not have data" in finished["algo-1"].log
    assert (tmp_path / "algo-2" / "model" / "xgboost-model").is_file()


@pytest.mark.feature("training: XGBoost resumes from its checkpoints")
def test_training_continues_from_latest_checkpoint(tmp_path: Path) -> None:
    data = {"train": csv(100)}
    whole = train("xgboost", tmp_path / "whole", {"num_round": "12"}, data, **CSV)
    base = tmp_path / "cut"
    prepare(base, {"num_round": "8"}, data, **CSV)
    config = base / "input" / "config"
    (config / "checkpointconfig.json").write_text(
        json.dumps({"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/checkpoints"})
    )
    assert run("xgboost", base).code == 0
    kept = sorted(path.name for path in (base / "checkpoints").iterdir())
    (config / "hyperparameters.json").write_text(json.dumps({"num_round": "12"}))
    (base / "checkpoints" / "xgboost-checkpoint.9").write_bytes(b"cut short")

    finished = run("xgboost", base)

    assert kept == [f"xgboost-checkpoint.{n}" for n in range(3, 8)]
    assert (whole.code, finished.code) == (0, 0), finished.log
    assert "xgboost-checkpoint.9 cannot be read" in finished.log
    assert rounds(finished) == [8, 9, 10, 11]
    rows = [[50, 2], [3, 0]]
    np.testing.assert_allclose(
        predicted(base, rows), predicted(tmp_path / "whole", rows), rtol=1e-5
    )


def test_model_is_saved_on_stop(tmp_path: Path) -> None:
    parameters = {"num_round": "1000000", "save_model_on_termination": "true"}
    prepare(tmp_path, parameters, {"train": csv(100)}, **CSV)

    with started("xgboost", tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("[0]")
        child.send_signal(signal.SIGTERM)
        log = child.communicate(timeout=600)[0]

    assert child.returncode == 0, log
    assert predicted(tmp_path, [[50, 2]])[0] > 0


def test_instance_weights_follow_the_label(tmp_path: Path) -> None:
    rows = "".join(f"{10 if i % 2 else 0},{1000 if i % 2 else 1},1\n" for i in range(100)).encode()
    parameters = {"num_round": "50", "csv_weights": "1"}

    finished = train("xgboost", tmp_path, parameters, {"train": rows}, **CSV)

    assert finished.code == 0, finished.log
    assert predicted(tmp_path, [[1]])[0] > 9


@pytest.mark.feature("training: XGBoost")
def test_metric_lines_match_the_definitions(tmp_path: Path) -> None:
    rows = "".join(f"{i % 2},{i % 4},{i % 3}\n" for i in range(120)).encode()
    parameters = {
        "num_round": "5", "objective": "binary:logistic", "eval_metric": "auc,f1",
        "_tuning_objective_metric": "validation:logloss",
    }  # fmt: skip

    finished = train("xgboost", tmp_path, parameters, {"train": rows, "validation": rows}, **CSV)

    log = finished.log.replace("\t", "#011")
    values_by_metric = {d["Name"]: re.findall(d["Regex"], log) for d in METRIC_DEFINITIONS}
    counts = {name: len(values) for name, values in values_by_metric.items() if values}
    assert counts == {
        f"{d}:{m}": 5 for d in ("train", "validation") for m in ("auc", "f1", "logloss")
    }
