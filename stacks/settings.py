"""Settings of an environment: one TOML file, validated before synthesis."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from constructs_lib import ConfigurationError, XGBoost
from constructs_lib.network.cidr import cidr_fault
from constructs_lib.operations.cooldown import AlarmDuration
from constructs_lib.operations.values import gate_fault
from constructs_lib.training.xgboost import TABLE as XGBOOST

from .settings_operations import (
    EndpointAlarmSettings,
    EndpointScheduleSettings,
    InferenceApiSettings,
)
from .settings_types import (
    MOST,
    STRICT,
    Boundary,
    Count,
    Emails,
    Instance,
    Key,
    Milliseconds,
    Name,
    Prefix,
    Scalar,
    Version,
    allowed,
)

_SEARCH_NAME = 21


class _Part(BaseModel):
    model_config = STRICT


class Project(_Part):
    """Names of the deployment; deployments of different names can share an account."""

    name: Annotated[Name, Field(max_length=24)]
    model: Annotated[Name, Field(max_length=15)]
    permissions_boundary_arn: Boundary | None = None
    alert_emails: Emails = []
    reserve_concurrency: bool = True


class Network(_Part):
    """CIDR range and Availability Zones of the VPC."""

    zones: Annotated[int, Field(ge=2, le=3)] = 2
    cidr: str = "10.0.0.0/16"

    @field_validator("cidr")
    @classmethod
    def _has_room_for_subnets(cls, cidr: str, others: ValidationInfo) -> str:
        fault = cidr_fault(cidr, zones=others.data.get("zones", 2))
        if fault is not None:
            raise allowed(fault)
        return cidr


class Data(_Part):
    """Location of the dataset and its split."""

    prefix: Prefix
    manifest: Key
    validation_days: Annotated[int, Field(ge=1, le=365)]
    window_days: Annotated[int, Field(ge=2, le=3650)]
    noncurrent_days: Annotated[int, Field(ge=1, le=3650)] = 90
    protect_state: bool = False

    @model_validator(mode="after")
    def _leaves_days_to_train(self) -> Data:
        if self.validation_days >= self.window_days:
            raise ValueError("validation_days must be fewer than window_days")
        return self


class Workbench(_Part):
    """Notebook instance."""

    instance_type: Instance = "ml.t3.medium"
    volume_gb: Annotated[int, Field(ge=5, le=16384)] = 20
    idle_minutes: Annotated[int, Field(ge=10, le=1440)] = 60


class Training(_Part):
    """Training job."""

    algorithm: Literal["xgboost"]
    version: Version
    instance_type: Instance
    instance_count: Annotated[int, Field(ge=1, le=100)] = 1
    volume_gb: Annotated[int, Field(ge=1, le=16384)] = 30
    max_runtime_seconds: Annotated[int, Field(ge=60, le=2_419_200)] = 3600
    start_on_deploy: bool = False
    hyperparameters: dict[str, Scalar]


class IntegerEnds(_Part):
    """Range of an integer hyperparameter."""

    minimum: Annotated[int, Field(ge=-MOST, le=MOST)]
    maximum: Annotated[int, Field(ge=-MOST, le=MOST)]
    scaling: Literal["Auto", "Linear", "Logarithmic"] = "Auto"


class ContinuousEnds(_Part):
    """Range of a continuous hyperparameter."""

    minimum: float
    maximum: float
    scaling: Literal["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"] = "Auto"


class Tuning(_Part):
    """Tuning job in place of the training job; its objective is the gate's metric."""

    strategy: Literal["Bayesian", "Random", "Hyperband", "Grid"] = "Bayesian"
    max_jobs: Annotated[int, Field(ge=1, le=750)] | None = None
    max_parallel: Annotated[int, Field(ge=1, le=10)] = 1
    early_stopping: bool = False
    random_seed: Annotated[int, Field(ge=0, le=MOST)] | None = None
    integer: dict[str, IntegerEnds] = {}
    continuous: dict[str, ContinuousEnds] = {}
    categorical: dict[str, list[Scalar]] = {}

    @model_validator(mode="after")
    def _searches_something(self) -> Tuning:
        if not (self.integer or self.continuous or self.categorical):
            raise ValueError("integer, continuous or categorical must name a hyperparameter")
        if self.strategy != "Grid" and self.max_jobs is None:
            raise ValueError(f"max_jobs is needed with the strategy {self.strategy}")
        return self


class GateSettings(_Part):
    """Conditions that a challenger must meet."""

    metric: str
    objective: Literal["Minimize", "Maximize"]
    threshold: float
    improvement: Annotated[float, Field(ge=0, le=1)] = 0.0
    approval: Literal["Automatic", "Manual"] = "Automatic"

    @model_validator(mode="after")
    def _compares_with_a_champion(self) -> GateSettings:
        fault = gate_fault(self.metric, self.objective)
        if fault is not None:
            raise ValueError(fault)
        return self


class Capture(_Part):
    """Data capture of requests and responses."""

    percentage: Annotated[int, Field(ge=0, le=100)]
    prefix: Prefix = "capture/"


class Rollout(_Part):
    """Canary rollout of a new model."""

    canary_instances: Count
    wait_seconds: Annotated[int, Field(ge=0, le=3600)]
    termination_wait_seconds: Annotated[int, Field(ge=0, le=3600)]
    maximum_seconds: Annotated[int, Field(ge=600, le=28_800)]


class ScalingSettings(_Part):
    """Limits and target of the endpoint's scaling."""

    minimum: Count
    maximum: Count
    invocations_per_instance: Annotated[float, Field(gt=0)]


class Serving(_Part):
    """Endpoint."""

    instance_type: Instance
    instance_count: Count
    rollback_latency_ms: Milliseconds = 1000
    capture: Capture
    rollout: Rollout | None = None
    scaling: ScalingSettings | None = None

    @model_validator(mode="after")
    def _has_room(self) -> Serving:
        if self.rollout is not None and self.rollout.canary_instances > self.instance_count // 2:
            raise ValueError(
                f"rollout.canary_instances must be at most half of instance_count "
                f"({self.instance_count}, and at least 2), got {self.rollout.canary_instances}"
            )
        if self.scaling is not None and self.scaling.maximum < self.scaling.minimum:
            raise ValueError(
                f"scaling.maximum must not be less than scaling.minimum ({self.scaling.minimum}), "
                f"got {self.scaling.maximum}"
            )
        return self


class Monitoring(_Part):
    """Model quality, alarms and retraining."""

    model_quality_threshold: float
    breaching: Count = 3
    windows: Annotated[int, Field(ge=1, le=100)] = 3
    ground_truth_prefix: Prefix = "ground-truth/"
    window_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    ground_truth_delay_minutes: Annotated[int, Field(ge=0, le=10080)] = 15
    cooldown_seconds: Count = 21600
    reconcile_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    backoff_seconds: Count = 900
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    latency_ms: Milliseconds = 500
    dashboard: bool = True
    serving: EndpointAlarmSettings = EndpointAlarmSettings()

    @model_validator(mode="after")
    def _can_breach(self) -> Monitoring:
        if self.breaching > self.windows:
            raise ValueError(
                f"breaching must be at most windows ({self.windows}), got {self.breaching}"
            )
        return self


class Settings(_Part):
    """Settings of one environment."""

    project: Project
    network: Network = Network()
    data: Data
    workbench: Workbench = Workbench()
    training: Training
    tuning: Tuning | None = None
    gate: GateSettings
    serving: Serving
    monitoring: Monitoring
    endpoint_schedule: EndpointScheduleSettings | None = None
    inference_api: InferenceApiSettings | None = None

    @model_validator(mode="after")
    def _check_cooldown(self) -> Settings:
        watch, alarm = self.monitoring, self._alarm_duration()
        fault = alarm.fault("monitoring.cooldown_seconds", watch.cooldown_seconds)
        if fault is not None:
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _check_hyperparameters(self) -> Settings:
        training = self.training
        try:
            XGBoost(version=training.version, hyperparameters=training.hyperparameters)
        except ConfigurationError as error:
            messages = "; ".join(fault.message for fault in error.faults)
            raise ValueError(f"training.hyperparameters: {messages}") from None
        return self

    @model_validator(mode="after")
    def _check_name_length(self) -> Settings:
        if self.tuning is not None and len(self.name) > _SEARCH_NAME:
            raise ValueError(
                f"project.name and project.model must have at most {_SEARCH_NAME - 1} characters "
                f"together when tuning is set: SageMaker allows 32 to a tuning job's name, got "
                f"{len(self.name) - 1} ({self.name!r})"
            )
        return self

    @model_validator(mode="after")
    def _check_ranges(self) -> Settings:
        for kind in ("integer", "continuous", "categorical") if self.tuning is not None else ():
            for name in getattr(self.tuning, kind):
                if name not in XGBOOST.parameters:
                    raise ValueError(
                        f"tuning.{kind}: got {name[:60]!r}; must be hyperparameters of "
                        f"{XGBOOST.documentation}"
                    )
        return self

    def _alarm_duration(self) -> AlarmDuration:
        watch, rollout = self.monitoring, self.serving.rollout
        alarm = AlarmDuration(
            window_seconds=watch.window_minutes * 60,
            windows=watch.windows,
            ground_truth_delay_seconds=watch.ground_truth_delay_minutes * 60,
        )
        if rollout is None:
            return alarm
        waits = rollout.wait_seconds + rollout.termination_wait_seconds
        return replace(alarm, rollout_seconds=waits)

    @property
    def name(self) -> str:
        """Name of the job and of the endpoint: ``<project>-<model>``."""
        return f"{self.project.name}-{self.project.model}"
