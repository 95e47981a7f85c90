"""Local programs that run in place of container images.

An image runs under the container contract: the program is called with ``train`` or ``serve``,
reads its files under ``/opt/ml`` (or ``SAGEMAKER_BASE_DIR``) and, when it serves, listens on
``SAGEMAKER_BIND_TO_PORT``. No image is pulled. Images of frameworks run the user's code in this
Python (:mod:`~sageloop.local_cloud.images.script`) for training and inference.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sageloop.local_cloud.images.builtin import Program
    from sageloop.local_cloud.images.table import (
        is_xgboost,
        known_images,
        metric_definitions,
        multi_model_command,
        processing_command,
        refusal,
        register,
        serving_command,
        serving_refusal,
        training_command,
        unregister,
    )

__all__ = [
    "Program",
    "is_xgboost",
    "known_images",
    "metric_definitions",
    "multi_model_command",
    "processing_command",
    "refusal",
    "register",
    "serving_command",
    "serving_refusal",
    "training_command",
    "unregister",
]


def __getattr__(name: str) -> Any:
    # Each program's process imports this package; without a lazy import it would load the table,
    # which it does not use, and delay short training jobs.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.table"), name)
