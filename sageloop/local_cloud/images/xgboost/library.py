"""The xgboost library without its scikit-learn estimators, which these programs do not use.

xgboost imports an installed scikit-learn only for its estimators: 2.8 of the 3.7 s of CPU time of
its import, in each container.
"""

from __future__ import annotations

import sys

_ESTIMATORS = "sklearn"

_installed = sys.modules.get(_ESTIMATORS)
if _installed is None:
    sys.modules[_ESTIMATORS] = None  # type: ignore[assignment]  # its import raises ImportError
try:
    import xgboost
    from xgboost import collective
    from xgboost.tracker import RabitTracker
finally:
    if _installed is None:
        del sys.modules[_ESTIMATORS]

__all__ = ["RabitTracker", "collective", "xgboost"]
