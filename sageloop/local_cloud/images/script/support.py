"""The kinds of distributed training that are supported locally."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.images.script.training import parsed

_REFUSED = {
    "sagemaker_parameter_server_enabled": "parameter servers",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch/XLA on several workers",
    "mp_parameters": "SageMaker's model parallel library",
}


def refusal(hyperparameters: Mapping[str, Any]) -> str | None:
    """Why a script cannot be distributed as configured, in one line; ``None`` if it can."""
    requested = [name for name, value in hyperparameters.items() if _on(value)]
    for name, what in _REFUSED.items():
        if name in requested:
            return f"script mode with {what} (hyperparameter {name}) has no local counterpart"
    if "sagemaker_mpi_enabled" in requested and shutil.which("mpirun") is None:
        return (
            "script mode with MPI (hyperparameter sagemaker_mpi_enabled) needs mpirun, which is "
            "not on the PATH of the local cloud"
        )
    return None


def _on(value: Any) -> bool:
    setting = parsed(value)
    # The SageMaker SDK writes an empty dictionary if there are no parameters.
    return bool(setting) and setting not in ("false", "False")
