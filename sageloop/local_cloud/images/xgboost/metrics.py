"""XGBoost's metrics: which direction is better, and their regular expressions for the log.

https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html
"""

from __future__ import annotations

_NUMBER = r"([-+]?(?:[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|nan|inf))"
MAXIMISED = (
    "accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map",
    "ndcg", "precision", "precision_macro", "precision_micro", "r2", "recall", "recall_macro",
    "recall_micro",
)  # fmt: skip
MINIMISED = (
    "aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik",
    "interval-regression-accuracy", "logloss", "mae", "mape", "merror", "mlogloss", "mphe",
    "mse", "poisson-nloglik", "rmse", "rmsle", "tweedie-nloglik",
)  # fmt: skip

# The log agent writes a tab as #011, which the definitions match.
METRIC_DEFINITIONS = [
    {
        "Name": f"{data}:{metric}",
        "Regex": rf".*\[[0-9]+\].*#011{data}-{metric}:{_NUMBER}",
    }
    for data in ("train", "validation")
    for metric in sorted(MAXIMISED + MINIMISED)
]
