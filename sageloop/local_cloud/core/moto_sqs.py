"""SQS in virtual time: delays, visibility and retention run on the cloud's clock.

moto keeps the queues and would ask the host's clock. Several clouds may live in one process, so
which clock is meant goes along with each call.
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
class Hidden:
    """A message that is not to be had before a moment; ``delayed`` if it never was."""

    until: float
    message_id: str
    delayed: bool


def now() -> float:
    """The time of the call that is served, in epoch seconds."""
    return _TIME.get()()


@contextmanager
def in_time_of(clock: VirtualClock) -> Iterator[None]:
    """Serve what is called inside in the time of a clock."""
    token = _TIME.set(clock.time)
    try:
        yield
    finally:
        _TIME.reset(token)


def next_to_appear(queue_arn: str, now: float) -> Hidden | None:
    """The message of a queue that will be the next to be had, if one is hidden at ``now``."""
    queue = _queue(queue_arn)
    if queue is None:
        return None
    hidden = [
        Hidden(
            max(message.visible_at, message.delayed_until) / 1000, message.id,
            message.approximate_receive_count == 0,
        )
        for message in list(queue._messages)
    ]  # fmt: skip
    coming = [h for h in hidden if now <= h.until < inf]
    return min(coming, key=lambda h: h.until, default=None)


def visibility_of(queue_arn: str) -> float:
    """Seconds for which a queue hides what was received."""
    queue = _queue(queue_arn)
    return 0.0 if queue is None else float(queue.visibility_timeout)


def hide(queue_arn: str, message_ids: Iterable[str], until: float = inf) -> None:
    """Hide received messages up to a moment, or for as long as nobody says otherwise.

    A function runs in wall time. On a clock that runs fast its messages would appear again
    while it is at work, which on AWS they do not.
    """
    queue, wanted = _queue(queue_arn), set(message_ids)
    for message in list(queue._messages) if queue is not None else ():
        if message.id in wanted:
            message.visible_at = until * 1000


def dead_letters_of(queue_arn: str) -> str | None:
    """ARN of the queue that messages go to after too many receives, if there is one."""
    queue = _queue(queue_arn)
    policy = queue.redrive_policy if queue is not None else None
    return str(policy["deadLetterTargetArn"]) if policy else None


def _queue(arn: str) -> Any:
    from moto.sqs.models import sqs_backends

    _, _, _, region, account, name = arn.split(":", 5)
    return sqs_backends[account][region].queues.get(name)
