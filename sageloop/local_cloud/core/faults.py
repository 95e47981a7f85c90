"""Fault injection for tests.

Faults are failed calls, lost, repeated or late events and killed processes; for training jobs also
spot interruptions, refused capacity or quota, and internal errors.
"""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.user_patterns import compiled, search_in

Kind = Literal["call", "event", "process", "spot", "capacity", "quota", "internal"]


@dataclass
class Fault:
    """One injected fault.

    ``match`` is a shell pattern: an action (``sagemaker:CreateTrainingJob``) for ``call``, a
    detail-type for ``event``, a process label for ``process``, a training job's name for ``spot``
    and ``internal``, an instance type for ``capacity`` and ``quota``. ``times`` is the number of
    its occurrences (``None``: until cleared). For ``call``, ``code``, ``message`` and ``status``
    define the error, and ``after`` executes the call before its response is lost. For ``event``,
    ``copies`` is the number of deliveries (0 loses it) and ``delay`` the virtual seconds by which
    they are late. For ``spot``, ``when_logged`` is a regular
    expression that a line of the job's log must match first. Raises ``ValueError`` for an unknown
    kind, an invalid expression or a negative delay.
    """

    kind: Kind
    match: str
    times: int | None = 1
    code: str = "InternalFailure"
    message: str = "injected fault"
    status: int = 500
    after: bool = False
    copies: int = 0
    delay: float = 0.0
    principal: str = "*"
    when_logged: str | None = None
    struck: int = field(default=0)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"a fault is one of {', '.join(get_args(Kind))}, got {self.kind!r}")
        if not self.delay >= 0:
            raise ValueError(f"delay is {self.delay!r} seconds: 0 or more is allowed")
        if self.when_logged is not None:
            try:
                compiled(self.when_logged)
            except ValueError as error:
                raise ValueError(f"when_logged: {error}") from None


class Faults:
    """Injected faults, and the queries with which services apply them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._injected: list[Fault] = []

    def inject(self, **members: Any) -> Fault:
        """Inject a fault; the arguments are the members of :class:`Fault`."""
        fault = Fault(**members)
        with self._lock:
            self._injected.append(fault)
        return fault

    def clear(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._injected.clear()

    def interrupt_spot(
        self, job_pattern: str, *, times: int | None = 1, when_logged: str | None = None
    ) -> Fault:
        """Interrupt a spot job when a line of its log matches ``when_logged``.

        Without ``when_logged`` it is interrupted as soon as it trains.
        """
        return self.inject(kind="spot", match=job_pattern, times=times, when_logged=when_logged)

    def refuse_capacity(self, instance_type: str, *, times: int | None = 1) -> Fault:
        """Refuse capacity of an instance type: an on-demand job fails, a spot job waits."""
        return self.inject(kind="capacity", match=instance_type, times=times)

    def refuse_quota(self, instance_type: str, *, times: int | None = 1) -> Fault:
        """Answer CreateTrainingJob with ResourceLimitExceeded for an instance type."""
        return self.inject(kind="quota", match=instance_type, times=times)

    def fail_internally(self, job_pattern: str, *, times: int | None = 1) -> Fault:
        """End a job's containers with an internal error, which a RetryStrategy retries."""
        return self.inject(kind="internal", match=job_pattern, times=times)

    def on_call(self, action: str, principal: str, *, after: bool) -> AwsError | None:
        """The error that the call must return, or ``None``."""
        fault = self._take("call", action, principal=principal, after=after)
        return AwsError(fault.code, fault.message, fault.status) if fault else None

    def deliveries_of_event(self, detail_type: str) -> tuple[int, float]:
        """Number of deliveries of an event, and their delay in virtual seconds.

        Without a fault it is delivered once, without a delay.
        """
        fault = self._take("event", detail_type)
        return (1, 0.0) if fault is None else (fault.copies, fault.delay)

    def kills_process(self, label: str) -> bool:
        """Whether the process that starts under ``label`` is killed."""
        return self._take("process", label) is not None

    def spot_interrupted(self, job: str, line: str | None = None) -> bool:
        """Whether a spot job is interrupted, at its start or by a line of its log."""
        return self._take("spot", job, line=line) is not None

    def capacity_refused(self, instance_type: str) -> bool:
        """Whether capacity of an instance type is refused now."""
        return self._take("capacity", instance_type) is not None

    def quota_refused(self, instance_type: str) -> bool:
        """Whether the quota of an instance type is exhausted."""
        return self._take("quota", instance_type) is not None

    def fails_internally(self, job: str) -> bool:
        """Whether the attempt that starts now ends with an internal error."""
        return self._take("internal", job) is not None

    def _take(
        self, kind: Kind, name: str, *, principal: str = "", after: bool = False,
        line: str | None = None,
    ) -> Fault | None:  # fmt: skip
        if not self._injected:  # for nearly every call, twice per call
            return None
        with self._lock:
            for fault in self._injected:
                spent = fault.times is not None and fault.struck >= fault.times
                if spent or fault.kind != kind or fault.after != after:
                    continue
                if _matches(fault, name, principal, line):
                    fault.struck += 1
                    return fault
        return None


def _matches(fault: Fault, name: str, principal: str, line: str | None) -> bool:
    logged = fault.when_logged is None or (
        line is not None and search_in(fault.when_logged, line) is not None
    )
    return (
        logged
        and fnmatch.fnmatchcase(name, fault.match)
        and fnmatch.fnmatchcase(principal, fault.principal)
    )
