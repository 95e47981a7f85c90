"""The built-in XGBoost algorithm and its hyperparameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from .._private.checks import Checks, known
from .algorithm import Directions
from .builtin import CSV, PROTOBUF, BuiltIn
from .hyperparameters import Hyperparameter, Parameter, Table, text
from .metric import MetricDefinition

_LEAST = {"aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "logloss",
          "mae", "mape", "merror", "mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle",
          "tweedie-nloglik"}  # fmt: skip
_MOST = {"accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro",
         "interval-regression-accuracy", "map", "ndcg", "pre", "precision", "precision_macro",
         "precision_micro", "r2", "recall", "recall_macro", "recall_micro"}  # fmt: skip
_WITH_THRESHOLD = ("error", "map", "ndcg", "pre", "tweedie-nloglik")
_OBJECTIVES = (
    "binary:hinge", "binary:logistic", "binary:logitraw", "count:poisson", "multi:softmax",
    "multi:softprob", "rank:map", "rank:ndcg", "rank:pairwise", "reg:absoluteerror", "reg:gamma",
    "reg:linear", "reg:logistic", "reg:pseudohubererror", "reg:quantileerror", "reg:squarederror",
    "reg:squaredlogerror", "reg:tweedie", "survival:aft", "survival:cox",
)  # fmt: skip
_NEEDS: dict[str, tuple[str, ...]] = {
    "aft-nloglik": ("survival:aft",), "interval-regression-accuracy": ("survival:aft",),
    "cox-nloglik": ("survival:cox",), "gamma-deviance": ("reg:gamma",),
    "gamma-nloglik": ("reg:gamma",), "poisson-nloglik": ("count:poisson",),
    "tweedie-nloglik": ("reg:tweedie",), "merror": ("multi:",), "mlogloss": ("multi:",),
    "error": ("binary:", "reg:logistic"), "logloss": ("binary:", "reg:logistic"),
    "auc": ("binary:", "multi:", "rank:", "reg:logistic"),
    "aucpr": ("binary:", "multi:", "rank:", "reg:logistic"),
    "ndcg": ("binary:", "rank:"), "map": ("binary:", "rank:"), "pre": ("binary:", "rank:"),
    **dict.fromkeys(("mae", "mape", "mphe", "mse", "r2", "rmse", "rmsle"),
                    ("binary:", "count:", "reg:")),
}  # fmt: skip
"""Prefixes of objectives that support a metric; other metrics support all objectives."""


def _float(
    low: float | None = None,
    high: float | None = None,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> Parameter:
    return Parameter(kind="float", low=low, high=high, open_low=open_low, open_high=open_high)


def _integer(low: float, high: float | None = None, *, required: bool = False) -> Parameter:
    return Parameter(kind="integer", low=low, high=high, required=required)


def _choice(*choices: str) -> Parameter:
    return Parameter(kind="choice", choices=choices)


_PARAMETERS = {
    "num_round": _integer(1, required=True),
    "aft_loss_distribution": _choice("extreme", "logistic", "normal"),
    "aft_loss_distribution_scale": _float(0, open_low=True),
    "alpha": _float(0), "base_score": _float(), "booster": _choice("dart", "gblinear", "gbtree"),
    "colsample_bylevel": _float(0, 1, open_low=True),
    "colsample_bynode": _float(0, 1, open_low=True),
    "colsample_bytree": _float(0, 1, open_low=True),
    "csv_weights": _integer(0, 1),
    "deterministic_histogram": Parameter(kind="boolean"),
    "dsplit": _choice("col", "row"), "early_stopping_rounds": _integer(1), "eta": _float(0, 1),
    "eval_metric": Parameter(kind="text"),
    "gamma": _float(0), "grow_policy": _choice("depthwise", "lossguide"),
    "huber_slope": _float(0, open_low=True), "interaction_constraints": Parameter(kind="text"),
    "lambda": _float(0), "lambda_bias": _float(0, 1), "max_bin": _integer(2),
    "max_delta_step": _float(0), "max_depth": _integer(0), "max_leaves": _integer(0),
    "min_child_weight": _float(0), "monotone_constraints": Parameter(kind="text"),
    "normalize_type": _choice("forest", "tree"), "nthread": _integer(1),
    "num_class": _integer(2), "num_parallel_tree": _integer(1),
    "objective": _choice(*_OBJECTIVES), "one_drop": _integer(0, 1),
    "predictor": _choice("auto", "cpu_predictor", "gpu_predictor"),
    "process_type": _choice("default", "update"),
    "quantile_alpha": _float(0, 1, open_low=True, open_high=True),
    "rate_drop": _float(0, 1), "refresh_leaf": _integer(0, 1),
    "sample_type": _choice("uniform", "weighted"),
    "sampling_method": _choice("gradient_based", "uniform"),
    "save_model_on_termination": Parameter(kind="boolean"),
    "scale_pos_weight": _float(0), "seed": _integer(-(2**31) + 1, 2**31 - 2),
    "single_precision_histogram": Parameter(kind="boolean"),
    "sketch_eps": _float(0, 1, open_low=True, open_high=True), "skip_drop": _float(0, 1),
    "subsample": _float(0, 1, open_low=True),
    "tree_method": _choice("approx", "auto", "exact", "gpu_hist", "hist"),
    "tweedie_variance_power": _float(1, 2, open_low=True, open_high=True),
    "updater": Parameter(kind="text", pattern=r"[a-z_]+(,[a-z_]+)*"),
    "use_dask_gpu_training": Parameter(kind="boolean"), "verbosity": _integer(0, 3),
    "_kfold": _integer(2), "_num_cv_round": _integer(1),
}  # fmt: skip


_DEFAULTS = {
    "binary:hinge": "error", "binary:logistic": "logloss", "binary:logitraw": "logloss",
    "count:poisson": "poisson-nloglik", "multi:softmax": "mlogloss", "multi:softprob": "mlogloss",
    "rank:map": "map", "rank:ndcg": "ndcg", "rank:pairwise": "ndcg", "reg:absoluteerror": "mae",
    "reg:gamma": "gamma-deviance", "reg:linear": "rmse", "reg:logistic": "rmse",
    "reg:pseudohubererror": "mphe", "reg:quantileerror": "quantile", "reg:squarederror": "rmse",
    "reg:squaredlogerror": "rmsle", "reg:tweedie": "tweedie-nloglik",
    "survival:aft": "aft-nloglik", "survival:cox": "cox-nloglik",
}  # fmt: skip
"""The default metric of each objective."""


def _check_classes(check: Checks, values: Mapping[str, Hyperparameter]) -> None:
    objective = _objective(values)
    if objective is not None and objective.startswith("multi:") and "num_class" not in values:
        message = f"num_class is required for the objective {objective!r}"
        check.refuse("HyperparameterMissing", message)


def _check_metrics(check: Checks, values: Mapping[str, Hyperparameter]) -> None:
    metrics = values.get("eval_metric")
    if metrics is None or not known(metrics):
        return
    for metric in _named(metrics):
        _check_metric(check, metric, _objective(values))


def _named(metrics: Hyperparameter) -> list[str]:
    """The metrics in ``eval_metric``."""
    return [each.strip().strip("\"'") for each in text(metrics).strip("[]").split(",")]


def _check_metric(check: Checks, metric: str, objective: str | None) -> None:
    plain, _, threshold = metric.partition("@")
    if threshold and plain not in _WITH_THRESHOLD:
        message = f"eval_metric takes a threshold with {', '.join(_WITH_THRESHOLD)}, got {metric!r}"
        check.refuse("ValueNotAllowed", message)
    check.one_of("eval_metric", plain, {*_LEAST, *_MOST})
    needs = _NEEDS.get(plain)
    if needs is not None and objective is not None and not objective.startswith(needs):
        allowed = ", ".join(each + "*" if each.endswith(":") else each for each in needs)
        message = f"eval_metric {metric!r} goes with objective {allowed}, got {objective!r}"
        check.refuse("MetricNotForObjective", message)


def _check_gpu_training(check: Checks, values: Mapping[str, Hyperparameter]) -> None:
    method = values.get("tree_method")
    on_gpu = values.get("use_dask_gpu_training")
    if on_gpu is None or not known(on_gpu, method):
        return
    if text(on_gpu) == "true" and method != "gpu_hist":
        message = f"use_dask_gpu_training needs tree_method 'gpu_hist', got {method!r}"
        check.refuse("HyperparameterNotAllowed", message)


def _objective(values: Mapping[str, Hyperparameter]) -> str | None:
    """The objective, by default that of XGBoost; ``None`` for a token."""
    objective = values.get("objective", "reg:squarederror")
    return objective if isinstance(objective, str) and known(objective) else None


TABLE = Table(
    algorithm="XGBoost",
    documentation="https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html",
    parameters=_PARAMETERS,
    rules=(_check_classes, _check_metrics, _check_gpu_training),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoost(BuiltIn):
    """The built-in XGBoost algorithm: CSV with the label first and no header.

    Attributes:
        version: Version of the image.
        hyperparameters: XGBoost's names; ``num_round`` is required. With ``csv_weights`` 1
            the second column of CSV is the weight of its row.

    Raises:
        ConfigurationError: If a hyperparameter is unknown, missing, or out of its range, or a
            metric does not support the objective.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html

    Example:
        >>> XGBoost(hyperparameters={"num_round": 200, "objective": "reg:squarederror"})

    """

    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    version: str = "3.0-5"
    _TABLE: ClassVar[Table] = TABLE
    _IMAGE: ClassVar[str] = "xgboost"
    _CHECKPOINTS: ClassVar[bool] = True
    _CHANNELS: ClassVar[tuple[str, ...]] = ("train", "validation", "checkpoints", "model")
    _CONTENT_TYPES: ClassVar[tuple[str, ...]] = (
        CSV, "text/libsvm", "text/x-libsvm", "libsvm", "csv", "application/x-parquet", PROTOBUF,
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check each hyperparameter, then their combinations."""
        TABLE.check(self.hyperparameters)

    def reported(self, definitions: Sequence[MetricDefinition]) -> Collection[str] | None:
        """Names of the metrics that a job publishes."""
        del definitions
        eval_metric = self.hyperparameters.get("eval_metric")
        if eval_metric is None:
            objective = _objective(self.hyperparameters)
            names = [] if objective is None else [_DEFAULTS[objective]]
        else:
            names = _named(eval_metric) if known(eval_metric) else []
        if not names:
            return None
        return [f"{part}:{name}" for part in ("train", "validation") for name in names]

    @property
    def metrics(self) -> Directions:
        """``train:`` and ``validation:`` metrics with their direction.

        See https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html
        """
        ways = {**dict.fromkeys(_LEAST, "Minimize"), **dict.fromkeys(_MOST, "Maximize")}
        return {f"{part}:{name}": ways[name]
                for part in ("train", "validation") for name in sorted(ways)}  # fmt: skip
