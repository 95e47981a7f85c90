"""The built-in linear learner and its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .._private.checks import Checks, known
from .algorithm import Directions
from .builtin import CSV, PROTOBUF, BuiltIn
from .hyperparameters import Hyperparameter, Parameter, Table

_AUTO = ("auto",)
_REGRESSION = ("absolute_loss", "eps_insensitive_absolute_loss", "eps_insensitive_squared_loss",
               "huber_loss", "quantile_loss", "squared_loss")  # fmt: skip
_LOSSES = {
    "binary_classifier": ("auto", "hinge_loss", "logistic"),
    "multiclass_classifier": ("auto", "softmax_loss"),
    "regressor": ("auto", *_REGRESSION),
}
_ONLY_FOR = {
    "accuracy_top_k": "multiclass_classifier",
    "balance_multiclass_weights": "multiclass_classifier",
    "binary_classifier_model_selection_criteria": "binary_classifier",
    "positive_example_weight_mult": "binary_classifier",
    "target_precision": "binary_classifier",
    "target_recall": "binary_classifier",
}


def _positive(*words: str, high: float | None = None) -> Parameter:
    return Parameter(kind="float", low=0, open_low=True, high=high, choices=words)


def _count(*words: str) -> Parameter:
    return Parameter(kind="integer", low=1, choices=words)


def _share(*words: str) -> Parameter:
    return Parameter(kind="float", low=0, high=1, choices=words)


_FLAG = Parameter(kind="boolean")
_AUTO_FLAG = Parameter(kind="boolean", choices=_AUTO)
_PARAMETERS = {
    "predictor_type": Parameter(kind="choice", choices=tuple(_LOSSES), required=True),
    "accuracy_top_k": _count(), "balance_multiclass_weights": _FLAG,
    "beta_1": _share("auto"), "beta_2": _share("auto"), "bias_lr_mult": _positive("auto"),
    "bias_wd_mult": Parameter(kind="float", low=0, choices=_AUTO),
    "binary_classifier_model_selection_criteria": Parameter(kind="choice", choices=(
        "accuracy", "f_beta", "loss_function", "precision_at_target_recall",
        "recall_at_target_precision",
    )),
    "early_stopping_patience": _count(), "early_stopping_tolerance": _positive(),
    "epochs": _count(), "f_beta": _positive(), "feature_dim": _count("auto"),
    "huber_delta": _positive(), "init_bias": Parameter(kind="float"),
    "init_method": Parameter(kind="choice", choices=("normal", "uniform")),
    "init_scale": _positive(), "init_sigma": _positive(),
    "l1": Parameter(kind="float", low=0, choices=_AUTO), "learning_rate": _positive("auto"),
    "loss": Parameter(kind="choice", choices=("auto", "hinge_loss", "logistic", "softmax_loss",
                                              *_REGRESSION)),
    "loss_insensitivity": _positive(),
    "lr_scheduler_factor": _positive("auto", high=1), "lr_scheduler_minimum_lr": _positive("auto"),
    "lr_scheduler_step": _count("auto"), "margin": _positive(), "mini_batch_size": _count(),
    "momentum": _share("auto"), "normalize_data": _AUTO_FLAG, "normalize_label": _AUTO_FLAG,
    "num_calibration_samples": _count("auto"),
    "num_classes": Parameter(kind="integer", low=3, high=1_000_000),
    "num_models": _count("auto"), "num_point_for_scaler": _count(),
    "optimizer": Parameter(kind="choice", choices=("adam", "auto", "rmsprop", "sgd")),
    "positive_example_weight_mult": _positive("auto", "balanced"),
    "quantile": Parameter(kind="float", low=0, high=1, open_low=True, open_high=True),
    "target_precision": _share(), "target_recall": _share(), "unbias_data": _AUTO_FLAG,
    "unbias_label": _AUTO_FLAG, "use_bias": _FLAG, "use_lr_scheduler": _FLAG,
    "wd": Parameter(kind="float", low=0, choices=_AUTO),
}  # fmt: skip


def _check_type(check: Checks, values: Mapping[str, Hyperparameter]) -> None:
    kind = values.get("predictor_type")
    if not isinstance(kind, str) or not known(kind) or kind not in _LOSSES:
        return
    if kind == "multiclass_classifier" and "num_classes" not in values:
        message = "num_classes is required for the predictor_type 'multiclass_classifier'"
        check.refuse("HyperparameterMissing", message)
    loss = values.get("loss", "auto")
    if known(loss) and isinstance(loss, str) and loss not in _LOSSES[kind]:
        listed = ", ".join(_LOSSES[kind])
        message = f"loss must be one of {listed} for the predictor_type {kind!r}, got {loss!r}"
        check.refuse("HyperparameterNotAllowed", message)
    for name in sorted({*values} & {*_ONLY_FOR}):
        if _ONLY_FOR[name] != kind:
            message = f"{name} is for the predictor_type {_ONLY_FOR[name]!r}, got {kind!r}"
            check.refuse("HyperparameterNotAllowed", message)


_BY_TYPE = {
    "binary_classifier": ("binary_classification_accuracy", "binary_f_beta", "precision", "recall",
                          "roc_auc_score"),
    "multiclass_classifier": ("dcg", "macro_f_beta", "macro_precision", "macro_recall",
                              "multiclass_accuracy", "multiclass_top_k_accuracy"),
    "regressor": (),
}  # fmt: skip
_REGRESSION_METRICS = ("absolute_loss", "mse")

TABLE = Table(
    algorithm="LinearLearner",
    documentation="https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html",
    parameters=_PARAMETERS,
    rules=(_check_type,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearLearner(BuiltIn):
    """The built-in linear learner: regression and classification. CSV has the label first.

    Attributes:
        version: Version of the image.
        hyperparameters: AWS's names; ``predictor_type`` is required, ``num_classes`` for many.

    Raises:
        ConfigurationError: If a hyperparameter is unknown, missing, out of its range, or for
            another predictor type.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/ll_hyperparameters.html

    Example:
        >>> LinearLearner(hyperparameters={"predictor_type": "regressor", "epochs": 10})

    """

    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    version: str = "1"
    _TABLE: ClassVar[Table] = TABLE
    _IMAGE: ClassVar[str] = "linear-learner"
    _CHANNELS: ClassVar[tuple[str, ...]] = ("train", "validation", "test")
    _CONTENT_TYPES: ClassVar[tuple[str, ...]] = (CSV, PROTOBUF)

    def __post_init__(self) -> None:
        """Check each hyperparameter, then their combinations."""
        TABLE.check(self.hyperparameters)

    @property
    def metrics(self) -> Directions:
        """Metrics of the validation and test channels for the predictor type.

        See https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner-tuning.html
        """
        kind = str(self.hyperparameters["predictor_type"])
        least = ["objective_loss", *(_REGRESSION_METRICS if kind == "regressor" else ())]
        ways = {**dict.fromkeys(least, "Minimize"),
                **dict.fromkeys(_BY_TYPE.get(kind, ()), "Maximize")}  # fmt: skip
        return {f"{part}:{name}": way
                for part in ("test", "validation") for name, way in ways.items()}  # fmt: skip
