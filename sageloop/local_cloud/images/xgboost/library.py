"""The xgboost library without its scikit-learn estimators, which these programs do not use.

xgboost imports an installed scikit-learn only for its estimators: 2.8 of the 3.7 s of CPU time of
its import, in each container.
"""

from __future__ import annotations

from sageloop.local_cloud.images.optional_imports import not_installed

with not_installed("sklearn"):
    import xgboost
    from xgboost import collective
    from xgboost.tracker import RabitTracker

__all__ = ["RabitTracker", "collective", "xgboost"]
