"""The built-in XGBoost algorithm and its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from constructs import Construct

from .._private.checks import Checks, known, text_of
from .images import AlgorithmImage

Hyperparameter = str | int | float

_RANGES: dict[str, tuple[float, float | None]] = {
    "num_round": (1, 100_000), "eta": (0, 1), "max_depth": (0, 100), "gamma": (0, None),
    "min_child_weight": (0, None), "subsample": (0, 1), "colsample_bytree": (0, 1),
    "colsample_bylevel": (0, 1), "lambda": (0, None), "alpha": (0, None), "num_class": (2, None),
    "max_delta_step": (0, None), "early_stopping_rounds": (1, None), "max_bin": (2, None),
    "scale_pos_weight": (0, None), "seed": (0, None), "nthread": (1, None), "verbosity": (0, 3),
    "base_score": (-1e300, None), "csv_weights": (0, 1), "max_leaves": (0, None),
}  # fmt: skip
_WHOLE = {"num_round", "max_depth", "num_class", "early_stopping_rounds", "max_bin", "seed",
          "nthread", "verbosity", "csv_weights", "max_leaves"}  # fmt: skip
_CHOICES = {
    "booster": {"gbtree", "gblinear", "dart"},
    "tree_method": {"auto", "exact", "approx", "hist", "gpu_hist"},
    "grow_policy": {"depthwise", "lossguide"},
}
_TEXTS = {"objective", "eval_metric"}
_OBJECTIVE = r"(reg|binary|multi|count|survival|rank):[a-z]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoost:
    """The built-in XGBoost algorithm: CSV with the label first and no header.

    Attributes:
        version: Version of the image.
        hyperparameters: XGBoost's own names; ``num_round`` is required.

    Raises:
        ConfigurationError: If a hyperparameter is unknown, missing or out of its range.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html

    Example:
        >>> XGBoost(hyperparameters={"num_round": 200, "objective": "reg:squarederror"})

    """

    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    version: str = "3.0-5"

    def __post_init__(self) -> None:
        """Check each hyperparameter by itself, then those that go together."""
        with Checks("XGBoost") as check:
            if "num_round" not in self.hyperparameters:
                check.refuse("HyperparameterMissing", "num_round is required")
            for name, value in self.hyperparameters.items():
                _check(check, name, value)
            objective = str(self.hyperparameters.get("objective", "reg:squarederror"))
            if objective.startswith("multi:") and "num_class" not in self.hyperparameters:
                message = f"num_class is required for the objective {objective!r}"
                check.refuse("HyperparameterMissing", message)

    def image(self, scope: Construct) -> AlgorithmImage:
        """The image in the region of the scope's stack."""
        return AlgorithmImage.xgboost(scope, self.version)

    def rendered(self) -> dict[str, str]:
        """Hyperparameters as SageMaker takes them: sorted, all texts."""
        return {name: _text(self.hyperparameters[name]) for name in sorted(self.hyperparameters)}


def _text(value: Hyperparameter) -> str:
    # Python writes 1e-05 as XGBoost reads it; only tokens need CDK's way.
    return str(value) if known(value) or isinstance(value, str) else text_of(value)


def _check(check: Checks, name: str, value: Hyperparameter) -> None:
    if name in _RANGES:
        if known(value):
            _check_number(check, name, value)
    elif name in _CHOICES:
        check.one_of(name, str(value), _CHOICES[name])
    elif name == "objective":
        check.matches(name, str(value), _OBJECTIVE, 64)
    elif name == "eval_metric":
        check.matches(name, str(value), r"[a-z@0-9.,-]+", 128)
    else:
        allowed = sorted({*_RANGES, *_CHOICES, *_TEXTS})
        message = f"{name!r} is unknown; allowed are {', '.join(allowed)}"
        check.refuse("HyperparameterUnknown", message)


def _check_number(check: Checks, name: str, value: Hyperparameter) -> None:
    kinds = (int,) if name in _WHOLE else (int, float)
    if isinstance(value, bool | str) or not isinstance(value, kinds):
        kind = "a whole number" if name in _WHOLE else "a number"
        check.refuse("HyperparameterNotAllowed", f"{name} must be {kind}, got {value!r}")
    else:
        check.between(name, value, *_RANGES[name])
