"""The output of serving containers in CloudWatch Logs."""

from __future__ import annotations

import threading
from typing import IO, TYPE_CHECKING

from sageloop.local_cloud.core.naming import partition_of
from sageloop.local_cloud.sagemaker.hosting.invocation.batches import Batcher
from sageloop.local_cloud.sagemaker.logs import LogStream, escaped

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


def group_of(endpoint: str) -> str:
    """The log group of an endpoint."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


class ContainerLog:
    """A log stream ``<variant>/<instance>``, written with the role of the model.

    Its log group is that of the endpoint, or ``group``.
    """

    def __init__(
        self, cloud: Cloud, endpoint: str, stream: str, role: str, *, delay: float,
        group: str | None = None,
    ) -> None:  # fmt: skip
        owner = f"{cloud.region}:{cloud.account_id}"
        where = group_of(endpoint) if group is None else group
        partition = partition_of(cloud.region)
        self.arn = f"arn:{partition}:logs:{owner}:log-group:{where}:log-stream:{stream}"
        self._name = stream
        written = LogStream(cloud, where, stream, principal=role)
        self._lines = Batcher[str](
            cloud.activity, f"logs of {endpoint} {stream}", written.write, size=500, delay=delay
        )

    def follow(self, output: IO[bytes]) -> None:
        """Write the lines of ``output`` to the log stream until it ends."""
        threading.Thread(
            target=self._read, args=(output,), name=f"log {self._name}", daemon=True
        ).start()

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                text = escaped(line.decode(errors="replace").rstrip("\r\n"))
                if text:
                    self._lines.add(text)
