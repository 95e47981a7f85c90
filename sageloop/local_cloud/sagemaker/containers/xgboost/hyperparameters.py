"""The algorithm's hyperparameters, as a table; all arrive as strings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_INF = math.inf

NATIVE_METRICS = (
    "rmse", "rmsle", "mae", "mape", "mphe", "logloss", "error", "merror", "mlogloss", "auc",
    "aucpr", "ndcg", "map", "poisson-nloglik", "gamma-nloglik", "gamma-deviance",
    "tweedie-nloglik", "cox-nloglik", "aft-nloglik",
)  # fmt: skip
CUSTOM_METRICS = ("mse", "accuracy")
MAXIMISED = ("auc", "aucpr", "ndcg", "map", "accuracy")
_OBJECTIVES = (
    "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:logistic",
    "reg:pseudohubererror", "reg:absoluteerror", "reg:gamma", "reg:tweedie", "binary:logistic",
    "binary:logitraw", "binary:hinge", "count:poisson", "survival:cox", "survival:aft",
    "multi:softmax", "multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map",
)  # fmt: skip


class HyperparameterError(Exception):
    """A hyperparameter is unknown, missing or out of its range."""


@dataclass(frozen=True, slots=True)
class _Rule:
    parse: Callable[[str], Any]
    allowed: Callable[[Any], bool]
    told: str


def _whole(low: float, high: float = _INF) -> _Rule:
    return _Rule(_integer, lambda v: low <= v <= high, f"[{low}, {high}]")


def _real(low: float, high: float = _INF, *, above: bool = False) -> _Rule:
    def inside(value: float) -> bool:
        return (low < value if above else low <= value) and value <= high

    return _Rule(float, inside, f"{'(' if above else '['}{low}, {high}]")


def _one_of(*choices: str) -> _Rule:
    return _Rule(str, lambda v: v in choices, f"[{', '.join(choices)}]")


def _metrics() -> _Rule:
    known = NATIVE_METRICS + CUSTOM_METRICS
    return _Rule(
        lambda text: [name.strip() for name in text.split(",")],
        lambda names: bool(names) and all(name.split("@")[0] in known for name in names),
        f"a list of [{', '.join(known)}]",
    )


def _any(kind: Callable[[str], Any] = str) -> _Rule:
    return _Rule(kind, lambda _: True, "any")


def _integer(text: str) -> int:
    value = float(text)
    if not value.is_integer():
        raise ValueError(text)
    return int(value)


_TABLE: dict[str, _Rule] = {
    "num_round": _whole(1), "csv_weights": _whole(0, 1), "early_stopping_rounds": _whole(1),
    "booster": _one_of("gbtree", "gblinear", "dart"), "verbosity": _whole(0, 3),
    "nthread": _whole(1), "eta": _real(0, 1), "gamma": _real(0), "max_depth": _whole(0),
    "min_child_weight": _real(0), "max_delta_step": _real(0),
    "subsample": _real(0, 1, above=True), "colsample_bytree": _real(0, 1, above=True),
    "colsample_bylevel": _real(0, 1, above=True), "colsample_bynode": _real(0, 1, above=True),
    "lambda": _real(0), "alpha": _real(0), "lambda_bias": _real(0, 1),
    "tree_method": _one_of("auto", "exact", "approx", "hist"),
    "sketch_eps": _real(0, 1, above=True), "scale_pos_weight": _real(0, above=True),
    "grow_policy": _one_of("depthwise", "lossguide"), "max_leaves": _whole(0),
    "max_bin": _whole(2), "monotone_constraints": _any(), "interaction_constraints": _any(),
    "sample_type": _one_of("uniform", "weighted"), "normalize_type": _one_of("tree", "forest"),
    "rate_drop": _real(0, 1), "one_drop": _whole(0, 1), "skip_drop": _real(0, 1),
    "tweedie_variance_power": _real(1, 2, above=True), "huber_slope": _real(0, above=True),
    "objective": _one_of(*_OBJECTIVES), "num_class": _whole(2), "base_score": _any(float),
    "eval_metric": _metrics(), "seed": _whole(-(2**31), 2**31 - 1),
    "num_parallel_tree": _whole(1), "refresh_leaf": _whole(0, 1),
    "deterministic_histogram": _one_of("true", "false"),
    "sampling_method": _one_of("uniform", "gradient_based"),
    "save_model_on_termination": _one_of("true", "false"),
    "aft_loss_distribution": _one_of("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": _real(0, above=True),
    "_tuning_objective_metric": _any(),
}  # fmt: skip

_NOT_BOOSTER = (
    "num_round", "csv_weights", "early_stopping_rounds", "eval_metric",
    "save_model_on_termination", "_tuning_objective_metric", "sketch_eps",
    "deterministic_histogram",
)  # fmt: skip
_PLATFORM = "sagemaker_"


def typed(raw: Mapping[str, str]) -> dict[str, Any]:
    """Hyperparameters as values. Raises :class:`HyperparameterError` that names the first wrong."""
    given = {name: _plain(text) for name, text in raw.items() if not name.startswith(_PLATFORM)}
    for name in given:
        if name not in _TABLE:
            raise HyperparameterError(
                f"Extraneous hyperparameter found: {name} (known: {', '.join(sorted(_TABLE))})"
            )
    if "num_round" not in given:
        raise HyperparameterError("Missing required hyperparameter: num_round")
    values = {name: _value(name, text) for name, text in given.items()}
    _check_together(values)
    return values


def booster_parameters(values: Mapping[str, Any], *, threads: int) -> dict[str, Any]:
    """What goes to the booster itself; ``threads`` counts unless nthread is given."""
    own = {name: value for name, value in values.items() if name not in _NOT_BOOSTER}
    if own.get("objective") == "reg:linear":
        own["objective"] = "reg:squarederror"
    own.setdefault("nthread", threads)
    metrics = [m for m in values.get("eval_metric", ()) if m not in CUSTOM_METRICS]
    if metrics:
        own["eval_metric"] = metrics
    elif "eval_metric" in values:
        own["disable_default_eval_metric"] = 1
    return own


def _value(name: str, text: str) -> Any:
    rule = _TABLE[name]
    try:
        value = rule.parse(text)
    except ValueError:
        raise HyperparameterError(
            f"Hyperparameter {name}: could not parse value: {text!r}"
        ) from None
    if not rule.allowed(value):
        raise HyperparameterError(f"Hyperparameter {name}: value {text} not in range {rule.told}")
    return value


def _check_together(values: Mapping[str, Any]) -> None:
    objective = str(values.get("objective", "reg:squarederror"))
    several = objective.startswith("multi:")
    if several and "num_class" not in values:
        raise HyperparameterError(
            "Require input for parameter 'num_class' for multi-classification"
        )
    if not several and "num_class" in values:
        raise HyperparameterError(
            "Do not need to setup parameter 'num_class' for learning task other than "
            "multi-classification."
        )


def _plain(text: str) -> str:
    # Clients of version 2 send strings as JSON, with their quotes.
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return str(json.loads(text))
    return text
