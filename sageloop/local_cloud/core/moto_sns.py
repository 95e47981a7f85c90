"""Delivery of the messages that are published to moto's topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.sns.models import Subscription


def deliver_by(deliver: Callable[..., None]) -> None:
    """Call ``deliver(subscription, message, message_id, **rest)`` for each subscription."""

    def publish(subscription: Any, message: str, message_id: str, **rest: Any) -> None:
        deliver(subscription, message, message_id, **rest)

    Subscription.publish = publish  # type: ignore[method-assign, assignment]
