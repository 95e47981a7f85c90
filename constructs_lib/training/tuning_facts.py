"""Tunable hyperparameters and objective metrics of built-in algorithms.

See https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._private.checks import Checks
from .algorithm import Algorithm
from .builtin import BuiltIn
from .hyperparameters import Parameter
from .kmeans import KMeans
from .linear_learner import LinearLearner
from .ranges import CategoricalRange, ContinuousRange, IntegerRange, Range
from .xgboost import XGBoost

_TUNABLE: Mapping[type[BuiltIn], Mapping[str, type]] = {
    XGBoost: {
        **dict.fromkeys(("max_depth", "num_round"), IntegerRange),
        **dict.fromkeys(
            ("alpha", "colsample_bylevel", "colsample_bynode", "colsample_bytree", "eta", "gamma",
             "lambda", "min_child_weight", "subsample"), ContinuousRange),
        # XGBoost accepts any number, SageMaker's table only integers.
        "max_delta_step": IntegerRange,
    },
    KMeans: {
        **dict.fromkeys(("epochs", "extra_center_factor", "mini_batch_size"), IntegerRange),
        "init_method": CategoricalRange,
    },
    LinearLearner: {
        **dict.fromkeys(("l1", "learning_rate", "positive_example_weight_mult", "wd"),
                        ContinuousRange),
        "mini_batch_size": IntegerRange,
        "use_bias": CategoricalRange,
    },
}  # fmt: skip
_KINDS: Mapping[type, str] = {
    IntegerRange: "an integer", ContinuousRange: "a continuous", CategoricalRange: "a categorical",
}  # fmt: skip
_BY_OBJECTIVE = {"reg": "rmse", "count": "rmse", "binary": "logloss", "multi": "mlogloss",
                 "rank": "ndcg"}  # fmt: skip


def known_objective(algorithm: Algorithm) -> str | None:
    """The default objective metric of an algorithm."""
    if isinstance(algorithm, XGBoost):
        return _xgboost_objective(algorithm)
    if isinstance(algorithm, KMeans):
        return "test:msd"
    return "validation:objective_loss" if isinstance(algorithm, LinearLearner) else None


def check_tunable(check: Checks, algorithm: Algorithm, ranges: Sequence[Range]) -> None:
    """Refuse ranges of hyperparameters that are not tunable."""
    if not isinstance(algorithm, BuiltIn):
        return
    tunable = _TUNABLE[type(algorithm)]
    for each in ranges:
        kind = tunable.get(each.name)
        if kind is None:
            check.refuse("HyperparameterNotTunable", f"{each.name} cannot be searched; allowed "
                         f"are {', '.join(sorted(tunable))}")  # fmt: skip
            continue
        # A grid accepts numbers as categories.
        if not isinstance(each, kind | CategoricalRange):
            check.refuse("RangeNotAllowed", f"{each.name} needs {_KINDS[kind]} range, got "
                         f"{_KINDS[type(each)]} one")  # fmt: skip
        _check_values(check, algorithm._TABLE.parameters[each.name], each)


def _check_values(check: Checks, parameter: Parameter, searched: Range) -> None:
    """Check the values of a range against the hyperparameter."""
    label = f"the range of {searched.name}"
    if not isinstance(searched, CategoricalRange):
        for end, value in (("minimum", searched.minimum), ("maximum", searched.maximum)):
            parameter.check(check, f"{label}: {end}", value)
        return
    for choice in searched.values:
        if not isinstance(choice, str) or parameter.kind == "choice":
            parameter.check(check, f"{label}: a value", choice)


def _xgboost_objective(algorithm: XGBoost) -> str | None:
    metric = algorithm.hyperparameters.get("eval_metric")
    if metric is None:
        family = str(algorithm.hyperparameters.get("objective", "reg")).split(":")[0]
        metric = _BY_OBJECTIVE.get(family)
    name = f"validation:{metric}"
    return name if name in algorithm.metrics else None
