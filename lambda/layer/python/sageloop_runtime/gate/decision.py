"""The decision of the gate: whether a challenger may become champion."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.config import GateConfig

ErrorFunction = Callable[[Sequence[float], Sequence[float]], float]


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """The decision about a challenger.

    Attributes:
        passed: whether the challenger may become champion.
        reason: why.
        challenger: the error of the challenger.
        champion: the error of the champion on the same hold-out.
        has_artifact: whether there is a model to register.

    """

    passed: bool
    reason: str
    challenger: float | None = None
    champion: float | None = None
    has_artifact: bool = True


def mean_absolute_error(ground_truth: Sequence[float], predictions: Sequence[float]) -> float:
    """The mean of the absolute differences."""
    pairs = zip(ground_truth, predictions, strict=True)
    return sum(abs(t - p) for t, p in pairs) / len(ground_truth)


def root_mean_squared_error(ground_truth: Sequence[float], predictions: Sequence[float]) -> float:
    """The root of the mean of the squared differences."""
    pairs = zip(ground_truth, predictions, strict=True)
    return math.sqrt(sum((t - p) ** 2 for t, p in pairs) / len(ground_truth))


_ERRORS: dict[str, ErrorFunction] = {"mae": mean_absolute_error, "rmse": root_mean_squared_error}


def error_function(metric: str) -> ErrorFunction | None:
    """The error function of a job's metric such as ``validation:mae``; None if unknown."""
    return _ERRORS.get(metric.rsplit(":", 1)[-1].lower())


def final_metric(job: Mapping[str, Any], name: str) -> float | None:
    """The last finite value of a metric of a job; None if it has none."""
    values = [item for item in job.get("FinalMetricDataList", []) if item.get("MetricName") == name]
    if not values:
        return None
    value = float(values[-1]["Value"])
    return value if math.isfinite(value) else None


def decide_by_threshold(gate: GateConfig, challenger: float | None) -> GateDecision:
    """The decision without a champion: the threshold counts."""
    if challenger is None:
        return GateDecision(passed=False, reason=f"the job has no finite {gate.metric}")
    if gate.threshold is None:
        return GateDecision(passed=True, reason="there is no champion", challenger=challenger)
    minimize = gate.objective == "Minimize"
    passed = challenger <= gate.threshold if minimize else challenger >= gate.threshold
    relation = "within" if passed else "beyond"
    return GateDecision(
        passed=passed,
        reason=f"{gate.metric} {challenger:g} is {relation} the threshold {gate.threshold:g}",
        challenger=challenger,
    )


def decide_by_champion(gate: GateConfig, challenger: float | None, champion: float) -> GateDecision:
    """The decision by the champion's error on the same hold-out."""
    if challenger is None:
        return GateDecision(
            passed=False, reason=f"the job has no finite {gate.metric}", champion=champion
        )
    if not math.isfinite(champion):
        return GateDecision(passed=False, reason="the champion's error is no finite number")
    if gate.objective == "Minimize":
        limit = champion * (1 - gate.improvement)
        passed = challenger < limit
    else:
        limit = champion * (1 + gate.improvement)
        passed = challenger > limit
    relation = "below" if gate.objective == "Minimize" else "above"
    return GateDecision(
        passed=passed,
        reason=f"{gate.metric} {challenger:g} is {'' if passed else 'not '}{relation} {limit:g} "
        f"(champion {champion:g}, improvement {gate.improvement:g})",
        challenger=challenger,
        champion=champion,
    )
