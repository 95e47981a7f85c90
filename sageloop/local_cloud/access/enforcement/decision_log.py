"""The decisions of a cloud: each different one once, with its number of requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from sys import intern
from typing import Any

from sageloop.local_cloud.access.enforcement.context import VOLATILE
from sageloop.local_cloud.access.policy import Decision

log = logging.getLogger(__name__)

_ALLOWED = "allowed"

_Value = tuple[str, tuple[str, ...]]
_Key = tuple[str, str, str, str, tuple[_Value, ...], str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One kind of decision.

    Arguments:
        principal: The role of a session, else the principal's ARN or service name.
        session: ARN of the session, or the principal.
        action: Action in policies, such as ``s3:GetObject``.
        resource: ARN, or ``*``.
        context: Condition keys in lower case, with their values; without keys such as the time.
        effect: ``allowed``, ``explicitDeny`` or ``implicitDeny``.
        source: Policy and statement that decided; for an implicit denial the kind of policy that
            has no Allow, and the statements that nearly allowed the request.
        count: Number of requests.

    """

    principal: str
    session: str
    action: str
    resource: str
    context: Mapping[str, list[str]]
    effect: str
    source: str
    count: int

    def as_dict(self) -> dict[str, Any]:
        """The record as plain data."""
        return asdict(self)


class DecisionLog:
    """Counts decisions by principal, action, resource, context and outcome.

    Args:
        capacity: Number of different decisions that are kept; of denials twice as many.

    """

    def __init__(self, *, capacity: int = 200_000) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._counts: dict[_Key, int] = {}
        # Each condition key with its values, once: most decisions differ in the resource only.
        self._values: dict[_Value, _Value] = {}
        self._left_out = 0
        self._unreachable: dict[str, None] = {}

    def add_unreachable(self, line: str) -> None:
        """Note a service that a VPC does not reach; each line is kept and logged once."""
        with self._lock:
            known = line in self._unreachable
            self._unreachable[line] = None
        if not known:
            log.warning("%s: on AWS the call would time out", line)

    @property
    def unreachable(self) -> list[str]:
        """The services that VPCs do not reach, such as ``no endpoint for sts in vpc-1``."""
        with self._lock:
            return list(self._unreachable)

    def add(self, decision: Decision, *, hints: Sequence[str] = ()) -> None:
        """Count a decision; ``hints`` say which statements nearly allowed a denied request."""
        request = decision.request
        source = "; ".join((decision.source or decision.reason, *hints))
        context = sorted((k, v) for k, v in request.values.items() if k not in _OMITTED)
        principal, effect = request.principal, decision.effect.value
        with self._lock:
            key = (
                intern(principal.role_arn or principal.arn), intern(principal.arn),
                intern(request.action), request.resource,
                tuple(self._values.setdefault(value, value) for value in context),
                effect, intern(source),
            )  # fmt: skip
            count = self._counts.get(key)
            # Denials have room of their own: they are what readers of a long run need.
            capacity = self._capacity if effect == _ALLOWED else 2 * self._capacity
            if count is None and len(self._counts) >= capacity:
                self._left_out += 1
            else:
                self._counts[key] = (count or 0) + 1

    @property
    def left_out(self) -> int:
        """Number of decisions that were not recorded because too many different ones were."""
        return self._left_out

    def records(self, *, denied: bool = False) -> list[DecisionRecord]:
        """All records, or the denials only."""
        with self._lock:
            kept = list(self._counts.items())
        return [
            DecisionRecord(
                principal=who, session=session, action=action, resource=resource,
                context={k: list(v) for k, v in context}, effect=effect, source=source, count=count,
            )
            for (who, session, action, resource, context, effect, source), count in kept
            if not denied or effect != _ALLOWED
        ]  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """Numbers of decisions by principal, and of denials."""
        by_principal: dict[str, int] = {}
        denied = 0
        with self._lock:
            counts = list(self._counts.items())
        for (principal, *_, effect, _), count in counts:
            by_principal[principal] = by_principal.get(principal, 0) + count
            denied += count if effect != _ALLOWED else 0
        return {"decisions": by_principal, "denied": denied, "left_out": self._left_out}


_OMITTED = frozenset(key.lower() for key in VOLATILE | {"s3:x-amz-content-sha256", "aws:SourceIp"})
