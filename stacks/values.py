"""Arguments of constructs from the settings."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration

from constructs_lib import (
    Canary,
    CategoricalRange,
    ContinuousRange,
    DatePartitionedDataset,
    Evaluation,
    Gate,
    IntegerRange,
    NoTrafficAlarm,
    Objective,
    ResourceConfig,
    Scaling,
    StopStartSchedule,
    Variant,
)

from .settings import Data, GateSettings, Monitoring, Serving, Training, Tuning
from .settings_operations import EndpointAlarmSettings, EndpointScheduleSettings


def variant(serving: Serving) -> Variant:
    """The endpoint's variant."""
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
    """The rollout; ``None`` if the settings have none."""
    rollout = serving.rollout
    if rollout is None:
        return None
    return Canary(
        instances=rollout.canary_instances,
        wait_seconds=rollout.wait_seconds,
        termination_wait_seconds=rollout.termination_wait_seconds,
        maximum_seconds=rollout.maximum_seconds,
    )


def dataset(data: Data) -> DatePartitionedDataset:
    """The dataset."""
    return DatePartitionedDataset(
        prefix=data.prefix,
        manifest=data.manifest,
        validation_days=data.validation_days,
        window_days=data.window_days,
    )


def resource_config(training: Training) -> ResourceConfig:
    """Instances of the job."""
    return ResourceConfig(
        instance_type=training.instance_type,
        instance_count=training.instance_count,
        volume_gb=training.volume_gb,
    )


def tuning_arguments(tuning: Tuning, gate: GateSettings) -> dict[str, Any]:
    """Arguments of a tuning job; its objective is the gate's metric."""
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


def alarm_arguments(watch: Monitoring) -> dict[str, Any]:
    """Arguments of the alarms on model quality, p99 latency and 5xx responses."""
    return {
        "model_quality_threshold": watch.model_quality_threshold,
        "window": Duration.minutes(watch.window_minutes),
        "breaching": watch.breaching,
        "windows": watch.windows,
        "latency": Duration.millis(watch.latency_ms),
        "error_rate_percent": watch.serving.server_error_percent,
    }


def loop_arguments(watch: Monitoring, gate: GateSettings) -> dict[str, Any]:
    """Arguments of the retraining loop."""
    return {
        "gate": Gate(**gate.model_dump()),
        "evaluation": Evaluation(
            ground_truth_prefix=watch.ground_truth_prefix,
            window_minutes=watch.window_minutes,
            ground_truth_delay_minutes=watch.ground_truth_delay_minutes,
        ),
        "cooldown": Duration.seconds(watch.cooldown_seconds),
        "reconcile_every": Duration.minutes(watch.reconcile_minutes),
        "backoff": Duration.seconds(watch.backoff_seconds),
        "max_attempts": watch.max_attempts,
    }


def endpoint_alarm_arguments(watch: EndpointAlarmSettings, serving: Serving) -> dict[str, Any]:
    """Arguments of the endpoint alarms; p99 and 5xx have ``ModelQualityAlarms``."""
    latency = {50: watch.p50_ms, 90: watch.p90_ms}
    scaling = serving.scaling if watch.max_capacity_alarm else None
    traffic = watch.expected_traffic
    return {
        "latency": {p: Duration.millis(most) for p, most in latency.items() if most is not None},
        "server_error_percent": None,
        "client_error_percent": watch.client_error_percent,
        "cpu_percent": watch.cpu_percent,
        "memory_percent": watch.memory_percent,
        "max_capacity": None if scaling is None else scaling.maximum,
        "anomaly_metrics": watch.anomaly_metrics,
        "band_width": watch.band_width,
        "expected_traffic": None if traffic is None else NoTrafficAlarm(**traffic.model_dump()),
    }


def schedule_arguments(settings: EndpointScheduleSettings) -> dict[str, Any]:
    """Arguments of the endpoint schedule."""
    schedule = None
    if settings.stop is not None and settings.start is not None:
        schedule = StopStartSchedule(
            stop=settings.stop, start=settings.start, timezone=settings.timezone
        )
    idle = settings.idle_timeout_minutes
    return {"schedule": schedule, "idle_timeout": None if idle is None else Duration.minutes(idle)}
