"""The local linear learner: fits, metrics, responses and errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from built_in import csv, failed_server, invoke, prepare, served, train, train_together
from sklearn import linear_model, svm
from sklearn import metrics as their_metrics

from sageloop.local_cloud.images import linear_learner, rules
from sageloop.local_cloud.images.formats import matrix, record, recordio
from sageloop.local_cloud.images.linear_learner import losses, metrics
from sageloop.local_cloud.images.linear_learner import train as program
from sageloop.local_cloud.images.linear_learner.hyperparameters import settings
from sageloop.local_cloud.images.linear_learner.model import Model, load

REGRESSOR = {"predictor_type": "regressor"}
BINARY = {"predictor_type": "binary_classifier"}
MULTICLASS = {"predictor_type": "multiclass_classifier", "num_classes": "3"}
RANDOM = np.random.default_rng(7)
FEATURES = (RANDOM.normal(0, 1, (3000, 4)) * [1, 5, 0.1, 2] + [0, 3, 1, -2]).astype(np.float32)
PLAIN = FEATURES.astype(np.float64) @ [2.0, -0.5, 10.0, 0.3] - 8
REAL = (PLAIN + RANDOM.normal(0, 1, len(PLAIN))).astype(np.float32)
YES = (PLAIN + RANDOM.logistic(0, 1, len(PLAIN)) > 0).astype(np.float32)
THREE = np.digitize(PLAIN + RANDOM.normal(0, 1, len(PLAIN)), [-1.5, 1.5]).astype(np.float32)


def table(labels: Any, rows: slice = slice(None)) -> bytes:
    return csv(np.column_stack([labels, FEATURES])[rows])


def fitted(
    base: Path, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, str], labels: Any
) -> Model:
    """A model that is trained in this process."""
    prepare(base, parameters, {"train": table(labels)}, ContentType="text/csv")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
    failure = base / "output" / "failure"
    assert program.main() == 0, failure.read_text()
    return load(base / "model")


@pytest.mark.feature("training: linear learner")
def test_regressor_matches_closed_form_ridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    target = (REAL - REAL.mean()) / REAL.std()
    ridge = linear_model.Ridge(alpha=len(REAL) * 0.4 / 2).fit(scaled, target)

    model = fitted(tmp_path, monkeypatch, REGRESSOR | {"wd": "0.4"}, REAL)

    expected = ridge.predict(scaled) * REAL.std() + REAL.mean()
    np.testing.assert_allclose(model.scores(FEATURES)[:, 0], expected, atol=1e-2)


@pytest.mark.feature("training: linear learner, binary classifier")
@pytest.mark.parametrize(
    "hyperparameters",
    [
        {},
        {"optimizer": "adam"},
        {"optimizer": "sgd", "learning_rate": "0.1", "mini_batch_size": "100"},
        {"optimizer": "rmsprop", "mini_batch_size": "100", "learning_rate": "0.01"},
    ],
    ids=["auto", "adam", "sgd", "rmsprop"],
)
def test_binary_classifier_matches_logistic_regression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hyperparameters: dict[str, str]
) -> None:
    scaled = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    reference = (
        linear_model.LogisticRegression(C=np.inf).fit(scaled, YES).predict_proba(scaled)[:, 1]
    )

    model = fitted(tmp_path, monkeypatch, BINARY | {"epochs": "60"} | hyperparameters, YES)

    ours = model.scores(FEATURES)[:, 0]
    close = 1e-3 if not hyperparameters else 0.06
    np.testing.assert_allclose(ours, reference, atol=close)
    assert their_metrics.log_loss(YES, ours) < their_metrics.log_loss(YES, reference) * 1.01


@pytest.mark.feature("training: linear learner, multiclass classifier")
def test_multiclass_classifier_matches_multinomial_regression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    reference = linear_model.LogisticRegression(C=1 / (0.01 * len(THREE))).fit(scaled, THREE)

    model = fitted(tmp_path, monkeypatch, MULTICLASS | {"wd": "0.01"}, THREE)

    np.testing.assert_allclose(model.scores(FEATURES), reference.predict_proba(scaled), atol=5e-3)


def test_l1_penalty_matches_lasso(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scaled = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    target = (REAL - REAL.mean()) / REAL.std()
    lasso = linear_model.Lasso(alpha=0.5 / 2).fit(scaled, target)

    model = fitted(tmp_path, monkeypatch, REGRESSOR | {"l1": "0.5"}, REAL)

    weights = model.weights[:, 0] * FEATURES.std(0) / REAL.std()
    np.testing.assert_allclose(weights, lasso.coef_, atol=5e-3)
    assert (abs(weights) < 1e-6).any()


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        ("absolute_loss", linear_model.QuantileRegressor(quantile=0.5, alpha=0)),
        ("quantile_loss", linear_model.QuantileRegressor(quantile=0.8, alpha=0)),
        ("huber_loss", linear_model.HuberRegressor(alpha=0, epsilon=1.35)),
        ("eps_insensitive_squared_loss", linear_model.LinearRegression()),
        ("eps_insensitive_absolute_loss", linear_model.QuantileRegressor(quantile=0.5, alpha=0)),
    ],
)
def test_robust_losses_match_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str, reference: Any
) -> None:
    some = slice(0, 600)
    expected = reference.fit(FEATURES[some], REAL[some]).predict(FEATURES[some])
    parameters = REGRESSOR | {"loss": loss, "quantile": "0.8", "early_stopping_tolerance": "1e-6"}
    prepare(tmp_path, parameters, {"train": table(REAL, some)}, ContentType="text/csv")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))

    assert program.main() == 0

    ours = load(tmp_path / "model").scores(FEATURES[some])[:, 0]
    assert np.abs(ours - expected).mean() < 0.12


def test_hinge_loss_matches_support_vector_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = (FEATURES - FEATURES.mean(0)) / FEATURES.std(0)
    reference = svm.LinearSVC(loss="hinge", C=1 / (0.01 * len(YES)), max_iter=20000).fit(
        scaled, YES
    )

    model = fitted(tmp_path, monkeypatch, BINARY | {"loss": "hinge_loss", "wd": "0.01"}, YES)

    agree = (model.scores(FEATURES)[:, 0] > 0) == (reference.decision_function(scaled) > 0)
    assert agree.mean() > 0.98


@pytest.mark.parametrize("name", [n for ls in program.hp.LOSSES.values() for n in ls])
def test_loss_gradient_matches_numeric_derivative(name: str) -> None:
    kind = next(k for k, names in program.hp.LOSSES.items() if name in names)
    loss = losses.loss_of(settings({"predictor_type": kind, "loss": name, "num_classes": "3"})[0])
    targets = np.array([0.0, 1.0, 1.0, 0.0])
    scores = np.linspace(-1.7, 1.9, 12 if name == "softmax_loss" else 4).reshape(4, -1)
    step = np.zeros_like(scores)
    step[:, 0] = 1e-6

    slope = loss.both(scores, targets)[1][:, 0]

    difference = loss.both(scores + step, targets)[0] - loss.both(scores - step, targets)[0]
    np.testing.assert_allclose(slope, difference / 2e-6, atol=1e-5)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linear")
    data = {
        "train": table(YES, slice(0, 2000)),
        "validation": table(YES, slice(2000, 2500)),
        "test": table(YES, slice(2500, 3000)),
    }
    parameters = BINARY | {"feature_dim": "4", "num_models": "32", "f_beta": "2"}
    finished = train("linear_learner", folder, parameters, data, ContentType="text/csv")
    assert finished.code == 0, finished.log
    (folder / "log").write_text(finished.log)
    return folder


@pytest.fixture(scope="module")
def url(base: Path) -> Iterator[str]:
    with served("linear_learner", base) as place:
        yield place


def test_log_names_the_local_implementation_and_ignored_hyperparameters(base: Path) -> None:
    log = (base / "log").read_text()

    assert "local implementation" in log.splitlines()[0]
    assert log.count("hyperparameter num_models is accepted and has no effect") == 1


@pytest.mark.feature("metrics: linear learner")
def test_metric_definitions_match_binary_classifier_metrics(base: Path) -> None:
    log = (base / "log").read_text()

    metric_values = {
        d["Name"]: float(values[-1])
        for d in linear_learner.METRIC_DEFINITIONS
        if (values := re.findall(d["Regex"], log))
    }

    model = load(base / "model")
    predicted = model.labels(model.scores(FEATURES[2500:]))
    assert metric_values["test:binary_classification_accuracy"] == pytest.approx(
        (predicted == YES[2500:]).mean()
    )
    assert metric_values["test:binary_f_beta"] == pytest.approx(
        their_metrics.fbeta_score(YES[2500:], predicted, beta=2)
    )
    assert {"validation:objective_loss", "validation:objective_loss:final", "test:objective_loss",
            "train:objective_loss", "train:precision", "validation:recall", "train:progress",
            "train:throughput"} <= metric_values.keys()  # fmt: skip


def test_multiclass_metrics_match_scikit_learn() -> None:
    parsed = settings(MULTICLASS | {"accuracy_top_k": "2"})[0]
    scores = np.random.default_rng(1).dirichlet([1, 1, 1], 200)
    actual, labels = THREE[:200].astype(int), scores.argmax(axis=1)

    values = {name: value for name, _, value in metrics.of(parsed, scores, labels, actual)}

    macro = {"average": "macro", "zero_division": 0}
    assert values == pytest.approx(
        {
            "multiclass_accuracy": their_metrics.accuracy_score(actual, labels),
            "multiclass_top_k_accuracy_2": their_metrics.top_k_accuracy_score(actual, scores, k=2),
            "dcg": their_metrics.dcg_score(np.eye(3)[actual], scores),
            "macro_recall": their_metrics.recall_score(actual, labels, **macro),
            "macro_precision": their_metrics.precision_score(actual, labels, **macro),
            "macro_f_1.000": their_metrics.f1_score(actual, labels, **macro),
        }
    )


@pytest.mark.parametrize(
    ("criterion", "holds"),
    [
        ("precision_at_target_recall", lambda precision, recall: recall >= 0.9),
        ("recall_at_target_precision", lambda precision, recall: precision >= 0.9),
        ("loss_function", lambda precision, recall: precision > 0.5),
    ],
)
def test_threshold_satisfies_the_selection_criterion(criterion: str, holds: Any) -> None:
    scores = losses.sigmoid(PLAIN)
    parsed = settings(
        BINARY
        | {"binary_classifier_model_selection_criteria": criterion}
        | {"target_recall": "0.9", "target_precision": "0.9"}
    )[0]

    labels = scores >= metrics.threshold(parsed, scores, YES, 0.5)

    assert holds(
        their_metrics.precision_score(YES, labels), their_metrics.recall_score(YES, labels)
    )


def test_balanced_weights_raise_recall_of_rare_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = (PLAIN + RANDOM.logistic(0, 1, len(PLAIN)) > 4).astype(np.float32)

    plain = fitted(tmp_path / "plain", monkeypatch, BINARY, rare)
    weighed = BINARY | {"positive_example_weight_mult": "balanced"}
    balanced = fitted(tmp_path / "balanced", monkeypatch, weighed, rare)

    assert plain.scores(FEATURES).mean() == pytest.approx(rare.mean(), abs=0.01)
    assert balanced.scores(FEATURES).mean() > 1.5 * rare.mean()


@pytest.mark.feature("training: linear learner on several hosts")
def test_two_hosts_train_the_same_model_as_one(tmp_path: Path) -> None:
    one_host = train(
        "linear_learner",
        tmp_path / "one",
        REGRESSOR,
        {"train": table(REAL)},
        ContentType="text/csv",
    )
    shards = {
        "algo-1": {"train": table(REAL, slice(0, 2000))},
        "algo-2": {"train": table(REAL, slice(2000, None))},
    }

    finished = train_together("linear_learner", tmp_path, REGRESSOR, shards, ContentType="text/csv")

    assert [one_host.code, *(d.code for d in finished.values())] == [0, 0, 0], finished
    ours, reference = load(tmp_path / "algo-1" / "model"), load(tmp_path / "one" / "model")
    np.testing.assert_array_equal(ours.weights, reference.weights)


@pytest.mark.feature("responses: linear learner")
def test_response_has_score_and_label_in_each_documented_format(url: str, base: Path) -> None:
    payload = csv(FEATURES[:2])
    expected = load(base / "model").scores(FEATURES[:2])[:, 0]

    status, body, kind = invoke(url, payload, Content_Type="text/csv")
    lines = invoke(url, payload, Content_Type="text/csv", Accept="application/jsonlines")[1]
    binary = invoke(
        url,
        matrix.write_recordio(FEATURES[:2]),
        Content_Type="application/x-recordio-protobuf",
        Accept="application/x-recordio-protobuf",
    )[1]

    assert (status, kind) == (200, "application/json")
    predictions = json.loads(body)["predictions"]
    assert [t["score"] for t in predictions] == pytest.approx(expected)
    assert set(predictions[0]) == {"score", "predicted_label"}
    assert [json.loads(line) for line in lines.splitlines()] == predictions
    labels = [record.decode(payload).label for payload in recordio.read(binary)]
    assert labels[1]["score"].values[0] == pytest.approx(expected[1], abs=1e-6)


def test_csv_response_is_refused(url: str) -> None:
    status, body, _ = invoke(url, b"1,2,3,4", Content_Type="text/csv", Accept="text/csv")

    assert status == 406
    assert b"use one of application/json, application/jsonlines" in body


def test_model_of_another_algorithm_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with (tmp_path / "model" / "model_algo-1").open("wb") as file:
        np.savez(file, format=np.array("sageloop.kmeans/1"), centers=np.zeros((2, 2)))

    code, message = failed_server("linear_learner", tmp_path)

    assert code == 1
    assert "was not saved by the local algorithm (sageloop.linear-learner/1)" in message


@pytest.mark.feature("bad input: hyperparameter of the linear learner")
@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({}, "Missing required hyperparameter: predictor_type"),
        ({"predictor_type": "guess"}, "Hyperparameter predictor_type: value guess not in range"),
        ({"predictor_type": "multiclass_classifier"}, "num_classes (for multiclass_classifier)"),
        (REGRESSOR | {"loss": "logistic"}, "for predictor_type regressor"),
        (REGRESSOR | {"quantile": "1"}, "not in range (0, 1)"),
        (REGRESSOR | {"use_bias": "maybe"}, "could not parse value: 'maybe'"),
        (REGRESSOR | {"use_bias": "false", "unbias_data": "true"}, "needs use_bias true"),
        (REGRESSOR | {"learnig_rate": "1"}, "Extraneous hyperparameter found: learnig_rate"),
    ],
)
def test_invalid_hyperparameter_is_named_in_the_error(
    hyperparameters: dict[str, str], message: str
) -> None:
    with pytest.raises(rules.HyperparameterError) as caught:
        settings(hyperparameters)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "channels", "message"),
    [
        (
            BINARY,
            {"train": b"2,1\n0,1\n"},
            "channel train has label 2; a binary_classifier accepts",
        ),
        (BINARY | {"feature_dim": "3"}, {"train": b"1,1\n"}, "has 1 features, hyperparameter"),
        (BINARY, {"validation": b"1,1\n"}, "Missing required channel: train"),
        (BINARY, {"train": b"1,1\n", "tset": b"1,1\n"}, "Extraneous channel found: tset"),
        (BINARY, {"train": b"1,1\n", "test": b"1,1,1\n"}, "different numbers of features"),
        (BINARY, {"train": b"1,x\n"}, "not numeric"),
        (
            REGRESSOR | {"optimizer": "sgd", "learning_rate": "1e200", "epochs": "50"},
            {"train": b"1,1\n2,3\n"},
            "is learning_rate too high?",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_invalid_job_fails_with_client_error_and_reason(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, str],
    channels: dict[str, bytes],
    message: str,
) -> None:
    prepare(tmp_path, parameters, channels, ContentType="text/csv")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))

    assert program.main() == 2
    assert message in (tmp_path / "output" / "failure").read_text()
