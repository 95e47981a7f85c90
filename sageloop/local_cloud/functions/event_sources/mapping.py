"""Event source mappings, and the validation of their requests."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping as Members
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sageloop.local_cloud.core.errors import AwsError, not_supported
from sageloop.local_cloud.core.naming import regional_arn
from sageloop.local_cloud.events.patterns import parsed
from sageloop.local_cloud.functions.errors import invalid
from sageloop.local_cloud.functions.names import FunctionRef

_MOST_FILTERS = 10
_LARGEST_BATCH, _LARGEST_PLAIN_BATCH = 10_000, 10
_LONGEST_WINDOW = 300
_CONCURRENCY = (2, 1000)
_FAILURES = "ReportBatchItemFailures"
# Members for streams and brokers, which AWS refuses for a queue as well.
_NOT_OF_QUEUES = (
    "StartingPosition", "StartingPositionTimestamp", "ParallelizationFactor", "DestinationConfig",
    "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
    "TumblingWindowInSeconds", "Topics", "Queues", "SourceAccessConfigurations",
    "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
)  # fmt: skip
_UNSUPPORTED = ("KMSKeyArn", "ProvisionedPollerConfig", "LoggingConfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a mapping; ``window`` is in virtual seconds."""

    batch_size: int = 10
    window: int = 0
    enabled: bool = True
    reports_failures: bool = False
    patterns: tuple[str, ...] = ()
    concurrency: int | None = None
    counts_events: bool = False

    def filters(self) -> list[dict[str, Any]]:
        """The parsed filter patterns."""
        return [parsed(pattern) for pattern in self.patterns]


@dataclass(slots=True, kw_only=True)
class Mapping:
    """A queue, a function, and the settings of the mapping."""

    queue_arn: str
    ref: FunctionRef
    function_arn: str
    settings: Settings
    modified: datetime
    region: str
    account_id: str
    tags: dict[str, str] = field(default_factory=dict)
    reason: str = "USER_INITIATED"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def arn(self) -> str:
        """The mapping's own ARN."""
        return regional_arn(
            "lambda", self.region, self.account_id, f"event-source-mapping:{self.id}"
        )

    @property
    def is_fifo(self) -> bool:
        """Whether its queue is a FIFO queue."""
        return self.queue_arn.endswith(".fifo")

    def described(self, state: str | None = None) -> dict[str, Any]:
        """AWS's ``EventSourceMappingConfiguration``."""
        s = self.settings
        return {
            "UUID": self.id,
            "EventSourceMappingArn": self.arn,
            "EventSourceArn": self.queue_arn,
            "FunctionArn": self.function_arn,
            "BatchSize": s.batch_size,
            "MaximumBatchingWindowInSeconds": s.window,
            "LastModified": self.modified,
            "State": state or ("Enabled" if s.enabled else "Disabled"),
            "StateTransitionReason": self.reason,
            "FunctionResponseTypes": [_FAILURES] if s.reports_failures else [],
            "FilterCriteria": _listed(s.patterns),
            "ScalingConfig": {"MaximumConcurrency": s.concurrency} if s.concurrency else None,
            "MetricsConfig": {"Metrics": ["EventCount"]} if s.counts_events else None,
        }


def queue_of(members: Members[str, Any]) -> str:
    """The ARN of the queue; other sources and members that queues do not have are refused."""
    refuse_members(members)
    arn = members.get("EventSourceArn")
    if not arn:
        raise invalid("EventSourceArn is required for a queue")
    service = arn.split(":")[2] if arn.count(":") >= 5 else arn
    if service != "sqs":
        raise not_supported(
            "lambda", f"CreateEventSourceMapping with a source of {service} (only SQS queues are)"
        )
    return str(arn)


def refuse_members(members: Members[str, Any]) -> None:
    """Refuse members that a queue's mapping does not have, or that are unsupported."""
    for member in _UNSUPPORTED:
        if members.get(member):
            raise not_supported("lambda", f"an event source mapping with {member}")
    for member in _NOT_OF_QUEUES:
        if members.get(member) not in (None, {}, []):
            if member == "SelfManagedEventSource":
                raise not_supported("lambda", f"an event source mapping with {member}")
            raise invalid(f"{member} is not allowed for a queue as event source")


def settings_of(members: Members[str, Any], old: Settings, *, fifo: bool) -> Settings:
    """The settings that result from a request's members; missing ones stay unchanged.

    Raises InvalidParameterValueException or ValidationException.
    """
    size = members.get("BatchSize", old.batch_size)
    window = members.get("MaximumBatchingWindowInSeconds", old.window)
    made = Settings(
        batch_size=_within("BatchSize", size, 1, _LARGEST_BATCH),
        window=_within("MaximumBatchingWindowInSeconds", window, 0, _LONGEST_WINDOW),
        enabled=members.get("Enabled", old.enabled),
        reports_failures=_reports(members, old),
        patterns=_patterns(members["FilterCriteria"])
        if "FilterCriteria" in members
        else old.patterns,
        concurrency=_concurrency(members["ScalingConfig"])
        if "ScalingConfig" in members
        else old.concurrency,
        counts_events=_counts(members["MetricsConfig"])
        if "MetricsConfig" in members
        else old.counts_events,
    )
    if fifo and (made.batch_size > _LARGEST_PLAIN_BATCH or made.window):
        raise invalid(
            f"A FIFO queue has batches of at most {_LARGEST_PLAIN_BATCH} and no batching window, "
            f"got BatchSize {made.batch_size} and a window of {made.window} seconds"
        )
    if made.batch_size > _LARGEST_PLAIN_BATCH and not made.window:
        raise invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            f"greater than {_LARGEST_PLAIN_BATCH}, got {made.batch_size}"
        )
    return made


def _within(member: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise AwsError("ValidationException", f"{member} must be {low} to {high}, got {value}")
    return int(value)


def _reports(members: Members[str, Any], old: Settings) -> bool:
    if "FunctionResponseTypes" not in members:
        return old.reports_failures
    types = members["FunctionResponseTypes"]
    if any(kind != _FAILURES for kind in types):
        raise AwsError(
            "ValidationException", f"FunctionResponseTypes may contain {_FAILURES}, got {types}"
        )
    return bool(types)


def _patterns(criteria: Members[str, Any]) -> tuple[str, ...]:
    patterns = tuple(one["Pattern"] for one in criteria.get("Filters", []) if one.get("Pattern"))
    if len(patterns) > _MOST_FILTERS:
        raise invalid(f"FilterCriteria has at most {_MOST_FILTERS} filters, got {len(patterns)}")
    for pattern in patterns:
        try:
            parsed(pattern)
        except AwsError as error:
            raise invalid(f"Invalid filter pattern definition: {error.message}") from error
    return patterns


def _concurrency(config: Members[str, Any]) -> int | None:
    most = config.get("MaximumConcurrency")
    return None if most is None else _within("MaximumConcurrency", most, *_CONCURRENCY)


def _counts(config: Members[str, Any]) -> bool:
    metrics = config.get("Metrics", [])
    if any(metric != "EventCount" for metric in metrics):
        raise invalid(
            f"MetricsConfig may contain EventCount for a queue, got {json.dumps(metrics)}"
        )
    return bool(metrics)


def _listed(patterns: tuple[str, ...]) -> dict[str, Any] | None:
    return {"Filters": [{"Pattern": pattern} for pattern in patterns]} if patterns else None
