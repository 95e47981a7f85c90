"""An execution environment of a serverless variant: a process with one request at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import StreamedResponse
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
from sageloop.local_cloud.sagemaker.hosting.requests import invalid


class Environment(Instance):
    """A process that serves requests, permanently if it is ``provisioned``.

    ``on_free`` is called when its request has ended, ``on_exit`` when the process has exited and
    needs no replacement. ``idle_since`` is the virtual time of its last request; ``watched`` is
    whether a timer will end it.
    """

    provisioned = False
    watched = False
    idle_since = 0.0
    on_free: Callable[[Environment], None]
    on_exit: Callable[[Environment], None]

    def finish(self) -> None:
        """End a request and become free for the next one."""
        super().finish()
        self.on_free(self)

    def open(self, invocation: Invocation, headers: Mapping[str, str]) -> StreamedResponse:
        """Refused: serverless inference does not support streamed responses."""
        raise invalid(
            f"Endpoint {invocation.endpoint} is serverless and does not support "
            "InvokeEndpointWithResponseStream."
        )

    def _restart(self) -> None:
        if self.provisioned:
            super()._restart()
        else:
            self.on_exit(self)
