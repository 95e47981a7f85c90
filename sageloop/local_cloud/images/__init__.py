"""The images that can run on this machine, as a table of local programs.

An image is run as a container is: the program is called with ``train`` or ``serve``, finds
its files under ``/opt/ml`` (or ``SAGEMAKER_BASE_DIR``) and, serving, listens on
``SAGEMAKER_BIND_TO_PORT``. No image is ever pulled. Images of frameworks run code of the
user's own in this Python (:mod:`~sageloop.local_cloud.images.script`), training
and serving.
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
    # A program's process passes through this package on its way; it needs no table, and a trial
    # of a second should not wait for one.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.table"), name)
