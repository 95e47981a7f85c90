from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.sagemaker import containers
from sageloop.local_cloud.sagemaker.containers.xgboost import data, serve
from sageloop.local_cloud.sagemaker.containers.xgboost import hyperparameters as hp

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def train(base: Path, parameters: dict[str, str], rows: dict[str, str], **channel: str) -> Any:
    config = base / "input" / "config"
    config.mkdir(parents=True)
    (base / "model").mkdir()
    (config / "hyperparameters.json").write_text(json.dumps(parameters))
    described = {"ContentType": "text/csv"} | channel
    (config / "inputdataconfig.json").write_text(json.dumps(dict.fromkeys(rows, described)))
    for name, text in rows.items():
        folder = base / "input" / "data" / name
        folder.mkdir(parents=True)
        (folder / "part-0").write_text(text)
    command = containers.training_command(IMAGE)
    assert command is not None
    return subprocess.run(
        command, env={"SAGEMAKER_BASE_DIR": str(base)}, capture_output=True, text=True, check=False
    )


def csv(rows: int) -> str:
    return "".join(f"{2 * i},{i},{i % 3}\n" for i in range(rows))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    base = tmp_path_factory.mktemp("ml")
    done = train(base, {"num_round": "20", "seed": "1"}, {"train": csv(200)})
    assert done.returncode == 0, done.stderr
    command = containers.serving_command(IMAGE)
    assert command is not None
    env = {"SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_BIND_TO_PORT": "0"}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        place = child.stdout.readline().rsplit(" ", 1)[-1].strip()
        yield f"http://{place}"
        child.terminate()
        assert child.wait(10) == 0


def ask(url: str, body: str, **headers: str) -> tuple[int, str, str]:
    request = urllib.request.Request(f"{url}/invocations", body.encode())  # noqa: S310
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.read().decode(), answer.headers.get("Content-Type", "")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers.get("Content-Type", "")


def test_ping_is_answered_with_nothing(served: str) -> None:
    with urllib.request.urlopen(f"{served}/ping") as answer:  # noqa: S310
        assert (answer.status, answer.read()) == (200, b"")


def test_csv_rows_are_answered_on_one_line(served: str) -> None:
    status, text, kind = ask(served, "100,1\n150,0\n", Content_Type="text/csv")

    assert (status, kind) == (200, "text/csv; charset=utf-8")
    first, second = map(float, text.split(","))
    assert first == pytest.approx(200, abs=10)
    assert second == pytest.approx(300, abs=10)


def test_json_answers_have_scores(served: str) -> None:
    status, text, kind = ask(
        served, "100,1", Content_Type="text/csv", Accept="application/json"
    )  # fmt: skip

    assert (status, kind) == (200, "application/json")
    (prediction,) = json.loads(text)["predictions"]
    assert prediction["score"] == pytest.approx(200, abs=10)


def test_libsvm_is_read(served: str) -> None:
    status, text, _ = ask(served, "0:100 1:1", Content_Type="text/libsvm")

    assert status == 200
    assert float(text) == pytest.approx(200, abs=10)


@pytest.mark.parametrize(
    ("body", "headers", "status", "told"),
    [
        ("1,2,3", {"Content_Type": "text/csv"}, 400, "Feature size of csv inference data 3"),
        ("a,b", {"Content_Type": "text/csv"}, 415, "not numeric"),
        ("{}", {"Content_Type": "application/json"}, 415, "application/json is not supported"),
        ("1,2", {"Content_Type": "text/csv", "Accept": "image/png"}, 406, "image/png"),
    ],
)
def test_wrong_payload_is_refused_with_a_reason(
    served: str, body: str, headers: dict[str, str], status: int, told: str
) -> None:
    answered, text, _ = ask(served, body, **headers)

    assert answered == status
    assert told in text


def test_empty_payload_has_no_content(served: str) -> None:
    assert ask(served, "", Content_Type="text/csv")[0] == 204


def test_batch_answers_are_one_a_line() -> None:
    assert serve.encoded([1.5, 2.5], "text/csv", batch=True)[0] == "1.5\n2.5\n"


def test_server_without_a_model_ends_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    command = containers.serving_command(IMAGE)
    assert command is not None
    env = {"SAGEMAKER_BASE_DIR": str(tmp_path)}

    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "no model file" in done.stderr


def test_early_stopping_keeps_the_best_rounds(tmp_path: Path) -> None:
    parameters = {
        "num_round": "200", "eta": "1", "early_stopping_rounds": "2", "eval_metric": "rmse,mse",
    }  # fmt: skip
    noisy = "".join(f"{(i * 7919) % 13},{i % 5}\n" for i in range(100))
    other = "".join(f"{(i * 104729) % 11},{i % 5}\n" for i in range(50))

    done = train(tmp_path, parameters, {"train": noisy, "validation": other})

    assert done.returncode == 0, done.stderr
    rounds = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(rounds) < 20
    assert "\tvalidation-mse:" in rounds[0]


@pytest.mark.parametrize(
    ("parameters", "channel", "told"),
    [
        ({}, {}, "Missing required hyperparameter: num_round"),
        ({"num_round": "0"}, {}, "Hyperparameter num_round: value 0 not in range [1, inf]"),
        ({"num_round": "x"}, {}, "Hyperparameter num_round: could not parse value: 'x'"),
        ({"num_round": "1"}, {"ContentType": "application/x-parquet"}, "application/x-parquet"),
    ],
)
def test_wrong_training_writes_its_reason(
    tmp_path: Path, parameters: dict[str, str], channel: dict[str, str], told: str
) -> None:
    done = train(tmp_path, parameters, {"train": csv(10)}, **channel)

    assert done.returncode == 1
    assert told in (tmp_path / "output" / "failure").read_text()


def test_weights_stand_beside_the_label(tmp_path: Path) -> None:
    rows = "".join(f"{10 if i % 2 else 0},{1000 if i % 2 else 1},1\n" for i in range(100))

    done = train(tmp_path, {"num_round": "50", "csv_weights": "1"}, {"train": rows})

    assert done.returncode == 0, done.stderr
    assert serve.Model(tmp_path / "model").predict(np.ones((1, 1), dtype=np.float32))[0] > 9


def test_json_quoted_hyperparameters_are_read() -> None:
    values = hp.typed({"num_round": "3", "objective": '"reg:linear"', "sagemaker_region": '"x"'})

    assert hp.booster_parameters(values, threads=2) == {
        "objective": "reg:squarederror",
        "nthread": 2,
    }


@given(
    st.integers(1, 6).flatmap(
        lambda width: st.lists(
            st.lists(
                st.one_of(st.none(), st.floats(-1e6, 1e6, width=32)),
                min_size=width,
                max_size=width,
            ),
            min_size=1,
            max_size=5,
        )
    )
)
def test_csv_is_read_as_it_was_written(rows: list[list[float | None]]) -> None:
    text = "\n".join(",".join("" if v is None else repr(v) for v in row) for row in rows)
    if text.strip("\n") != text or not text:
        return  # a lone empty field is an empty line
    expected = np.array([[np.nan if v is None else v for v in row] for row in rows], np.float32)

    np.testing.assert_array_equal(data.parse_csv(text), expected)


def test_registered_program_comes_before_the_built_in() -> None:
    containers.register("*/sagemaker-xgboost:*", ["own"])
    try:
        assert containers.training_command(IMAGE) == ["own", "train"]
        assert containers.serving_command(IMAGE) == ["own", "serve"]
    finally:
        containers.unregister("*/sagemaker-xgboost:*")
    assert containers.training_command(IMAGE) == [
        sys.executable, "-I", "-m",
        "sageloop.local_cloud.sagemaker.containers.xgboost.train",
    ]  # fmt: skip


def test_image_without_a_program_has_none() -> None:
    assert containers.training_command("pytorch:2") is None
    assert containers.serving_command("pytorch:2") is None
