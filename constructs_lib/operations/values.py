"""Values of the quality gate and of the evaluation of model quality."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from constructs import Construct

from .._private.checks import Checks, known

_COMPUTED = ("mae", "rmse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Conditions that a challenger must meet before it is registered.

    Attributes:
        metric: Final metric of the job on the held-out days. It must be ``mae`` or ``rmse`` of
            the validation data, for example ``validation:mae``: only these are computed for the
            champion.
        objective: ``Minimize``, for both metrics.
        threshold: Highest value allowed for a model if there is no champion.
        improvement: Relative improvement on the champion's value that is required, 0 to 1.
        approval: ``Automatic`` promotes a model that passes; ``Manual`` registers it as
            ``PendingManualApproval``.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-approve.html

    Example:
        >>> Gate(metric="validation:rmse", threshold=20.0, improvement=0.02, approval="Manual")

    """

    metric: str = "validation:mae"
    objective: str = "Minimize"
    threshold: float
    improvement: float = 0.0
    approval: str = "Automatic"

    def check(self, check: Checks) -> None:
        """Refuse a metric that is not computed for the champion, and numbers out of range."""
        fault = gate_fault(self.metric, self.objective)
        if fault is not None:
            check.refuse("GateNotComputed", f"gate.{fault}")
        check.between("gate.threshold", self.threshold)
        check.between("gate.improvement", self.improvement, 0, 1)
        check.one_of("gate.approval", self.approval, {"Automatic", "Manual"})

    def rendered(self, scope: Construct) -> str:
        """The gate as JSON for the functions."""
        return Stack.of(scope).to_json_string({
            "metric": self.metric, "objective": self.objective, "threshold": self.threshold,
            "improvement": self.improvement, "approval": self.approval,
        })  # fmt: skip


def gate_fault(metric: str, objective: str) -> str | None:
    """The error message for a metric or objective that the gate cannot compare, or ``None``.

    Args:
        metric: Metric of the job.
        objective: Direction in which the metric improves.

    """
    if known(metric):
        part, _, name = metric.rpartition(":")
        if part == "train" or name.lower() not in _COMPUTED:
            allowed = " or ".join(f"validation:{each}" for each in _COMPUTED)
            return (
                f"metric must be {allowed} (no other is computed for the champion), got {metric!r}"
            )
    if known(objective) and objective != "Minimize":
        return f"objective must be Minimize for {' and '.join(_COMPUTED)}, got {objective!r}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How model quality is evaluated from captured responses and ground truth.

    Attributes:
        ground_truth_prefix: Prefix of ground truth in the data store, ending in a slash.
        window_minutes: Length of a window, and interval of the evaluation, 1 to 1440.
        ground_truth_delay_minutes: Maximum delay of ground truth, 0 to 10080.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-merge.html

    Example:
        >>> Evaluation(ground_truth_prefix="ground-truth/", ground_truth_delay_minutes=15)

    """

    ground_truth_prefix: str = "ground-truth/"
    window_minutes: int = 60
    ground_truth_delay_minutes: int = 15

    def check(self, check: Checks) -> None:
        """Refuse values out of range."""
        check.prefix("evaluation.ground_truth_prefix", self.ground_truth_prefix)
        check.whole("evaluation.window_minutes", self.window_minutes, 1, 1440)
        check.whole(
            "evaluation.ground_truth_delay_minutes", self.ground_truth_delay_minutes, 0, 10080
        )
