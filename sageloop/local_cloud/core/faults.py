"""Faults a test orders.

A call that fails, an event lost or doubled, a process that dies; and what befalls training
jobs: a spot interruption, a refusal of capacity or quota, an internal error.
"""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.user_patterns import compiled, found_in

Kind = Literal["call", "event", "process", "spot", "capacity", "quota", "internal"]


@dataclass
class Fault:
    """One ordered fault.

    ``match`` is a shell pattern: an action (``sagemaker:CreateTrainingJob``) for ``call``, a
    detail-type for ``event``, a process label for ``process``, a training job's name for
    ``spot`` and ``internal``, an instance type for ``capacity`` and ``quota``. ``times`` is how
    often it strikes (``None``: until cleared). For ``call``, ``code``/``message``/``status`` make
    the error and ``after`` lets the call take effect before its answer is lost. For ``event``,
    ``copies`` is how often it is delivered (0 loses it). For ``spot``, ``when_logged`` is a
    regular expression that a line of the job's log must match first. Raises ``ValueError`` for
    an unknown kind or an expression that is none.
    """

    kind: Kind
    match: str
    times: int | None = 1
    code: str = "InternalFailure"
    message: str = "a fault ordered by the test"
    status: int = 500
    after: bool = False
    copies: int = 0
    principal: str = "*"
    when_logged: str | None = None
    struck: int = field(default=0)

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"a fault is one of {', '.join(get_args(Kind))}, got {self.kind!r}")
        if self.when_logged is not None:
            try:
                compiled(self.when_logged)
            except ValueError as error:
                raise ValueError(f"when_logged: {error}") from None


class Faults:
    """The ordered faults and the questions services ask of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: list[Fault] = []

    def order(self, **members: Any) -> Fault:
        """Order a fault; the arguments are :class:`Fault`'s members."""
        fault = Fault(**members)
        with self._lock:
            self._ordered.append(fault)
        return fault

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._ordered.clear()

    def interrupt_spot(
        self, job_pattern: str, *, times: int | None = 1, when_logged: str | None = None
    ) -> Fault:
        """Take the instances from a spot job when a line of its log matches ``when_logged``.

        Without ``when_logged``, as soon as it trains.
        """
        return self.order(kind="spot", match=job_pattern, times=times, when_logged=when_logged)

    def refuse_capacity(self, instance_type: str, *, times: int | None = 1) -> Fault:
        """Have no instances of a type: an on-demand job fails, a spot job waits."""
        return self.order(kind="capacity", match=instance_type, times=times)

    def refuse_quota(self, instance_type: str, *, times: int | None = 1) -> Fault:
        """Answer CreateTrainingJob with ResourceLimitExceeded for a type."""
        return self.order(kind="quota", match=instance_type, times=times)

    def fail_internally(self, job_pattern: str, *, times: int | None = 1) -> Fault:
        """End a job's containers by a failure of the platform, which a RetryStrategy retries."""
        return self.order(kind="internal", match=job_pattern, times=times)

    def on_call(self, action: str, principal: str, *, after: bool) -> AwsError | None:
        """The error that must answer this call, if one is ordered."""
        fault = self._strike("call", action, principal=principal, after=after)
        return AwsError(fault.code, fault.message, fault.status) if fault else None

    def copies_of_event(self, detail_type: str) -> int:
        """How often an event is to be delivered: 1 unless a fault says otherwise."""
        fault = self._strike("event", detail_type)
        return 1 if fault is None else fault.copies

    def process_dies(self, label: str) -> bool:
        """Whether the process about to start under ``label`` is to be killed."""
        return self._strike("process", label) is not None

    def spot_interrupted(self, job: str, line: str | None = None) -> bool:
        """Whether a spot job loses its instances: as it starts, or as it logs a line."""
        return self._strike("spot", job, line=line) is not None

    def capacity_refused(self, instance_type: str) -> bool:
        """Whether there are no instances of a type now."""
        return self._strike("capacity", instance_type) is not None

    def quota_refused(self, instance_type: str) -> bool:
        """Whether the account may have no more instances of a type."""
        return self._strike("quota", instance_type) is not None

    def fails_internally(self, job: str) -> bool:
        """Whether the attempt about to start is to end by a failure of the platform."""
        return self._strike("internal", job) is not None

    def _strike(
        self, kind: Kind, name: str, *, principal: str = "", after: bool = False,
        line: str | None = None,
    ) -> Fault | None:  # fmt: skip
        with self._lock:
            for fault in self._ordered:
                spent = fault.times is not None and fault.struck >= fault.times
                if spent or fault.kind != kind or fault.after != after:
                    continue
                if _matches(fault, name, principal, line):
                    fault.struck += 1
                    return fault
        return None


def _matches(fault: Fault, name: str, principal: str, line: str | None) -> bool:
    logged = fault.when_logged is None or (
        line is not None and found_in(fault.when_logged, line) is not None
    )
    return (
        logged
        and fnmatch.fnmatchcase(name, fault.match)
        and fnmatch.fnmatchcase(principal, fault.principal)
    )
