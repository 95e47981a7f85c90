"""SQS in virtual time: delays, visibility and retention follow the cloud's clock.

moto keeps the queues and would read the wall clock. Several clouds may live in one process, so
each call carries its clock.
"""

from __future__ import annotations

import time as wall
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import VirtualClock

_TIME: ContextVar[Callable[[], float]] = ContextVar("time of SQS", default=wall.time)


@dataclass(frozen=True, slots=True)
class HiddenMessage:
    """A message that is not visible before a moment; ``delayed`` if it never was."""

    until: float
    message_id: str
    delayed: bool


def now() -> float:
    """The time of the current call in epoch seconds."""
    return _TIME.get()()


@contextmanager
def using_clock(clock: VirtualClock) -> Iterator[None]:
    """Serve the calls inside the ``with`` statement in the time of a clock."""
    token = _TIME.set(clock.time)
    try:
        yield
    finally:
        _TIME.reset(token)


def next_to_appear(queue_arn: str, now: float) -> HiddenMessage | None:
    """The message of a queue that becomes visible next, if one is hidden at ``now``."""
    queue = _queue(queue_arn)
    if queue is None:
        return None
    hidden = [
        HiddenMessage(
            max(message.visible_at, message.delayed_until) / 1000, message.id,
            message.approximate_receive_count == 0,
        )
        for message in list(queue._messages)
    ]  # fmt: skip
    coming = [h for h in hidden if now <= h.until < inf]
    return min(coming, key=lambda h: h.until, default=None)


def visibility_of(queue_arn: str) -> float:
    """Visibility timeout of a queue in seconds."""
    queue = _queue(queue_arn)
    return 0.0 if queue is None else float(queue.visibility_timeout)


def hide(queue_arn: str, message_ids: Iterable[str], until: float = inf) -> None:
    """Hide received messages until a moment, or until the next call for them.

    A function runs in wall time. On a clock with a high rate its messages would become visible
    while it runs, which does not happen on AWS.
    """
    queue, selected = _queue(queue_arn), set(message_ids)
    for message in list(queue._messages) if queue is not None else ():
        if message.id in selected:
            message.visible_at = until * 1000


def dead_letters_of(queue_arn: str) -> str | None:
    """ARN of a queue's dead-letter queue, or ``None``."""
    queue = _queue(queue_arn)
    policy = queue.redrive_policy if queue is not None else None
    return str(policy["deadLetterTargetArn"]) if policy else None


def _queue(arn: str) -> Any:
    from moto.sqs.models import sqs_backends

    _, _, _, region, account, name = arn.split(":", 5)
    return sqs_backends[account][region].queues.get(name)
