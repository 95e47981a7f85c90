"""What each function is told by its environment, read once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sageloop_runtime.errors import BadInputError

Environment = Mapping[str, str]

_BACKOFF = 900
_OF_GATE = ("CONTENT_TYPE", "ENDPOINT_NAME", "MODEL_PACKAGE_GROUP")


def _text(environment: Environment, name: str) -> str:
    value = environment.get(name)
    if not value:
        raise BadInputError(f"the environment variable {name} is not set")
    return value


def _number(environment: Environment, name: str) -> int:
    value = _text(environment, name)
    if not value.isdigit():
        raise BadInputError(f"{name} is {value!r}: a whole number of at least 0 is expected")
    return int(value)


def _number_or(environment: Environment, name: str, default: int) -> int:
    return _number(environment, name) if environment.get(name) else default


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """What start_training is told.

    ``alarm_name`` is None where any alarm may start the job; ``page_topic`` is None where the
    reconciler sends the pages.
    """

    state_table: str
    job: str
    cooldown_seconds: int
    max_attempts: int
    metric_namespace: str
    alarm_name: str | None = None
    page_topic: str | None = None

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
            page_topic=environment.get("PAGE_TOPIC_ARN") or None,
        )


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """When a challenger is better: ``improvement`` is a fraction of the champion's error.

    ``by_hand``: a person approves what passed.
    """

    metric: str
    objective: str
    threshold: float | None
    improvement: float
    by_hand: bool = False

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
            by_hand=approval == "Manual",
        )


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """What on_job_change is told about the gate of its job's models."""

    endpoint_name: str
    model_package_group: str
    gate: GateConfig
    content_type: str

    @classmethod
    def read(cls, environment: Environment) -> JudgeConfig | None:
        """From environment variables; None where GATE and all that belong to it are not set."""
        if not environment.get("GATE"):
            set_ = [name for name in _OF_GATE if environment.get(name)]
            if set_:
                raise BadInputError(f"{', '.join(set_)} without GATE: set all of them or none")
            return None
        return cls(
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            model_package_group=_text(environment, "MODEL_PACKAGE_GROUP"),
            gate=GateConfig.parse(_text(environment, "GATE")),
            content_type=_text(environment, "CONTENT_TYPE"),
        )


@dataclass(frozen=True, kw_only=True)
class JobChangeConfig:
    """What on_job_change is told.

    ``judge`` is None for a job whose models pass no gate; ``page_topic`` is None where the
    reconciler sends the pages; ``start_function`` starts what the end of a job lets start.
    Without a gate, what fails by no fault of its own is tried ``max_attempts`` times in all.
    """

    state_table: str
    job: str
    metric_namespace: str
    judge: JudgeConfig | None = None
    page_topic: str | None = None
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
            judge=JudgeConfig.read(environment),
            page_topic=environment.get("PAGE_TOPIC_ARN") or None,
            start_function=environment.get("START_FUNCTION") or None,
            backoff_seconds=_number_or(environment, "BACKOFF_SECONDS", _BACKOFF),
            max_attempts=_number_or(environment, "MAX_ATTEMPTS", 1),
        )


@dataclass(frozen=True, kw_only=True)
class PromoteConfig:
    """What promote is told."""

    state_table: str
    endpoint_name: str
    model_package_group: str
    page_topic: str
    metric_namespace: str

    @classmethod
    def read(cls, environment: Environment) -> PromoteConfig:
        """From environment variables."""
        return cls(
            state_table=_text(environment, "STATE_TABLE"),
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            model_package_group=_text(environment, "MODEL_PACKAGE_GROUP"),
            page_topic=_text(environment, "PAGE_TOPIC_ARN"),
            metric_namespace=_text(environment, "METRIC_NAMESPACE"),
        )


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What evaluate is told."""

    state_table: str
    endpoint_name: str
    capture_uri: str
    truth_uri: str
    window_minutes: int
    truth_delay_minutes: int
    metric_namespace: str
    metric_name: str

    @classmethod
    def read(cls, environment: Environment) -> EvaluateConfig:
        """From environment variables."""
        return cls(
            state_table=_text(environment, "STATE_TABLE"),
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            capture_uri=_text(environment, "CAPTURE_URI"),
            truth_uri=_text(environment, "TRUTH_URI"),
            window_minutes=_number(environment, "WINDOW_MINUTES"),
            truth_delay_minutes=_number(environment, "TRUTH_DELAY_MINUTES"),
            metric_namespace=_text(environment, "METRIC_NAMESPACE"),
            metric_name=_text(environment, "METRIC_NAME"),
        )


@dataclass(frozen=True, kw_only=True)
class SwitchConfig:
    """What cost_switch is told.

    ``promote_function`` is the promoter of a champion endpoint, None for another; ``idle_seconds``
    without a request take the endpoint down, never where it is None.
    """

    state_table: str
    endpoint_name: str
    variants: tuple[str, ...]
    promote_function: str | None = None
    idle_seconds: int | None = None

    @classmethod
    def read(cls, environment: Environment) -> SwitchConfig:
        """From environment variables."""
        idle = environment.get("IDLE_SECONDS")
        return cls(
            state_table=_text(environment, "STATE_TABLE"),
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            variants=tuple(json.loads(_text(environment, "VARIANTS"))),
            promote_function=environment.get("PROMOTE_FUNCTION") or None,
            idle_seconds=_number(environment, "IDLE_SECONDS") if idle else None,
        )


@dataclass(frozen=True, kw_only=True)
class AskConfig:
    """What ask_endpoint is told: whom to ask, and which types requests may have."""

    endpoint_name: str
    content_types: tuple[str, ...]

    @classmethod
    def read(cls, environment: Environment) -> AskConfig:
        """From environment variables."""
        return cls(
            endpoint_name=_text(environment, "ENDPOINT_NAME"),
            content_types=tuple(json.loads(_text(environment, "CONTENT_TYPES"))),
        )


@dataclass(frozen=True, kw_only=True)
class ReconcileConfig:
    """What reconcile is told."""

    start: StartConfig
    promote: PromoteConfig
    backoff_seconds: int
    on_job_change_function: str
    start_function: str

    @classmethod
    def read(cls, environment: Environment) -> ReconcileConfig:
        """From environment variables."""
        return cls(
            start=StartConfig.read(environment),
            promote=PromoteConfig.read(environment),
            backoff_seconds=_number(environment, "BACKOFF_SECONDS"),
            on_job_change_function=_text(environment, "ON_JOB_CHANGE_FUNCTION"),
            start_function=_text(environment, "START_FUNCTION"),
        )
