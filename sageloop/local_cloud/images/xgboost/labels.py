"""Validation of labels by objective, before the training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.formats.media import DataError

_Allowed = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
_NOT_NEGATIVE: _Allowed = lambda labels: labels >= 0  # noqa: E731
_RULES: dict[str, tuple[_Allowed, str]] = {
    "binary:": (lambda y: (y >= 0) & (y <= 1), "label must be in [0,1] for logistic regression"),
    "reg:logistic": (
        lambda y: (y >= 0) & (y <= 1), "label must be in [0,1] for logistic regression",
    ),
    "count:poisson": (_NOT_NEGATIVE, "PoissonRegression: label must be nonnegative"),
    "reg:tweedie": (_NOT_NEGATIVE, "TweedieRegression: label must be nonnegative"),
    "reg:gamma": (lambda y: y > 0, "GammaRegression: label must be positive"),
}  # fmt: skip


def check(channel: str, labels: npt.NDArray[Any], values: Mapping[str, Any]) -> None:
    """Raise :class:`DataError` for the first label that the objective does not allow."""
    objective = str(values.get("objective", "reg:squarederror"))
    if not np.isfinite(labels).all():
        raise DataError(f"channel {channel} has a row without a label, or an infinite one")
    for beginning, (allowed, requirement) in _RULES.items():
        if objective.startswith(beginning):
            _refuse(channel, labels[~allowed(labels)], requirement)
    if objective.startswith("multi:"):
        fits = (labels >= 0) & (labels < values["num_class"]) & (labels % 1 == 0)
        _refuse(channel, labels[~fits], "label must be in [0, num_class)")


def _refuse(channel: str, wrong: npt.NDArray[Any], requirement: str) -> None:
    if wrong.size:
        raise DataError(f"{requirement}; channel {channel} has {wrong[0]:g}")
