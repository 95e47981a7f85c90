"""The frameworks of AWS's images, and whether this Python has them installed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework: its Python module and the extra of this package that installs it.

    ``captures_errors``: whether AWS's image writes the script's error to the failure file.
    """

    name: str
    module: str
    extra: str
    captures_errors: bool = False


PYTORCH = Framework("pytorch", "torch", "torch", captures_errors=True)
TENSORFLOW = Framework("tensorflow", "tensorflow", "tensorflow", captures_errors=True)
SCIKIT_LEARN = Framework("scikit-learn", "sklearn", "local")
XGBOOST_LIBRARY = Framework("xgboost", "xgboost", "local")
BY_NAME = {f.name: f for f in (PYTORCH, TENSORFLOW, SCIKIT_LEARN, XGBOOST_LIBRARY)}


def missing(framework: Framework | None) -> str | None:
    """The missing requirement of an image as a clause, or ``None`` if all are installed.

    The module is located without importing it: the cloud's process never imports a framework.
    """
    if framework is None or importlib.util.find_spec(framework.module) is not None:
        return None
    return (
        f"needs {framework.name}, whose module {framework.module} is not installed for the "
        f"local cloud: pip install 'sageloop[{framework.extra}]'"
    )
