"""A CloudWatch Logs stream to which a container's output is written while it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_EVENT_BYTES = 256 * 1024 - 26


def escaped(line: str) -> str:
    """A line as CloudWatch Logs stores it: a tab becomes ``#011``, and so on."""
    return _CONTROL.sub(lambda match: f"#{ord(match[0]):03o}", line)


class LogStream:
    """A log stream of a log group, created with the first lines.

    ``principal`` is the role on whose behalf SageMaker writes.
    """

    def __init__(self, cloud: Cloud, group: str, stream: str, *, principal: str) -> None:
        self._cloud = cloud
        self._group = group
        self._stream = stream
        self._client = cloud.client("logs", principal=principal)
        self._created = False

    def write(self, lines: Sequence[str]) -> None:
        """Append lines with the virtual time as their timestamp."""
        if not lines:
            return
        self._create()
        stamp = int(self._cloud.clock.time() * 1000)
        # A log event has at least one character on AWS, so blank lines are left out.
        events = [
            {"timestamp": stamp, "message": line.encode()[:_EVENT_BYTES].decode(errors="ignore")}
            for line in lines if line
        ]  # fmt: skip
        if not events:
            return
        self._client.put_log_events(
            logGroupName=self._group, logStreamName=self._stream, logEvents=events
        )

    def _create(self) -> None:
        if self._created:
            return
        exists = self._client.exceptions.ResourceAlreadyExistsException
        for make, names in (
            (self._client.create_log_group, {"logGroupName": self._group}),
            (
                self._client.create_log_stream,
                {"logGroupName": self._group, "logStreamName": self._stream},
            ),
        ):
            with suppress(exists):
                make(**names)
        self._created = True
