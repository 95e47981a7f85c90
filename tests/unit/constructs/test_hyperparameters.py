from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import Stack, Token

from constructs_lib import ConfigurationError, KMeans, LinearLearner, XGBoost
from constructs_lib.training.builtin import BuiltIn

_MAKE: dict[str, tuple[Callable[..., BuiltIn], dict[str, Any]]] = {
    "xgboost": (XGBoost, {"num_round": 10}),
    "kmeans": (KMeans, {"k": 3, "feature_dim": 4}),
    "linear": (LinearLearner, {"predictor_type": "regressor"}),
}


def _made(kind: str, **provided: Any) -> BuiltIn:
    make, least = _MAKE[kind]
    return make(hyperparameters={**least, **provided})


def _refused(kind: str, **provided: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as refused:
        _made(kind, **provided)
    return refused.value


@pytest.mark.feature("training: built-in XGBoost")
def test_xgboost_renders_texts_in_order() -> None:
    algorithm = XGBoost(hyperparameters={"num_round": 10, "eta": 1e-5, "eval_metric": "mae",
                                         "save_model_on_termination": True})  # fmt: skip

    assert list(algorithm.rendered().items()) == [
        ("eta", "1e-05"), ("eval_metric", "mae"), ("num_round", "10"),
        ("save_model_on_termination", "true"),
    ]  # fmt: skip


@pytest.mark.feature("training: built-in K-means")
def test_kmeans_renders_lists_as_json() -> None:
    algorithm = _made("kmeans", eval_metrics=["msd", "ssd"], extra_center_factor="auto")

    assert algorithm.rendered() == {
        "eval_metrics": '["msd", "ssd"]', "extra_center_factor": "auto", "feature_dim": "4",
        "k": "3",
    }  # fmt: skip


@pytest.mark.feature("training: built-in linear learner")
def test_linear_learner_renders_words_and_flags() -> None:
    algorithm = _made("linear", normalize_data="auto", use_bias=False, l1="auto", wd=0)

    assert algorithm.rendered() == {
        "l1": "auto", "normalize_data": "auto", "predictor_type": "regressor",
        "use_bias": "false", "wd": "0",
    }  # fmt: skip


@pytest.mark.feature("bad input: hyperparameter misspelt")
@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [("xgboost", "max_dept", "max_depth"), ("kmeans", "epoch", "epochs"),
     ("linear", "learning_rat", "learning_rate")],
)  # fmt: skip
def test_misspelt_hyperparameter_error_has_suggestion(kind: str, name: str, meant: str) -> None:
    error = _refused(kind, **{name: 1})

    assert error.code == "HyperparameterUnknown"
    assert f"{name!r} is unknown; did you mean {meant!r}?" in str(error)
    assert "\n" not in str(error)


def test_unknown_hyperparameter_error_is_short() -> None:
    message = str(_refused("xgboost", **{"k" * 5000: 1}))

    assert "allowed are those of https://docs.aws.amazon.com/" in message
    assert len(message) <= 300


@pytest.mark.feature("bad input: hyperparameter out of range")
@pytest.mark.parametrize(
    ("kind", "provided", "message"),
    [
        ("xgboost", {"num_round": 0}, "num_round must be at least 1, got 0"),
        ("xgboost", {"eta": 2}, "eta must be between 0 and 1, got 2"),
        ("xgboost", {"subsample": 0}, "subsample must be greater than 0, got 0"),
        ("xgboost", {"tweedie_variance_power": 2},
         "tweedie_variance_power must be less than 2, got 2"),
        ("kmeans", {"k": 0}, "k must be at least 1, got 0"),
        ("kmeans", {"local_lloyd_tol": 1.5}, "local_lloyd_tol must be between 0 and 1, got 1.5"),
        ("linear", {"quantile": 1}, "quantile must be less than 1, got 1"),
    ],
)  # fmt: skip
def test_a_hyperparameter_out_of_range_is_refused(
    kind: str, provided: dict[str, Any], message: str
) -> None:
    assert message in str(_refused(kind, **provided))


@pytest.mark.feature("bad input: hyperparameter of the wrong type")
@pytest.mark.parametrize(
    ("kind", "provided", "message"),
    [
        ("xgboost", {"num_round": 1.5}, "num_round must be a whole number, got 1.5"),
        ("xgboost", {"num_round": "ten"}, "num_round must be a whole number, got 'ten'"),
        ("xgboost", {"eta": True}, "eta must be a number, got True"),
        ("xgboost", {"eta": float("nan")}, "eta must be a number, got nan"),
        ("xgboost", {"booster": "gbtre"},
         "booster must be one of dart, gblinear, gbtree, got 'gbtre'; did you mean 'gbtree'?"),
        ("kmeans", {"extra_center_factor": "many"},
         "extra_center_factor must be a whole number or 'auto', got 'many'"),
        ("kmeans", {"eval_metrics": ["mse"]}, "eval_metrics must have of msd, ssd"),
        ("kmeans", {"eval_metrics": 5}, "eval_metrics must be a list, got 5"),
        ("linear", {"use_bias": "yes"}, "use_bias must be one of false, true, got 'yes'"),
    ],
)  # fmt: skip
def test_a_hyperparameter_of_the_wrong_type_is_refused(
    kind: str, provided: dict[str, Any], message: str
) -> None:
    assert message in str(_refused(kind, **provided))


@pytest.mark.feature("training: required hyperparameters")
@pytest.mark.parametrize(
    ("make", "missing"),
    [(XGBoost, ["num_round is required"]),
     (KMeans, ["feature_dim is required", "k is required"]),
     (LinearLearner, ["predictor_type is required"])],
)  # fmt: skip
def test_missing_required_hyperparameters_are_refused(
    make: Callable[..., BuiltIn], missing: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make(hyperparameters={})

    assert [fault.message for fault in refused.value.faults] == missing


@pytest.mark.feature("training: hyperparameters that depend on others")
@pytest.mark.parametrize(
    ("kind", "provided", "message"),
    [
        ("xgboost", {"objective": "multi:softmax"}, "num_class is required"),
        ("linear", {"predictor_type": "multiclass_classifier"}, "num_classes is required"),
        ("linear", {"predictor_type": "binary_classifier", "loss": "squared_loss"},
         "loss must be one of auto, hinge_loss, logistic for the predictor_type"),
        ("linear", {"target_recall": 0.5}, "target_recall is for the predictor_type 'binary_cl"),
        ("xgboost", {"use_dask_gpu_training": True}, "needs tree_method 'gpu_hist', got None"),
    ],
)  # fmt: skip
def test_hyperparameters_that_depend_on_others_are_checked_together(
    kind: str, provided: dict[str, Any], message: str
) -> None:
    assert message in str(_refused(kind, **provided))


@pytest.mark.feature("training: objective against metric")
@pytest.mark.parametrize(
    ("objective", "metric", "message"),
    [
        ("reg:squarederror", "merror", "eval_metric 'merror' goes with objective multi:*"),
        ("multi:softprob", "rmse", "eval_metric 'rmse' goes with objective binary:*, count:*"),
        ("reg:squarederror", "logloss,mae", "eval_metric 'logloss' goes with objective binary:*"),
        ("reg:gamma", "tweedie-nloglik@1.5", "goes with objective reg:tweedie"),
        ("reg:squarederror", "rsme", "eval_metric must be one of accuracy, aft-nloglik"),
        ("reg:squarederror", "rmse@2", "eval_metric takes a threshold with error"),
    ],
)
def test_a_metric_that_does_not_fit_the_objective_is_refused(
    objective: str, metric: str, message: str
) -> None:
    error = _refused("xgboost", objective=objective, eval_metric=metric, num_class=3)

    assert message in str(error)


def test_metrics_that_fit_the_objective_are_accepted() -> None:
    _made("xgboost", objective="binary:logistic", eval_metric="auc, error@0.3,logloss")
    _made("xgboost", objective="multi:softprob", num_class=3, eval_metric="mlogloss")


@pytest.mark.feature("training: CSV with weights")
def test_xgboost_takes_weights_in_csv() -> None:
    assert _made("xgboost", csv_weights=1).rendered()["csv_weights"] == "1"


def test_hyperparameter_checks_skip_tokens(stack: Stack) -> None:
    number: Any = Token.as_number({"Ref": "Rounds"})
    word = Token.as_string({"Ref": "Word"})

    rendered = XGBoost(hyperparameters={
        "num_round": number, "objective": word, "eval_metric": word, "booster": word, "eta": word,
    }).rendered()  # fmt: skip

    assert stack.resolve(rendered["num_round"]) == {"Ref": "Rounds"}
    assert stack.resolve(rendered["eval_metric"]) == {"Ref": "Word"}


@pytest.mark.feature("training: metrics of the algorithm by default")
def test_algorithms_have_metrics_with_directions() -> None:
    regressor, classifier = _made("linear"), _made("linear", predictor_type="binary_classifier")

    assert _made("xgboost").metrics["validation:rmse"] == "Minimize"
    assert _made("xgboost").metrics["train:auc"] == "Maximize"
    assert _made("kmeans").metrics == {"test:msd": "Minimize", "test:ssd": "Minimize"}
    assert "validation:mse" in regressor.metrics
    assert "validation:mse" not in classifier.metrics
    assert classifier.metrics["test:roc_auc_score"] == "Maximize"
