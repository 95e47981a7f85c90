"""Messages that were published to SNS topics, which no person receives from a local cloud."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

MOST_MESSAGES = 1_000
"""Number of messages that are kept; the oldest are dropped first."""


@dataclass(frozen=True, kw_only=True)
class PublishedMessage:
    """One message of a topic.

    Attributes:
        time: Virtual time of the publication, in epoch seconds.
        topic_arn: ARN of the topic.
        message_id: SNS's id of the message.
        subject: Subject, if it has one.
        message: Text.
        recipients: Protocol and endpoint of each subscription whose filter policy admits it.

    """

    time: float
    topic_arn: str
    message_id: str
    subject: str | None
    message: str
    recipients: tuple[tuple[str, str], ...]

    def as_dict(self) -> dict[str, Any]:
        """The message as JSON."""
        recipients = [{"protocol": p, "endpoint": e} for p, e in self.recipients]
        return asdict(self) | {"recipients": recipients}


class PublishedMessages:
    """Keeps the last messages of all topics.

    Args:
        time: Returns the virtual time.

    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._lock = threading.Lock()
        self._messages: deque[PublishedMessage] = deque(maxlen=MOST_MESSAGES)
        self._recipients: dict[str, list[tuple[str, str]]] = {}

    def delivered(self, message_id: str, protocol: str, endpoint: str) -> None:
        """Record a subscription that receives a message which is being published."""
        with self._lock:
            self._recipients.setdefault(message_id, []).append((protocol, endpoint))

    def published(
        self, topic_arn: str, message_id: str, message: str, subject: str | None
    ) -> None:  # fmt: skip
        """Record a message, after its deliveries."""
        with self._lock:
            recipients = tuple(self._recipients.pop(message_id, ()))
            self._messages.append(PublishedMessage(
                time=self._time(), topic_arn=topic_arn, message_id=message_id, subject=subject,
                message=message, recipients=recipients,
            ))  # fmt: skip

    def messages(self) -> list[PublishedMessage]:
        """The messages, oldest first."""
        with self._lock:
            return list(self._messages)
