"""TrainingJobEarlyStoppingType Auto: the median rule with running averages.

See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from sageloop.local_cloud.sagemaker.tuning.definitions import Objective


class MedianStopping:
    """Keeps the running averages of the training jobs that have ended."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._averages: list[list[float]] = []

    def ended(self, reported: Sequence[float]) -> None:
        """Record the objective of an ended job, epoch by epoch."""
        total, averages = 0.0, []
        for epoch, value in enumerate(reported, 1):
            total += value
            averages.append(total / epoch)
        self._averages.append(averages)

    def stops(self, reported: Sequence[float]) -> bool:
        """Whether the last value is worse than the median of ended jobs at that epoch."""
        epoch = len(reported)
        reached = [averages[epoch - 1] for averages in self._averages if len(averages) >= epoch]
        if not reached:
            return False
        return self._objective.better(statistics.median(reached), reported[-1])
