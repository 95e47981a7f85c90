"""Faults a test orders: a call that fails, an event lost or doubled, a process that dies."""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from sageloop.local_cloud.core.errors import AwsError

Kind = Literal["call", "event", "process"]


@dataclass
class Fault:
    """One ordered fault.

    ``match`` is a shell pattern: an action (``sagemaker:CreateTrainingJob``) for ``call``, a
    detail-type for ``event``, a process label for ``process``. ``times`` is how often it
    strikes (``None``: until cleared). For ``call``, ``code``/``message``/``status`` make the
    error and ``after`` lets the call take effect before its answer is lost. For ``event``,
    ``copies`` is how often it is delivered (0 loses it).
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
    struck: int = field(default=0)


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

    def _strike(
        self, kind: Kind, name: str, *, principal: str = "", after: bool = False
    ) -> Fault | None:
        with self._lock:
            for fault in self._ordered:
                spent = fault.times is not None and fault.struck >= fault.times
                if spent or fault.kind != kind or fault.after != after:
                    continue
                if fnmatch.fnmatchcase(name, fault.match) and fnmatch.fnmatchcase(
                    principal, fault.principal
                ):
                    fault.struck += 1
                    return fault
        return None
