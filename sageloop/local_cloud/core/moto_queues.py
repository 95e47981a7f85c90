"""moto's queues, in the time of the call that they serve."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from moto.sqs import models, urls

from sageloop.local_cloud.core.moto_sqs import now


class VirtualTimeQueues(models.SQSBackend):
    """moto's SQS, where one message that is too old to be kept hides no younger one."""

    @property
    def _url_module(self) -> ModuleType:
        return urls  # moto would look for it beside this module

    def receive_message(self, queue_name: str, *args: Any, **more: Any) -> Any:
        """Messages of a queue; moto stops at the first that is too old, with all that follow."""
        queue: Any = self.get_queue(queue_name)
        oldest = (now() - float(queue.message_retention_period)) * 1000
        if any(message.sent_timestamp < oldest for message in list(queue._messages)):
            queue._messages = [m for m in queue._messages if m.sent_timestamp >= oldest]
        return super().receive_message(queue_name, *args, **more)


def accept_virtual_time() -> None:
    """Have moto make queues of this class, and stamp, delay and hide messages in virtual time.

    Backends that moto has made already stay what they are: so it is to be called before SQS is.
    """
    models.sqs_backends.backend = VirtualTimeQueues
    vars(models).update(unix_time=lambda *_: now(), unix_time_millis=lambda *_: now() * 1000)
