"""The built-in linear learner, implemented with numpy and scipy's solver.

The model archive holds one file, ``model_algo-1`` as AWS's does, in a local format: an
uncompressed ``.npz`` of ``format`` (``sageloop.linear-learner/1``), ``weights`` (feature_dim x
outputs, float64), ``bias`` (outputs), ``kind`` (the predictor_type), ``link`` (``identity``,
``logistic`` or ``softmax``) and ``threshold`` (of a binary classifier's score). Models of AWS's
linear learner cannot be served locally, and AWS cannot serve local models.

https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner.html
"""

from __future__ import annotations

MODEL_FILE = "model_algo-1"
MODEL_FORMAT = "sageloop.linear-learner/1"

# Metrics whose name in the log differs from their own; regular expressions of AWS's definitions.
_LOGGED = {
    "binary_f_beta": r"binary_f_\S+",
    "macro_f_beta": r"macro_f_\S+",
    "multiclass_top_k_accuracy": r"multiclass_top_k_accuracy_\S+",
}
_LOSSES = ("mse", "absolute_loss")
_BINARY = ("binary_classification_accuracy", "binary_f_beta", "precision", "recall")
_MULTICLASS = (
    "dcg", "macro_f_beta", "macro_precision", "macro_recall", "multiclass_accuracy",
    "multiclass_top_k_accuracy",
)  # fmt: skip


def _definition(data: str, metric: str) -> dict[str, str]:
    kind = "loss" if metric in _LOSSES else "score"
    logged = _LOGGED.get(metric, metric)
    return {
        "Name": f"{data}:{metric}",
        "Regex": rf"#quality_metric: host=\S+, {data} {logged} <{kind}>=(\S+)",
    }


def _objectives(data: str) -> list[dict[str, str]]:
    final = rf"#quality_metric: host=\S+, {data} \S+_objective <loss>=(\S+)"
    if data == "test":
        return [{"Name": "test:objective_loss", "Regex": final}]
    epoch = rf"#quality_metric: host=\S+, epoch=\S+, {data} \S+_objective <loss>=(\S+)"
    return [
        {"Name": f"{data}:objective_loss", "Regex": epoch},
        {"Name": f"{data}:objective_loss:final", "Regex": final},
    ]


METRIC_DEFINITIONS = [
    {"Name": "train:progress", "Regex": r"#progress_metric: host=\S+, completed (\S+) %"},
    {
        "Name": "train:throughput",
        "Regex": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
    },
    *(d for data in ("train", "validation", "test") for d in _objectives(data)),
    *(_definition("train", metric) for metric in (*_LOSSES, *_BINARY)),
    *(
        _definition(data, metric)
        for data in ("validation", "test")
        for metric in (*_LOSSES, *_BINARY, *_MULTICLASS)
    ),
]
