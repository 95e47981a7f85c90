"""moto's queues in the virtual time of the call that they serve."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from moto.sqs import models, urls

from sageloop.local_cloud.core.moto_sqs import now


class VirtualTimeQueues(models.SQSBackend):
    """moto's SQS, in which an expired message does not hide the messages after it."""

    @property
    def _url_module(self) -> ModuleType:
        return urls  # moto would search it beside this module

    def receive_message(self, queue_name: str, *args: Any, **more: Any) -> Any:
        """Messages of a queue; moto stops at the first expired message."""
        queue: Any = self.get_queue(queue_name)
        oldest = (now() - float(queue.message_retention_period)) * 1000
        if any(message.sent_timestamp < oldest for message in list(queue._messages)):
            queue._messages = [m for m in queue._messages if m.sent_timestamp >= oldest]
        return super().receive_message(queue_name, *args, **more)


def use_virtual_time() -> None:
    """Make moto create queues of this class, in virtual time.

    Backends that moto has created before stay as they are: call this before the first use of SQS.
    """
    models.sqs_backends.backend = VirtualTimeQueues
    vars(models).update(unix_time=lambda *_: now(), unix_time_millis=lambda *_: now() * 1000)
