"""The local K-means: clusters, hyperparameters and responses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from built_in import csv, failed_server, invoke, prepare, served, train, train_together
from sklearn.cluster import KMeans

from sageloop.local_cloud.images import archive, kmeans, rules
from sageloop.local_cloud.images.formats import matrix, record, recordio
from sageloop.local_cloud.images.kmeans import clustering
from sageloop.local_cloud.images.kmeans import train as program
from sageloop.local_cloud.images.kmeans.hyperparameters import Settings, settings

PLAIN = "text/csv;label_size=0"
PARAMETERS = {"k": "4", "feature_dim": "2"}


def blobs(rows: int = 600, seed: int = 3) -> Any:
    random = np.random.default_rng(seed)
    centers = np.array([[0, 0], [8, 0], [0, 8], [8, 8]])
    return (centers[np.arange(rows) % 4] + random.normal(0, 1, (rows, 2))).astype(np.float32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kmeans")
    data = {"train": csv(blobs()), "test": csv(blobs(200, 4))}
    parameters = PARAMETERS | {"eval_metrics": '["msd","ssd"]', "epochs": "2"}
    finished = train("kmeans", folder, parameters, data, ContentType=PLAIN)
    assert finished.code == 0, finished.log
    (folder / "log").write_text(finished.log)
    return folder


@pytest.fixture(scope="module")
def url(base: Path) -> Iterator[str]:
    with served("kmeans", base) as place:
        yield place


@pytest.mark.feature("training: K-means")
def test_inertia_matches_scikit_learn(base: Path) -> None:
    best = KMeans(4, n_init=10, random_state=0).fit(blobs()).inertia_

    values = re.findall(r"host=algo-1, train ssd <loss>=(\S+)", (base / "log").read_text())

    assert float(values[-1]) == pytest.approx(best, rel=0.02)


def test_log_starts_with_the_notice_of_the_local_implementation(base: Path) -> None:
    assert "local implementation: scikit-learn" in (base / "log").read_text().splitlines()[0]


def test_metric_definitions_match_all_metrics_in_the_log(base: Path) -> None:
    log = (base / "log").read_text()

    values = {d["Name"]: re.findall(d["Regex"], log) for d in kmeans.METRIC_DEFINITIONS}

    assert all(values.values()), values
    assert float(values["test:ssd"][-1]) == pytest.approx(200 * float(values["test:msd"][-1]))
    assert values["train:progress"] == ["50", "100"]


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"init_method": "kmeans++"},
        {"extra_center_factor": 1, "init_method": "kmeans++", "epochs": 10},
        {"local_lloyd_init_method": "random"},
        {"half_life_time_size": 300, "epochs": 3},
    ],
)
def test_hyperparameters_give_the_same_clusters(hyperparameters: dict[str, Any]) -> None:
    data = blobs(2000)
    best = KMeans(4, n_init=10, random_state=0).fit(data).inertia_
    parsed = Settings(k=4, feature_dim=2, mini_batch_size=250, **hyperparameters)

    centers = clustering.fit(data, parsed, lambda _: None, lambda _: None)

    assert (clustering.distances(data, centers)[1] ** 2).sum() == pytest.approx(best, rel=0.03)


def test_half_life_reduces_the_weight_of_old_points() -> None:
    moved = np.concatenate([np.zeros((500, 1)), np.ones((500, 1))]).astype(np.float32)
    centers, weights = np.zeros((1, 1)), np.zeros(1)

    for batch in (moved[:500], moved[500:]):
        weights *= clustering._decay(500, 500)
        clustering._follow(centers, weights, batch)

    assert centers[0, 0] == pytest.approx(500 / 750)


@pytest.mark.feature("training: K-means on several hosts")
def test_two_hosts_train_the_same_model_as_one(tmp_path: Path) -> None:
    whole = blobs()
    one_host = train(
        "kmeans", tmp_path / "one", PARAMETERS, {"train": csv(whole)}, ContentType=PLAIN
    )
    shards = {"algo-1": {"train": csv(whole[:250])}, "algo-2": {"train": csv(whole[250:])}}

    finished = train_together("kmeans", tmp_path, PARAMETERS, shards, ContentType=PLAIN)

    assert [one_host.code, *(d.code for d in finished.values())] == [0, 0, 0], finished
    assert not list((tmp_path / "algo-2" / "model").iterdir())
    np.testing.assert_array_equal(centers(tmp_path / "algo-1"), centers(tmp_path / "one"))


def test_recordio_trains_the_same_model_as_csv(tmp_path: Path, base: Path) -> None:
    data = {"train": matrix.write_recordio(blobs()), "test": matrix.write_recordio(blobs(200, 4))}

    finished = train("kmeans", tmp_path, PARAMETERS | {"epochs": "2"}, data)

    assert finished.code == 0, finished.log
    np.testing.assert_array_equal(centers(tmp_path), centers(base))


def centers(folder: Path) -> Any:
    return archive.load(folder / "model" / kmeans.MODEL_FILE, kmeans.MODEL_FORMAT)["centers"]


@pytest.mark.feature("responses: K-means")
def test_response_has_nearest_cluster_and_distance(url: str, base: Path) -> None:
    status, body, kind = invoke(url, b"8,8\n", Content_Type="text/csv")

    assert (status, kind) == (200, "application/json")
    (prediction,) = json.loads(body)["predictions"]
    center = centers(base)[int(prediction["closest_cluster"])]
    assert center == pytest.approx([8, 8], abs=0.5)
    assert prediction["distance_to_cluster"] == pytest.approx(
        float(np.linalg.norm(center - 8)), abs=1e-5
    )


def test_response_is_available_in_each_documented_format(url: str) -> None:
    plain = {"Content_Type": "application/json"}
    payload = b'{"instances": [{"features": [8, 8]}, {"features": [0, 0]}]}'
    first, second = json.loads(invoke(url, payload, **plain)[1])["predictions"]

    lines = invoke(url, payload, Accept="application/jsonlines", **plain)[1]
    table = invoke(url, payload, Accept="text/csv", **plain)[1]
    binary = invoke(url, payload, Accept="application/x-recordio-protobuf", **plain)[1]

    assert [json.loads(line) for line in lines.splitlines()] == [first, second]
    assert table.decode().splitlines()[1] == ",".join(map(str, second.values()))
    labels = [record.decode(payload).label for payload in recordio.read(binary)]
    assert labels[0]["closest_cluster"].values.tolist() == [first["closest_cluster"]]


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"1,2,3", {"Content_Type": "text/csv"}, 400, b"3 features, the model was trained with 2"),
        (b"1,2", {"Content_Type": "image/png"}, 415, b"image/png"),
        (b"1,2", {"Content_Type": "text/csv", "Accept": "image/png"}, 406, b"image/png"),
    ],
)
def test_invalid_request_is_refused(
    url: str, body: bytes, headers: dict[str, str], status: int, message: bytes
) -> None:
    status_code, text, _ = invoke(url, body, **headers)

    assert (status_code, message in text) == (status, True)


def test_model_of_another_algorithm_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_algo-1").write_bytes(b"\x12\x01 an MXNet array")

    code, message = failed_server("kmeans", tmp_path)

    assert code == 1
    assert "was not saved by the local algorithm (sageloop.kmeans/1)" in message


@pytest.mark.feature("bad input: hyperparameter of K-means")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"k": "0"}, "Hyperparameter k: value 0 not in range"),
        ({"kk": "1"}, "Extraneous hyperparameter found: kk"),
        ({"eval_metrics": '["mse"]'}, "Hyperparameter eval_metrics"),
        ({"local_lloyd_tol": "2"}, "not in range [0, 1]"),
        ({"extra_center_factor": "none"}, "could not parse value: 'none'"),
        ({"init_method": "best"}, "[random, kmeans++]"),
    ],
)
def test_invalid_hyperparameter_is_named_in_the_error(
    changed: dict[str, str], message: str
) -> None:
    with pytest.raises(rules.HyperparameterError) as caught:
        settings(PARAMETERS | changed)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (({"k": "4"}, b"1,2\n", PLAIN), "Missing required hyperparameter: feature_dim"),
        ((PARAMETERS, b"1,2\n", PLAIN), "k is 4, but channel train has only 1 records"),
        ((PARAMETERS, b"1,2\n", "text/csv"), "text/csv;label_size=0"),
        (
            (PARAMETERS, b"1,2\n3,4\n", "application/x-recordio-protobuf"),
            "no RecordIO magic number",
        ),
        ((PARAMETERS, b"1,\n", PLAIN), "has missing or infinite values"),
        ((PARAMETERS, b"", PLAIN), "No data found in channel train"),
    ],
)
def test_invalid_job_fails_with_client_error_and_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    job: tuple[dict[str, str], bytes, str],
    message: str,
) -> None:
    parameters, content, kind = job
    prepare(tmp_path, parameters, {"train": content}, ContentType=kind)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))

    assert program.main() == 2
    assert message in (tmp_path / "output" / "failure").read_text()
