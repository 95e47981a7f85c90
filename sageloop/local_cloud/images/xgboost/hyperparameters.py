"""The hyperparameters of XGBoost, as a table of rules; all arrive as strings.

The table is the union of all versions. A hyperparameter that the installed XGBoost library does
not support is accepted, logged as without effect, and left out.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.images import rules
from sageloop.local_cloud.images.rules import HyperparameterError, Rule
from sageloop.local_cloud.images.xgboost.metrics import MAXIMISED, MINIMISED

# Metrics that the container computes, because the library does not.
CUSTOM_METRICS = (
    "accuracy", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "mse", "precision",
    "precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro",
)  # fmt: skip
_WITH_THRESHOLD = ("error", "ndcg", "map")
_OBJECTIVES = (
    "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:logistic",
    "reg:pseudohubererror", "reg:absoluteerror", "reg:gamma", "reg:tweedie", "binary:logistic",
    "binary:logitraw", "binary:hinge", "count:poisson", "survival:cox", "survival:aft",
    "multi:softmax", "multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map",
)  # fmt: skip
_UPDATERS = (
    "grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_skmaker",
    "grow_quantile_histmaker", "sync", "refresh", "prune", "shotgun", "coord_descent",
)  # fmt: skip
_GROWERS = (*(name for name in _UPDATERS if name.startswith("grow_")), "distcol")


def _is_metric(name: str) -> bool:
    base, _, threshold = name.partition("@")
    if not threshold:
        return name in MAXIMISED + MINIMISED
    try:
        float(threshold)
    except ValueError:
        return False
    return base in _WITH_THRESHOLD


def _metrics() -> Rule:
    return Rule(
        lambda text: [name.strip() for name in text.split(",")],
        lambda names: bool(names) and all(map(_is_metric, names)),
        f"a list of [{', '.join(sorted(MAXIMISED + MINIMISED))}], "
        f"with @threshold for {', '.join(_WITH_THRESHOLD)}",
    )


def _signs() -> Rule:
    return Rule(
        lambda text: [int(v) for v in text.strip("()[] ").split(",") if v.strip()],
        lambda signs: bool(signs) and all(sign in (-1, 0, 1) for sign in signs),
        "a tuple of [-1, 0, 1]",
    )


def _groups() -> Rule:
    def allowed(groups: Any) -> bool:
        return isinstance(groups, list) and all(
            isinstance(group, list) and all(isinstance(i, int) and i >= 0 for i in group)
            for group in groups
        )

    return Rule(json.loads, allowed, "a list of lists of columns")


_share = rules.real(0, 1)
_part = rules.real(0, 1, above=True)
_flag = rules.one_of("true", "false")
_TABLE: dict[str, Rule] = {
    "num_round": rules.whole(1), "csv_weights": rules.whole(0, 1),
    "early_stopping_rounds": rules.whole(1),
    "booster": rules.one_of("gbtree", "gblinear", "dart"), "verbosity": rules.whole(0, 3),
    "nthread": rules.whole(1), "eta": _share, "gamma": rules.real(0),
    "max_depth": rules.whole(0), "min_child_weight": rules.real(0),
    "max_delta_step": rules.real(0), "subsample": _part, "colsample_bytree": _part,
    "colsample_bylevel": _part, "colsample_bynode": _part, "lambda": rules.real(0),
    "alpha": rules.real(0), "lambda_bias": _share,
    "tree_method": rules.one_of("auto", "exact", "approx", "hist", "gpu_hist"),
    "sketch_eps": rules.real(0, 1, above=True, below=True),
    "scale_pos_weight": rules.real(0, above=True), "updater": rules.listed(*_UPDATERS),
    "dsplit": rules.one_of("row", "col"), "process_type": rules.one_of("default", "update"),
    "grow_policy": rules.one_of("depthwise", "lossguide"), "max_leaves": rules.whole(0),
    "max_bin": rules.whole(0),
    "predictor": rules.one_of("auto", "cpu_predictor", "gpu_predictor"),
    "monotone_constraints": _signs(), "interaction_constraints": _groups(),
    "sample_type": rules.one_of("uniform", "weighted"),
    "normalize_type": rules.one_of("tree", "forest"), "rate_drop": _share,
    "one_drop": rules.whole(0, 1), "skip_drop": _share,
    "tweedie_variance_power": rules.real(1, 2, above=True, below=True),
    "huber_slope": rules.real(0, above=True), "objective": rules.one_of(*_OBJECTIVES),
    "num_class": rules.whole(2), "base_score": rules.anything(float), "eval_metric": _metrics(),
    "seed": rules.whole(-(2**31), 2**31 - 1), "num_parallel_tree": rules.whole(1),
    "refresh_leaf": rules.whole(0, 1), "save_model_on_termination": _flag,
    "sampling_method": rules.one_of("uniform", "gradient_based"),
    "aft_loss_distribution": rules.one_of("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": rules.real(0, above=True),
    "single_precision_histogram": _flag, "deterministic_histogram": _flag,
    "prob_buffer_row": rules.real(1, above=True), "use_dask_gpu_training": _flag,
    "_kfold": rules.whole(2), "_num_cv_round": rules.whole(1),
    "_tuning_objective_metric": rules.anything(),
}  # fmt: skip
_ALIASES = {
    "learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda",
    "reg_alpha": "alpha",
}  # fmt: skip
NAMES = frozenset(_TABLE) | frozenset(_ALIASES)

WITHOUT_EFFECT = (
    "sketch_eps", "dsplit", "predictor", "single_precision_histogram", "deterministic_histogram",
    "prob_buffer_row", "lambda_bias", "use_dask_gpu_training",
)  # fmt: skip
_NOT_BOOSTER = (
    "num_round", "csv_weights", "early_stopping_rounds", "eval_metric",
    "save_model_on_termination", "_tuning_objective_metric", *WITHOUT_EFFECT,
)  # fmt: skip


def typed(raw: Mapping[str, str]) -> dict[str, Any]:
    """Parse hyperparameters. Raises :class:`HyperparameterError` for the first invalid one."""
    values = rules.typed(
        _TABLE, {_ALIASES.get(name, name): text for name, text in raw.items()}, ("num_round",)
    )
    _check_executed(values)
    _check_classes(values)
    _check_metrics(values)
    _check_trees(values)
    return values


def notes(values: Mapping[str, Any]) -> list[str]:
    """Log lines about hyperparameters that have no effect or another one locally."""
    lines = [
        f"hyperparameter {name} is accepted and has no effect in this version of XGBoost"
        for name in values
        if name in WITHOUT_EFFECT
    ]
    if values.get("tree_method") == "gpu_hist":
        lines.append("tree_method gpu_hist runs as hist on the CPU: GPUs are not supported locally")
    return lines


def metrics(values: Mapping[str, Any]) -> list[str] | None:
    """Evaluation metrics, with a tuning job's objective; ``None``: the default metric."""
    names: list[str] | None = values.get("eval_metric")
    tuned = str(values.get("_tuning_objective_metric", "")).split(":")
    if len(tuned) < 2:
        return names
    return sorted({*(names or ()), tuned[1]})


def booster_parameters(values: Mapping[str, Any], *, threads: int) -> dict[str, Any]:
    """The parameters of the booster; ``threads`` is the default of nthread."""
    own = {name: value for name, value in values.items() if name not in _NOT_BOOSTER}
    if own.get("objective") == "reg:linear":
        own["objective"] = "reg:squarederror"
    if own.get("tree_method") == "gpu_hist":
        own["tree_method"] = "hist"
    if "updater" in own:
        own["updater"] = ",".join(own["updater"])
    if "monotone_constraints" in own:
        own["monotone_constraints"] = f"({','.join(map(str, own['monotone_constraints']))})"
    if "interaction_constraints" in own:
        own["interaction_constraints"] = json.dumps(own["interaction_constraints"])
    own.setdefault("nthread", threads)
    names = metrics(values)
    native = [m for m in names or () if m not in CUSTOM_METRICS]
    if native:
        own["eval_metric"] = native
    elif names is not None:
        own["disable_default_eval_metric"] = 1
    return own


def _check_executed(values: Mapping[str, Any]) -> None:
    for name in ("_kfold", "_num_cv_round"):
        if name in values:
            raise HyperparameterError(
                f"Hyperparameter {name}: k-fold cross validation is not executed locally"
            )
    if values.get("use_dask_gpu_training") == "true":
        raise HyperparameterError(
            "Hyperparameter use_dask_gpu_training: training on GPUs is not executed locally"
        )


def _check_classes(values: Mapping[str, Any]) -> None:
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


def _check_metrics(values: Mapping[str, Any]) -> None:
    objective = str(values.get("objective", "reg:squarederror"))
    names = metrics(values) or ()
    unknown = [name for name in names if not _is_metric(name)]
    if unknown:
        raise HyperparameterError(
            f"Hyperparameter _tuning_objective_metric: {unknown[0]} is not a metric of XGBoost"
        )
    if "auc" in names and not objective.startswith(("binary:", "multi:", "rank:")):
        raise HyperparameterError(
            "Metric 'auc' can only be applied for classification and ranking problems."
        )
    if "aft-nloglik" in names and objective != "survival:aft":
        raise HyperparameterError(
            "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective."
        )


def _check_trees(values: Mapping[str, Any]) -> None:
    method = values.get("tree_method")
    for name, allowed in (
        ("monotone_constraints", ("exact", "hist")),
        ("interaction_constraints", ("exact", "hist", "approx")),
    ):
        if name in values and method not in allowed:
            raise HyperparameterError(
                f"{name} can be used only when the tree_method parameter is set to one of: "
                f"{', '.join(allowed)} (given: {method})"
            )
    growers = [name for name in values.get("updater", ()) if name in _GROWERS]
    if len(growers) > 1:
        raise HyperparameterError(f"Only one tree grow plugin can be selected, got {growers}")
