"""One environment of a serverless variant: a process that handles one request at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import StreamedResponse
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation
from sageloop.local_cloud.sagemaker.hosting.requests import invalid


class Environment(Instance):
    """A process that is there for requests, or always if it is ``provisioned``.

    ``on_free`` is called when its request has ended, ``on_gone`` when the process died and
    nobody needs another. Since ``idle_since`` (virtual seconds) nobody has asked it; ``watched``
    is whether a timer is to end it.
    """

    provisioned = False
    watched = False
    idle_since = 0.0
    on_free: Callable[[Environment], None]
    on_gone: Callable[[Environment], None]

    def finish(self) -> None:
        """Close a request and be free for the next."""
        super().finish()
        self.on_free(self)

    def open(self, invocation: Invocation, headers: Mapping[str, str]) -> StreamedResponse:
        """Refused: serverless inference does not stream."""
        raise invalid(
            f"Endpoint {invocation.endpoint} is serverless and does not support "
            "InvokeEndpointWithResponseStream."
        )

    def _restart(self) -> None:
        if self.provisioned:
            super()._restart()
        else:
            self.on_gone(self)
