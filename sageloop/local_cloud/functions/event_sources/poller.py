"""Processes the messages of one mapping: receive, batch, invoke, delete or keep.

Nothing is polled. A poller receives when a message was sent, when an invocation has ended, and at
the virtual time at which the next hidden message becomes visible.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.moto_sqs import (
    dead_letters_of,
    hide,
    next_to_appear,
    visibility_of,
)
from sageloop.local_cloud.functions.event_sources.mapping import Mapping
from sageloop.local_cloud.functions.event_sources.records import (
    LARGEST_EVENT,
    Message,
    event_of,
    failed_of,
    passes,
    size_of,
)
from sageloop.local_cloud.functions.names import queue_url
from sageloop.local_cloud.functions.runner import Outcome

if TYPE_CHECKING:
    from sageloop.local_cloud.core.clock import Timer
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

# AWS starts with five concurrent batches and adds more under load; the local cloud does not.
_CONCURRENT = 5
_A_RECEIVE = 10
_LONGEST_VISIBILITY = 43_200
_LONGEST_BACK_OFF = 60.0
# Virtual seconds between attempts of a role that may not read the queue.
_DENIED_SECONDS = 60.0
_MISSING = "AWS.SimpleQueueService.NonExistentQueue"

Invoke = Callable[[Mapping, bytes], Outcome]
RoleOf = Callable[[Mapping], str]
Count = Callable[[Mapping, str, float], None]


class Poller:
    """Processes the messages of one mapping."""

    def __init__(
        self, cloud: Cloud, mapping: Mapping, *, invoke: Invoke, role_of: RoleOf, count: Count
    ) -> None:
        """``invoke`` runs the function and waits; ``role_of`` returns the role for the queue."""
        self._cloud = cloud
        self.mapping = mapping
        self._invoke = invoke
        self._role_of = role_of
        self._count = count
        self._lock = threading.Lock()
        self._polling = False
        self._again = False
        self._stopped = False
        self._running = 0
        self._batch: list[Message] = []
        self._bytes = 0
        self._window: Timer | None = None
        self._window_over = False
        self._next: Timer | None = None
        self._failed: set[str] = set()

    @property
    def label(self) -> str:
        """Label of its work in ``settle()``."""
        queue = self.mapping.queue_arn.rsplit(":", 1)[-1]
        return f"messages of {queue} for lambda:{self.mapping.ref.name}"

    def wake(self) -> None:
        """Receive messages, in the background."""
        with self._lock:
            if self._stopped or not self.mapping.settings.enabled:
                return
            self._again = True
            if self._polling:
                return
            self._polling = True
        self._cloud.activity.spawn(self.label, self._poll)

    def stop(self) -> None:
        """Receive nothing more; messages in an open batching window become visible again."""
        with self._lock:
            self._stopped = True
            batch, self._batch, self._bytes = self._batch, [], 0
            timers = [t for t in (self._window, self._next) if t is not None]
        for timer in timers:
            timer.cancel()
        hide(self.mapping.queue_arn, [m["MessageId"] for m in batch], self._cloud.clock.time())

    def plan(self) -> None:
        """Schedule a wake-up for the time at which the next hidden message becomes visible."""
        now = self._cloud.clock.time()
        hidden = next_to_appear(self.mapping.queue_arn, now)
        with self._lock:
            if self._next is not None:
                self._next.cancel()
                self._next = None
            if hidden is None or self._stopped or not self.mapping.settings.enabled:
                return
            # Messages that always fail, without a dead-letter queue, would keep settle() waiting.
            bounded = dead_letters_of(self.mapping.queue_arn) is not None
            holds = hidden.delayed or (bounded and hidden.message_id in self._failed)
            self._next = self._cloud.clock.call_at(
                hidden.until + 0.001, self.wake, label=self.label, holds=holds
            )

    def _poll(self) -> None:
        while True:
            with self._lock:
                if not self._again or self._stopped:
                    self._polling = False
                    break
                self._again = False
            try:
                self._collect_batch()
            except ClientError as error:
                self._unreachable(error)
        self.plan()

    def _unreachable(self, error: ClientError) -> None:
        log.warning("%s: %s", self.label, error)
        if error.response["Error"]["Code"] in (_MISSING, "QueueDoesNotExist"):
            self.mapping.reason = "PROBLEM: the queue does not exist"
            return
        if "AccessDenied" in error.response["Error"]["Code"]:
            # Polling continues as on AWS, but nothing waits for a permission.
            self.mapping.reason = f"PROBLEM: {error.response['Error'].get('Message', '')}"
            self._cloud.clock.call_later(_DENIED_SECONDS, self.wake, label=self.label)
            return
        self._cloud.clock.call_later(1.0, self.wake, label=self.label, holds=True)

    def _collect_batch(self) -> None:
        settings = self.mapping.settings
        while self._has_capacity():
            number = min(_A_RECEIVE, settings.batch_size - len(self._batch))
            received = self._receive(number)
            self._add_to_batch(received)
            full = len(self._batch) >= settings.batch_size or self._bytes > LARGEST_EVENT // 2
            if self._batch and (full or not settings.window or self._window_is_over(received)):
                self._invoke_batch()
            elif not received:
                self._await_window()
                return

    def _has_capacity(self) -> bool:
        most = self.mapping.settings.concurrency
        with self._lock:
            return not self._stopped and self._running < (_CONCURRENT if most is None else most)

    def _window_is_over(self, received: Sequence[Message]) -> bool:
        return self._window_over and not received

    def _await_window(self) -> None:
        with self._lock:
            if self._batch and self._window is None and not self._stopped:
                self._window = self._cloud.clock.call_later(
                    self.mapping.settings.window, self._close_window, label=self.label, holds=True
                )

    def _close_window(self) -> None:
        with self._lock:
            self._window, self._window_over = None, True
        self.wake()

    def _receive(self, number: int) -> list[Message]:
        answer = self._sqs().receive_message(
            QueueUrl=self._url(), MaxNumberOfMessages=number, WaitTimeSeconds=0,
            VisibilityTimeout=_LONGEST_VISIBILITY,
            MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"],
        )  # fmt: skip
        messages: list[Message] = answer.get("Messages", [])
        hide(self.mapping.queue_arn, [m["MessageId"] for m in messages])
        return messages

    def _add_to_batch(self, received: Sequence[Message]) -> None:
        if not received:
            return
        arn, filters = self.mapping.queue_arn, self.mapping.settings.filters()
        kept = [m for m in received if passes(filters, m, arn)]
        self._counted("PolledEventCount", len(received))
        with self._lock:
            self._failed -= {m["MessageId"] for m in received}
            self._batch += kept
            self._bytes += sum(size_of(m, arn) for m in kept)
        dropped = [m for m in received if m not in kept]
        if dropped:
            self._counted("FilteredOutEventCount", len(dropped))
            self._delete(dropped)

    def _invoke_batch(self) -> None:
        deadline = self._cloud.clock.time() + visibility_of(self.mapping.queue_arn)
        with self._lock:
            batch, self._batch, self._bytes = self._batch, [], 0
            self._window_over = False
            if self._window is not None:
                self._window.cancel()
                self._window = None
            self._running += 1
        self._cloud.activity.spawn(self.label, partial(self._run, batch, deadline, 0))

    def _run(self, batch: list[Message], deadline: float, throttles: int) -> None:
        try:
            outcome = self._invoke(self.mapping, event_of(batch, self.mapping.queue_arn))
        except AwsError as error:
            if self._throttled(batch, deadline, throttles, error):
                return
            self._ended(batch, [], deadline, error.message)
            return
        except OSError as error:
            self._ended(batch, [], deadline, str(error))
            return
        self._counted("InvokedEventCount", len(batch))
        if outcome.error is not None:
            self._ended(batch, [], deadline, outcome.payload.decode(errors="replace"))
            return
        failed: set[str] = set()
        if self.mapping.settings.reports_failures:
            failed = failed_of(batch, outcome.payload)
        processed = [m for m in batch if m["MessageId"] not in failed]
        self._ended(batch, processed, deadline, "reported as failed")

    def _throttled(
        self, batch: list[Message], deadline: float, throttles: int, error: AwsError
    ) -> bool:
        """Retry while the messages stay hidden; returns whether another retry follows."""
        wait = min(2.0**throttles, _LONGEST_BACK_OFF)
        if error.status not in (429, 500) or self._cloud.clock.time() + wait >= deadline:
            return False
        self._cloud.clock.call_later(
            wait, partial(self._run, batch, deadline, throttles + 1), label=self.label, holds=True
        )
        return True

    def _ended(
        self, batch: Iterable[Message], processed: list[Message], deadline: float, why: str
    ) -> None:
        """Delete processed messages; the rest becomes visible again."""
        left = [m["MessageId"] for m in batch if m not in processed]
        if left:
            log.info("%s: %d left in the queue: %s", self.label, len(left), why)
            self._counted("FailedInvokeEventCount", len(left))
        try:
            self._delete(processed)
        except ClientError as error:
            log.warning("%s: %s", self.label, error)
            left = [m["MessageId"] for m in batch]
        finally:
            hide(self.mapping.queue_arn, left, deadline)
            with self._lock:
                self._failed |= set(left)
                self._running -= 1
            self.wake()

    def _delete(self, messages: Sequence[Message]) -> None:
        for first in range(0, len(messages), _A_RECEIVE):
            part = messages[first : first + _A_RECEIVE]
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(part)
            ]
            self._sqs().delete_message_batch(QueueUrl=self._url(), Entries=entries)
            self._counted("DeletedEventCount", len(part))

    def _counted(self, metric: str, value: float) -> None:
        if self.mapping.settings.counts_events:
            self._count(self.mapping, metric, value)

    def _sqs(self) -> Any:
        region = self.mapping.queue_arn.split(":")[3]
        return self._cloud.client("sqs", principal=self._role_of(self.mapping), region=region)

    def _url(self) -> str:
        return queue_url(self.mapping.queue_arn)
