"""Settings of the functions, read from their environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.previous_release import variable

Environment = Mapping[str, str]

_BACKOFF = 900
_GATE_VARIABLES = ("CONTENT_TYPE", "ENDPOINT_NAME", "MODEL_PACKAGE_GROUP")


def _text(environment: Environment, name: str) -> str:
    value = variable(environment, name)
    if not value:
        raise BadInputError(f"the environment variable {name} is not set")
    return value


def _number(environment: Environment, name: str) -> int:
    value = _text(environment, name)
    if not value.isdigit():
        raise BadInputError(f"{name} is {value!r}: a whole number of at least 0 is expected")
    return int(value)


def _number_or(environment: Environment, name: str, default: int) -> int:
    return _number(environment, name) if variable(environment, name) else default


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """Settings of start_training.

    Attributes:
        state_table: name of the state table.
        job: name of the job.
        cooldown_seconds: minimum time between the starts of two jobs by alarms.
        max_attempts: jobs per trigger.
        metric_namespace: CloudWatch namespace of the metrics.
        alarm_name: the only alarm that may start the job; None allows any.
        alert_topic: ARN of the SNS topic for alerts; None where the reconciler publishes them.

    """

    state_table: str
    job: str
    cooldown_seconds: int
    max_attempts: int
    metric_namespace: str
    alarm_name: str | None = None
    alert_topic: str | None = None

    @classmethod
    def read(cls, environment: Environment) -> StartConfig:
        """From environment variables."""
        return cls(
            state_table=_text(environment, "STATE_TABLE"),
            job=_text(environment, "JOB"),
            cooldown_seconds=_number(environment, "COOLDOWN_SECONDS"),
            max_attempts=_number(environment, "MAX_ATTEMPTS"),
            metric_namespace=_text(environment, "METRIC_NAMESPACE"),
            alarm_name=environment.get("ALARM_NAME") or None,
            alert_topic=variable(environment, "ALERT_TOPIC_ARN"),
        )


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """Criteria of the gate.

    Attributes:
        metric: name of the job's metric, for example ``validation:mae``.
        objective: ``Minimize`` or ``Maximize``.
        threshold: limit of the metric while there is no champion; None for no limit.
        improvement: fraction of the champion's error by which a challenger must be better.
        manual_approval: whether a model that passes is registered for manual approval.

    """

    metric: str
    objective: str
    threshold: float | None
    improvement: float
    manual_approval: bool = False

    @classmethod
    def parse(cls, text: str) -> GateConfig:
        """From the JSON of the GATE variable."""
        gate = json.loads(text)
        if gate.get("objective") not in {"Minimize", "Maximize"}:
            raise BadInputError(
                f"GATE's objective is {gate.get('objective')!r}: Minimize or Maximize is expected"
            )
        approval = gate.get("approval", "Automatic")
        if approval not in {"Automatic", "Manual"}:
            raise BadInputError(f"GATE's approval is {approval!r}: Automatic or Manual is expected")
        threshold = gate.get("threshold")
        return cls(
            metric=str(gate["metric"]),
            objective=gate["objective"],
            threshold=None if threshold is None else float(threshold),
            improvement=float(gate.get("improvement", 0.0)),
            manual_approval=approval == "Manual",
        )


@dataclass(frozen=True, kw_only=True)
class GateEvaluationConfig:
    """Settings of the gate in on_job_change."""

    endpoint_name: str
    model_package_group: str
    gate: GateConfig
    content_type: str

    @classmethod
    def read(cls, environment: Environment) -> GateEvaluationConfig | None:
        """From environment variables; None if neither GATE nor its companions are set."""
        if not environment.get("GATE"):
            present = [name for name in _GATE_VARIABLES if environment.get(name)]
            if present:
                raise BadInputError(f"{', '.join(present)} without GATE: set all of them or none")
            return None
        return cls(
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            model_package_group=_text(environment, "MODEL_PACKAGE_GROUP"),
            gate=GateConfig.parse(_text(environment, "GATE")),
            content_type=_text(environment, "CONTENT_TYPE"),
        )


@dataclass(frozen=True, kw_only=True)
class JobChangeConfig:
    """Settings of on_job_change.

    Attributes:
        state_table: name of the state table.
        job: name of the job.
        metric_namespace: CloudWatch namespace of the metrics.
        gate: settings of the gate; None for a standalone job.
        alert_topic: ARN of the SNS topic for alerts; None where the reconciler publishes them.
        start_function: the function that starts pending triggers.
        backoff_seconds: time before the first retry, doubled for each further one.
        max_attempts: jobs per trigger, for failures of the infrastructure without a gate.

    """

    state_table: str
    job: str
    metric_namespace: str
    gate: GateEvaluationConfig | None = None
    alert_topic: str | None = None
    start_function: str | None = None
    backoff_seconds: int = _BACKOFF
    max_attempts: int = 1

    @classmethod
    def read(cls, environment: Environment) -> JobChangeConfig:
        """From environment variables."""
        return cls(
            state_table=_text(environment, "STATE_TABLE"),
            job=_text(environment, "JOB"),
            metric_namespace=_text(environment, "METRIC_NAMESPACE"),
            gate=GateEvaluationConfig.read(environment),
            alert_topic=variable(environment, "ALERT_TOPIC_ARN"),
            start_function=environment.get("START_FUNCTION") or None,
            backoff_seconds=_number_or(environment, "BACKOFF_SECONDS", _BACKOFF),
            max_attempts=_number_or(environment, "MAX_ATTEMPTS", 1),
        )


@dataclass(frozen=True, kw_only=True)
class PromoteConfig:
    """Settings of promote."""

    state_table: str
    endpoint_name: str
    model_package_group: str
    alert_topic: str
    metric_namespace: str

    @classmethod
    def read(cls, environment: Environment) -> PromoteConfig:
        """From environment variables."""
        return cls(
            state_table=_text(environment, "STATE_TABLE"),
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            model_package_group=_text(environment, "MODEL_PACKAGE_GROUP"),
            alert_topic=_text(environment, "ALERT_TOPIC_ARN"),
            metric_namespace=_text(environment, "METRIC_NAMESPACE"),
        )


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Settings of evaluate."""

    state_table: str
    endpoint_name: str
    capture_uri: str
    ground_truth_uri: str
    window_minutes: int
    ground_truth_delay_minutes: int
    metric_namespace: str
    metric_name: str

    @classmethod
    def read(cls, environment: Environment) -> EvaluateConfig:
        """From environment variables."""
        return cls(
            state_table=_text(environment, "STATE_TABLE"),
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            capture_uri=_text(environment, "CAPTURE_URI"),
            ground_truth_uri=_text(environment, "GROUND_TRUTH_URI"),
            window_minutes=_number(environment, "WINDOW_MINUTES"),
            ground_truth_delay_minutes=_number(environment, "GROUND_TRUTH_DELAY_MINUTES"),
            metric_namespace=_text(environment, "METRIC_NAMESPACE"),
            metric_name=_text(environment, "METRIC_NAME"),
        )


@dataclass(frozen=True, kw_only=True)
class EndpointScheduleConfig:
    """Settings of endpoint_schedule.

    Attributes:
        state_table: name of the state table.
        endpoint_name: name of the endpoint.
        variants: names of its variants.
        promote_function: the function that promotes a champion endpoint; None for another.
        idle_timeout_seconds: time without invocations after which the endpoint is stopped; None
            for never.

    """

    state_table: str
    endpoint_name: str
    variants: tuple[str, ...]
    promote_function: str | None = None
    idle_timeout_seconds: int | None = None

    @classmethod
    def read(cls, environment: Environment) -> EndpointScheduleConfig:
        """From environment variables."""
        idle = variable(environment, "IDLE_TIMEOUT_SECONDS")
        return cls(
            state_table=_text(environment, "STATE_TABLE"),
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            variants=tuple(json.loads(_text(environment, "VARIANTS"))),
            promote_function=environment.get("PROMOTE_FUNCTION") or None,
            idle_timeout_seconds=_number(environment, "IDLE_TIMEOUT_SECONDS") if idle else None,
        )


@dataclass(frozen=True, kw_only=True)
class InvokeProxyConfig:
    """Settings of invoke_proxy.

    Attributes:
        endpoint_name: name of the endpoint.
        content_types: content types that requests may have.

    """

    endpoint_name: str
    content_types: tuple[str, ...]

    @classmethod
    def read(cls, environment: Environment) -> InvokeProxyConfig:
        """From environment variables."""
        return cls(
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            content_types=tuple(json.loads(_text(environment, "CONTENT_TYPES"))),
        )


@dataclass(frozen=True, kw_only=True)
class ReconcileConfig:
    """Settings of reconcile.

    Attributes:
        start: settings of start_training.
        promote: settings of promote.
        backoff_seconds: time before the first retry, doubled for each further one.
        on_job_change_function: the function that concludes jobs.
        start_function: the function that starts jobs.
        rules: names of the event rules that must be enabled.

    """

    start: StartConfig
    promote: PromoteConfig
    backoff_seconds: int
    on_job_change_function: str
    start_function: str
    rules: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Environment) -> ReconcileConfig:
        """From environment variables."""
        return cls(
            start=StartConfig.read(environment),
            promote=PromoteConfig.read(environment),
            backoff_seconds=_number(environment, "BACKOFF_SECONDS"),
            on_job_change_function=_text(environment, "ON_JOB_CHANGE_FUNCTION"),
            start_function=_text(environment, "START_FUNCTION"),
            rules=tuple(json.loads(environment.get("RULES") or "[]")),
        )
