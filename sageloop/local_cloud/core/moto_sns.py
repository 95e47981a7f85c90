"""Delivery of the messages that are published to moto's topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.sns.models import Subscription, Topic

_PUBLISH = Topic.publish


def deliver_by(deliver: Callable[..., None], published: Callable[..., None]) -> None:
    """Replace moto's deliveries.

    Args:
        deliver: Called as ``deliver(subscription, message, message_id, **rest)`` for each
            subscription of a topic.
        published: Called as ``published(topic_arn, message_id, message, subject)`` after them.

    """

    def publish(subscription: Any, message: str, message_id: str, **rest: Any) -> None:
        deliver(subscription, message, message_id, **rest)

    def publish_to_topic(
        topic: Topic, message: str, subject: str | None = None, **rest: Any
    ) -> str:  # fmt: skip
        message_id = str(_PUBLISH(topic, message, subject=subject, **rest))
        published(topic.arn, message_id, message, subject)
        return message_id

    Subscription.publish = publish  # type: ignore[method-assign, assignment]
    Topic.publish = publish_to_topic  # type: ignore[method-assign, assignment]
