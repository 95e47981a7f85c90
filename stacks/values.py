"""From settings to the values that constructs take."""

from __future__ import annotations

from typing import Any

from constructs_lib import (
    Canary,
    CategoricalRange,
    Compute,
    ContinuousRange,
    DailyData,
    IntegerRange,
    Objective,
    Scaling,
    Variant,
)

from .settings import Data, GateSettings, Serving, Training, Tuning


def variant(serving: Serving) -> Variant:
    """The one variant of the endpoint."""
    bounds = serving.scaling
    scaling = None if bounds is None else Scaling(
        minimum=bounds.minimum,
        maximum=bounds.maximum,
        invocations_per_instance=bounds.invocations_per_instance,
    )  # fmt: skip
    return Variant(
        instance_type=serving.instance_type,
        instance_count=serving.instance_count,
        scaling=scaling,
    )


def canary(serving: Serving) -> Canary | None:
    """The rollout, if there is one."""
    rollout = serving.rollout
    if rollout is None:
        return None
    return Canary(
        instances=rollout.canary_instances,
        wait_seconds=rollout.wait_seconds,
        termination_wait_seconds=rollout.termination_wait_seconds,
        maximum_seconds=rollout.maximum_seconds,
    )


def daily_data(data: Data) -> DailyData:
    """The data set."""
    return DailyData(
        prefix=data.prefix,
        manifest=data.manifest,
        validation_days=data.validation_days,
        window_days=data.window_days,
    )


def compute(training: Training) -> Compute:
    """What a job runs on."""
    return Compute(
        instance_type=training.instance_type,
        instance_count=training.instance_count,
        volume_gb=training.volume_gb,
    )


def search(tuning: Tuning, gate: GateSettings) -> dict[str, Any]:
    """What a tuning job is told beyond what a training job is; it improves the gate's metric."""
    return {
        "ranges": [
            *[IntegerRange(name, **ends.model_dump()) for name, ends in tuning.integer.items()],
            *[
                ContinuousRange(name, **ends.model_dump())
                for name, ends in tuning.continuous.items()
            ],
            *[CategoricalRange(name, values) for name, values in tuning.categorical.items()],
        ],
        "objective": Objective(metric=gate.metric, type=gate.objective),
        "strategy": tuning.strategy,
        "max_jobs": tuning.max_jobs,
        "max_parallel": tuning.max_parallel,
        "early_stopping": tuning.early_stopping,
        "random_seed": tuning.random_seed,
    }
