"""At-least-once delivery: attempts, back-off in virtual time, and dead letters."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_THROTTLES = ("Throttling", "TooManyRequests", "RequestLimitExceeded", "SlowDown")
_MISSING = ("NotFound", "NonExistent", "DoesNotExist", "NoSuch")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Limits of the retries: ``retries`` after the first attempt, up to ``age`` virtual seconds."""

    retries: int = 185
    age: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of a failed attempt."""

    code: str
    message: str
    status: int

    @property
    def is_transient(self) -> bool:
        """Whether a retry may succeed: throttling and errors of the target."""
        return self.is_throttle or (self.status >= 500 and self.status != 501)

    @property
    def is_throttle(self) -> bool:
        """Whether the target throttled the attempt."""
        return any(word in self.code for word in _THROTTLES)

    @property
    def kind(self) -> str:
        """EventBridge's error code in a dead letter."""
        if self.is_throttle:
            return "THROTTLING"
        if any(word in self.code for word in _MISSING):
            return "NO_RESOURCE"
        if self.status == 403 or "AccessDenied" in self.code:
            return "NO_PERMISSIONS"
        return "INTERNAL_ERROR" if self.is_transient else "SDK_CLIENT_ERROR"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The end of a failed delivery: last failure, number of retries, and the exceeded limit."""

    failure: Failure
    retries: int
    exhausted: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message for one target.

    ``send`` makes an attempt and raises ``AwsError`` or ``ClientError`` if it fails; ``give_up``
    is called once with the last failure if no attempt succeeded. ``wait`` returns the virtual
    seconds before retry number n (from 1).
    """

    label: str
    send: Callable[[], None]
    give_up: Callable[[DeadLetter], None]
    policy: RetryPolicy
    wait: Callable[[int], float]


def exponential(retry: int) -> float:
    """EventBridge's back-off: doubling to 512 s, so that 185 retries fill its 24 hours."""
    return float(2 ** min(retry - 1, 9))


def start(cloud: Cloud, delivery: Delivery, *, inline: bool = False) -> None:
    """Make the first attempt in the background, or in this thread if ``inline``; then retry.

    ``settle()`` waits for pending retries: the message is still in flight.
    """
    born = cloud.clock.time()
    if inline:
        _attempt(cloud, delivery, born, 0)
    else:
        cloud.activity.spawn(delivery.label, lambda: _attempt(cloud, delivery, born, 0))


def _attempt(cloud: Cloud, delivery: Delivery, born: float, retries: int) -> None:
    try:
        delivery.send()
    except (AwsError, ClientError, BotoCoreError) as error:
        failure = failure_of(error)
    else:
        return
    wait = delivery.wait(retries + 1)
    exhausted = _exhausted(delivery.policy, retries, cloud.clock.time() + wait - born)
    if failure.is_transient and exhausted is None:
        cloud.clock.call_later(
            wait,
            lambda: _attempt(cloud, delivery, born, retries + 1),
            label=f"retry {delivery.label}",
            holds=True,
        )
        return
    log.warning("%s failed: %s: %s", delivery.label, failure.code, failure.message)
    delivery.give_up(DeadLetter(failure, retries, exhausted if failure.is_transient else None))


def _exhausted(policy: RetryPolicy, retries: int, age: float) -> str | None:
    if retries >= policy.retries:
        return "MaximumRetryAttempts"
    return "MaximumEventAgeInSeconds" if age > policy.age else None


def failure_of(error: Exception) -> Failure:
    """An attempt's exception as a failure."""
    if isinstance(error, AwsError):
        return Failure(error.code, error.message, error.status)
    if isinstance(error, ClientError):
        answer = error.response
        return Failure(
            answer["Error"]["Code"],
            answer["Error"].get("Message", ""),
            answer["ResponseMetadata"]["HTTPStatusCode"],
        )
    return Failure(type(error).__name__, str(error), 400)
