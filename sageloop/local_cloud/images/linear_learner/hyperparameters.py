"""The linear learner's hyperparameters.

https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.images import rules
from sageloop.local_cloud.images.rules import HyperparameterError, Rule

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
LOSSES: dict[str, tuple[str, ...]] = {
    BINARY: ("logistic", "hinge_loss"),
    MULTICLASS: ("softmax_loss",),
    REGRESSOR: (
        "squared_loss", "absolute_loss", "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss", "quantile_loss", "huber_loss",
    ),
}  # fmt: skip
_ALL_LOSSES = tuple(loss for losses in LOSSES.values() for loss in losses)

_positive, _not_negative = rules.real(0, above=True), rules.real(0)
_share, _inner_share = rules.real(0, 1), rules.real(0, 1, above=True, below=True)
_auto_flag, _count = rules.or_auto(rules.boolean()), rules.whole(1)
_TABLE: dict[str, Rule] = {
    "predictor_type": rules.one_of(*LOSSES), "num_classes": rules.whole(3, 1_000_000),
    "accuracy_top_k": _count, "balance_multiclass_weights": rules.boolean(),
    "beta_1": rules.or_auto(_share), "beta_2": rules.or_auto(_share),
    "bias_lr_mult": rules.or_auto(_positive), "bias_wd_mult": rules.or_auto(_not_negative),
    "binary_classifier_model_selection_criteria": rules.one_of(
        "accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision",
        "loss_function", "f1",
    ),
    "early_stopping_patience": _count, "early_stopping_tolerance": _positive, "epochs": _count,
    "f_beta": _positive, "feature_dim": rules.or_auto(_count), "huber_delta": _positive,
    "init_bias": rules.anything(float), "init_method": rules.one_of("uniform", "normal"),
    "init_scale": _positive, "init_sigma": _positive, "l1": rules.or_auto(_not_negative),
    "learning_rate": rules.or_auto(_positive), "loss": rules.one_of("auto", *_ALL_LOSSES),
    "loss_insensitivity": _positive, "lr_scheduler_factor": rules.or_auto(_inner_share),
    "lr_scheduler_minimum_lr": rules.or_auto(_positive),
    "lr_scheduler_step": rules.or_auto(_count), "margin": _positive, "mini_batch_size": _count,
    "momentum": rules.or_auto(rules.real(0, 1, below=True)), "normalize_data": _auto_flag,
    "normalize_label": _auto_flag, "num_calibration_samples": rules.or_auto(_count),
    "num_models": rules.or_auto(_count), "num_point_for_scaler": _count,
    "optimizer": rules.one_of("auto", "sgd", "adam", "rmsprop"),
    "positive_example_weight_mult": rules.or_auto(_positive, "balanced"),
    "quantile": _inner_share, "target_precision": _share, "target_recall": _share,
    "unbias_data": _auto_flag, "unbias_label": _auto_flag, "use_bias": rules.boolean(),
    "use_lr_scheduler": rules.boolean(), "wd": rules.or_auto(_not_negative),
    "_tuning_objective_metric": rules.anything(), "_log_level": rules.anything(),
    "_kvstore": rules.anything(), "_num_gpus": rules.anything(),
    "_num_kv_servers": rules.anything(), "_enable_profiler": rules.anything(),
}  # fmt: skip
NAMES = frozenset(_TABLE)

# One convex model is trained: its initial weights and the number of models have no effect.
_NEVER = (
    "num_models", "init_bias", "init_method", "init_scale", "init_sigma", "_log_level",
    "_kvstore", "_num_gpus", "_num_kv_servers", "_enable_profiler",
)  # fmt: skip
_OF_MINI_BATCHES = (
    "learning_rate", "momentum", "beta_1", "beta_2", "bias_lr_mult", "use_lr_scheduler",
    "lr_scheduler_step", "lr_scheduler_factor", "lr_scheduler_minimum_lr",
)  # fmt: skip
EXACT = "lbfgs"


@dataclass(frozen=True, slots=True)
class Settings:
    """Hyperparameters as typed values, with AWS's defaults and ``auto`` resolved."""

    predictor_type: str
    loss: str
    num_classes: int = 2
    optimizer: str = EXACT
    accuracy_top_k: int = 3
    balance_multiclass_weights: bool = False
    beta_1: float = 0.9
    beta_2: float = 0.999
    bias_lr_mult: float = 1.0
    bias_wd_mult: float = 0.0
    binary_classifier_model_selection_criteria: str = "accuracy"
    early_stopping_patience: int = 3
    early_stopping_tolerance: float = 0.001
    epochs: int = 15
    f_beta: float = 1.0
    feature_dim: int | None = None
    huber_delta: float = 1.0
    l1: float = 0.0
    learning_rate: float = 0.05
    loss_insensitivity: float = 0.01
    lr_scheduler_factor: float = 0.99
    lr_scheduler_minimum_lr: float = 0.00001
    lr_scheduler_step: int = 100
    margin: float = 1.0
    mini_batch_size: int = 1000
    momentum: float = 0.9
    normalize_data: bool = True
    normalize_label: bool = False
    num_calibration_samples: int | None = None
    num_point_for_scaler: int = 10_000
    positive_example_weight_mult: float | None = 1.0
    """``None``: balanced, positive and negative examples have the same total weight."""
    quantile: float = 0.5
    target_precision: float = 0.8
    target_recall: float = 0.8
    unbias_data: bool = True
    unbias_label: bool = False
    use_bias: bool = True
    use_lr_scheduler: bool = True
    wd: float = 0.0


def settings(raw: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Settings, and the names of hyperparameters that have no effect locally.

    Raises :class:`HyperparameterError` for the first invalid hyperparameter.
    """
    values = rules.typed(_TABLE, raw, ("predictor_type",))
    kind = values["predictor_type"]
    _check_together(values, kind)
    decided = {
        n: v for n, v in values.items() if v != "auto" and n in Settings.__dataclass_fields__
    }
    decided["loss"] = decided.get("loss", LOSSES[kind][0])
    decided["optimizer"] = _optimizer(values)
    biased = values.get("use_bias", True)
    decided.setdefault("unbias_data", biased)
    decided.setdefault("unbias_label", biased and kind == REGRESSOR)
    decided.setdefault("normalize_label", kind == REGRESSOR)
    if kind != REGRESSOR:
        decided |= {"unbias_label": False, "normalize_label": False}
    if decided.get("positive_example_weight_mult") == "balanced":
        decided["positive_example_weight_mult"] = None
    if kind == BINARY:
        decided["num_classes"] = 2
    return Settings(**decided), _idle(values, decided["optimizer"], kind)


def _optimizer(values: Mapping[str, Any]) -> str:
    optimizer = values.get("optimizer", "auto")
    if optimizer != "auto":
        return str(optimizer)
    # A learning rate, which tuning jobs set, needs an optimizer that uses it: AWS's auto is adam.
    steered = any(values.get(name, "auto") != "auto" for name in _OF_MINI_BATCHES)
    return "adam" if steered else EXACT


def _idle(values: Mapping[str, Any], optimizer: str, kind: str) -> list[str]:
    idle = list(_NEVER)
    if optimizer == EXACT:
        idle.append("mini_batch_size")
    if kind != REGRESSOR:
        idle += ["normalize_label", "unbias_label"]
    return [name for name in values if name in idle]


def _check_together(values: Mapping[str, Any], kind: str) -> None:
    loss = values.get("loss", "auto")
    if loss not in ("auto", *LOSSES[kind]):
        raise HyperparameterError(
            f"Hyperparameter loss: value {loss} is not one of "
            f"[auto, {', '.join(LOSSES[kind])}] for predictor_type {kind}"
        )
    if kind == MULTICLASS and "num_classes" not in values:
        raise HyperparameterError(
            "Missing required hyperparameter: num_classes (for multiclass_classifier)"
        )
    if not values.get("use_bias", True):
        for name in ("unbias_data", "unbias_label"):
            if values.get(name) is True:
                raise HyperparameterError(f"Hyperparameter {name}: true needs use_bias true")
