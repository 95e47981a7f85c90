"""The gate: whether a challenger may become champion. What cannot be read closes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sageloop_runtime.config import GateConfig

Measure = Callable[[Sequence[float], Sequence[float]], float]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate decided, on which figures, and whether there is a model to register."""

    passed: bool
    reason: str
    challenger: float | None = None
    champion: float | None = None
    artifact: bool = True


def mean_absolute_error(truths: Sequence[float], answers: Sequence[float]) -> float:
    """The mean of the absolute differences."""
    return sum(abs(t - a) for t, a in zip(truths, answers, strict=True)) / len(truths)


def root_mean_squared_error(truths: Sequence[float], answers: Sequence[float]) -> float:
    """The root of the mean of the squared differences."""
    squares = sum((t - a) ** 2 for t, a in zip(truths, answers, strict=True))
    return math.sqrt(squares / len(truths))


_MEASURES: dict[str, Measure] = {"mae": mean_absolute_error, "rmse": root_mean_squared_error}


def measure_for(metric: str) -> Measure | None:
    """How the champion's error is computed for a job's metric such as ``validation:mae``."""
    return _MEASURES.get(metric.rsplit(":", 1)[-1].lower())


def final_metric(job: Mapping[str, Any], name: str) -> float | None:
    """The job's last finite value of a metric, None if it has none."""
    values = [item for item in job.get("FinalMetricDataList", []) if item.get("MetricName") == name]
    if not values:
        return None
    value = float(values[-1]["Value"])
    return value if math.isfinite(value) else None


def judge_alone(gate: GateConfig, challenger: float | None) -> Verdict:
    """The verdict where there is no champion: the threshold decides."""
    if challenger is None:
        return Verdict(passed=False, reason=f"the job has no finite {gate.metric}")
    if gate.threshold is None:
        return Verdict(passed=True, reason="there is no champion", challenger=challenger)
    minimize = gate.objective == "Minimize"
    passed = challenger <= gate.threshold if minimize else challenger >= gate.threshold
    relation = "within" if passed else "beyond"
    return Verdict(
        passed=passed,
        reason=f"{gate.metric} {challenger:g} is {relation} the threshold {gate.threshold:g}",
        challenger=challenger,
    )


def judge_against(gate: GateConfig, challenger: float | None, champion: float) -> Verdict:
    """The verdict against a champion's error on the same hold-out."""
    if challenger is None:
        return Verdict(
            passed=False, reason=f"the job has no finite {gate.metric}", champion=champion
        )
    if not math.isfinite(champion):
        return Verdict(passed=False, reason="the champion's error is no number")
    if gate.objective == "Minimize":
        limit = champion * (1 - gate.improvement)
        passed = challenger < limit
    else:
        limit = champion * (1 + gate.improvement)
        passed = challenger > limit
    wanted = "below" if gate.objective == "Minimize" else "above"
    return Verdict(
        passed=passed,
        reason=f"{gate.metric} {challenger:g} is {'' if passed else 'not '}{wanted} {limit:g} "
        f"(champion {champion:g}, improvement {gate.improvement:g})",
        challenger=challenger,
        champion=champion,
    )
