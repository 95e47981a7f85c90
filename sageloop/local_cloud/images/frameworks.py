"""The frameworks that AWS's images carry, and whether this Python has them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework: its module in Python and the extra of this package that installs it.

    ``captures_errors`` is whether AWS's image tells the script's error in the failure file.
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
    """What an image lacks here, as the end of a sentence; ``None`` if nothing.

    The framework is only looked for: the cloud's own process never imports it.
    """
    if framework is None or importlib.util.find_spec(framework.module) is not None:
        return None
    return (
        f"needs {framework.name}, whose module {framework.module} is not installed beside the "
        f"local cloud: pip install 'sageloop[{framework.extra}]'"
    )
