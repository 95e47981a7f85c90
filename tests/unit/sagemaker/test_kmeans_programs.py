"""The stand-in for K-means: its clusters, its hyperparameters, its answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from built_in import ask, csv, not_served, prepare, served, train, train_together
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
    made = tmp_path_factory.mktemp("kmeans")
    data = {"train": csv(blobs()), "test": csv(blobs(200, 4))}
    parameters = PARAMETERS | {"eval_metrics": '["msd","ssd"]', "epochs": "2"}
    done = train("kmeans", made, parameters, data, ContentType=PLAIN)
    assert done.code == 0, done.log
    (made / "log").write_text(done.log)
    return made


@pytest.fixture(scope="module")
def url(base: Path) -> Iterator[str]:
    with served("kmeans", base) as place:
        yield place


@pytest.mark.feature("training: K-means")
def test_clusters_are_as_good_as_scikit_learns(base: Path) -> None:
    best = KMeans(4, n_init=10, random_state=0).fit(blobs()).inertia_

    found = re.findall(r"host=algo-1, train ssd <loss>=(\S+)", (base / "log").read_text())

    assert float(found[-1]) == pytest.approx(best, rel=0.02)


def test_log_says_at_its_start_that_it_is_a_stand_in(base: Path) -> None:
    assert "local stand-in: scikit-learn" in (base / "log").read_text().splitlines()[0]


def test_metric_definitions_find_every_metric_in_the_log(base: Path) -> None:
    log = (base / "log").read_text()

    found = {d["Name"]: re.findall(d["Regex"], log) for d in kmeans.METRIC_DEFINITIONS}

    assert all(found.values()), found
    assert float(found["test:ssd"][-1]) == pytest.approx(200 * float(found["test:msd"][-1]))
    assert found["train:progress"] == ["50", "100"]


@pytest.mark.parametrize(
    "given",
    [
        {"init_method": "kmeans++"},
        {"extra_center_factor": 1, "init_method": "kmeans++", "epochs": 10},
        {"local_lloyd_init_method": "random"},
        {"half_life_time_size": 300, "epochs": 3},
    ],
)
def test_hyperparameters_lead_to_the_same_clusters(given: dict[str, Any]) -> None:
    data = blobs(2000)
    best = KMeans(4, n_init=10, random_state=0).fit(data).inertia_
    wanted = Settings(k=4, feature_dim=2, mini_batch_size=250, **given)

    centers = clustering.fit(data, wanted, lambda _: None, lambda _: None)

    assert (clustering.distances(data, centers)[1] ** 2).sum() == pytest.approx(best, rel=0.03)


def test_half_life_makes_old_points_count_less() -> None:
    moved = np.concatenate([np.zeros((500, 1)), np.ones((500, 1))]).astype(np.float32)
    centers, weights = np.zeros((1, 1)), np.zeros(1)

    for batch in (moved[:500], moved[500:]):
        weights *= clustering._decay(500, 500)
        clustering._follow(centers, weights, batch)

    assert centers[0, 0] == pytest.approx(500 / 750)


@pytest.mark.feature("training: K-means on several hosts")
def test_two_hosts_agree_on_the_model_of_one(tmp_path: Path) -> None:
    whole = blobs()
    alone = train("kmeans", tmp_path / "one", PARAMETERS, {"train": csv(whole)}, ContentType=PLAIN)
    shards = {"algo-1": {"train": csv(whole[:250])}, "algo-2": {"train": csv(whole[250:])}}

    done = train_together("kmeans", tmp_path, PARAMETERS, shards, ContentType=PLAIN)

    assert [alone.code, *(d.code for d in done.values())] == [0, 0, 0], done
    assert not list((tmp_path / "algo-2" / "model").iterdir())
    np.testing.assert_array_equal(centers(tmp_path / "algo-1"), centers(tmp_path / "one"))


def test_recordio_trains_the_model_of_csv(tmp_path: Path, base: Path) -> None:
    data = {"train": matrix.write_recordio(blobs()), "test": matrix.write_recordio(blobs(200, 4))}

    done = train("kmeans", tmp_path, PARAMETERS | {"epochs": "2"}, data)

    assert done.code == 0, done.log
    np.testing.assert_array_equal(centers(tmp_path), centers(base))


def centers(folder: Path) -> Any:
    return archive.load(folder / "model" / kmeans.MODEL_FILE, kmeans.MODEL_FORMAT)["centers"]


@pytest.mark.feature("answers: K-means")
def test_answers_name_the_nearest_cluster_and_its_distance(url: str, base: Path) -> None:
    status, body, kind = ask(url, b"8,8\n", Content_Type="text/csv")

    assert (status, kind) == (200, "application/json")
    (told,) = json.loads(body)["predictions"]
    center = centers(base)[int(told["closest_cluster"])]
    assert center == pytest.approx([8, 8], abs=0.5)
    assert told["distance_to_cluster"] == pytest.approx(float(np.linalg.norm(center - 8)), abs=1e-5)


def test_answers_come_in_each_documented_format(url: str) -> None:
    plain = {"Content_Type": "application/json"}
    asked = b'{"instances": [{"features": [8, 8]}, {"features": [0, 0]}]}'
    first, second = json.loads(ask(url, asked, **plain)[1])["predictions"]

    lines = ask(url, asked, Accept="application/jsonlines", **plain)[1]
    table = ask(url, asked, Accept="text/csv", **plain)[1]
    binary = ask(url, asked, Accept="application/x-recordio-protobuf", **plain)[1]

    assert [json.loads(line) for line in lines.splitlines()] == [first, second]
    assert table.decode().splitlines()[1] == ",".join(map(str, second.values()))
    told = [record.decode(payload).label for payload in recordio.read(binary)]
    assert told[0]["closest_cluster"].values.tolist() == [first["closest_cluster"]]


@pytest.mark.parametrize(
    ("body", "headers", "status", "told"),
    [
        (b"1,2,3", {"Content_Type": "text/csv"}, 400, b"3 features, the model was trained with 2"),
        (b"1,2", {"Content_Type": "image/png"}, 415, b"image/png"),
        (b"1,2", {"Content_Type": "text/csv", "Accept": "image/png"}, 406, b"image/png"),
    ],
)
def test_wrong_request_is_refused(
    url: str, body: bytes, headers: dict[str, str], status: int, told: bytes
) -> None:
    answered, text, _ = ask(url, body, **headers)

    assert (answered, told in text) == (status, True)


def test_foreign_model_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model_algo-1").write_bytes(b"\x12\x01 an MXNet array")

    code, told = not_served("kmeans", tmp_path)

    assert code == 1
    assert "was not saved by the local stand-in (sageloop.kmeans/1)" in told


@pytest.mark.feature("bad input: hyperparameter of K-means")
@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"k": "0"}, "Hyperparameter k: value 0 not in range"),
        ({"kk": "1"}, "Extraneous hyperparameter found: kk"),
        ({"eval_metrics": '["mse"]'}, "Hyperparameter eval_metrics"),
        ({"local_lloyd_tol": "2"}, "not in range [0, 1]"),
        ({"extra_center_factor": "none"}, "could not parse value: 'none'"),
        ({"init_method": "best"}, "[random, kmeans++]"),
    ],
)
def test_wrong_hyperparameter_is_named(changed: dict[str, str], told: str) -> None:
    with pytest.raises(rules.HyperparameterError) as caught:
        settings(PARAMETERS | changed)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("job", "told"),
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
def test_wrong_job_fails_with_the_clients_code_and_a_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    job: tuple[dict[str, str], bytes, str],
    told: str,
) -> None:
    parameters, content, kind = job
    prepare(tmp_path, parameters, {"train": content}, ContentType=kind)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))

    assert program.main() == 2
    assert told in (tmp_path / "output" / "failure").read_text()
