"""Deliveries of events under injected faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


def deliver(cloud: Cloud, detail_type: str, send: Callable[[], None], *, label: str) -> None:
    """Send an event: once, or as often and as late as an injected fault demands.

    Args:
        cloud: The cloud with the faults.
        detail_type: What faults match: a detail type, or the name of an event of S3.
        send: Sends the event once.
        label: Names a delivery that is late among what is in flight.

    """
    copies, delay = cloud.faults.deliveries_of_event(detail_type)
    for _ in range(copies):
        if delay:
            cloud.clock.call_later(delay, send, label=label)
        else:
            send()
