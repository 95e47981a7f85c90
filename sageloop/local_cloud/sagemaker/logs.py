"""A CloudWatch Logs stream to which a container's output is written while it runs."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sageloop.local_cloud.access.enforcement.log_permissions import log_denial
from sageloop.local_cloud.access.enforcement.service_acts import role_actor
from sageloop.local_cloud.sagemaker.execution_role import SESSION

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_EVENT_BYTES = 256 * 1024 - 26


def escaped(line: str) -> str:
    """A line as CloudWatch Logs stores it: a tab becomes ``#011``, and so on."""
    return _CONTROL.sub(lambda match: f"#{ord(match[0]):03o}", line)


class LogStream:
    """A log stream of a log group, created with the first lines.

    ``principal`` is the role on whose behalf SageMaker writes. Its permissions are decided with the
    first lines; a role that may not write gets no log, and nothing else fails.
    """

    def __init__(self, cloud: Cloud, group: str, stream: str, *, principal: str) -> None:
        self._cloud = cloud
        self._group = group
        self._stream = stream
        self._role = principal
        self._client = cloud.client("logs", principal=principal, decided=True)
        self._lock = threading.Lock()
        self._is_allowed: bool | None = None

    def write(self, lines: Sequence[str]) -> None:
        """Append lines with the virtual time as their timestamp."""
        if not lines or not self._created():
            return
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

    def _created(self) -> bool:
        """Whether the role may write and the stream exists."""
        with self._lock:
            if self._is_allowed is None:
                self._is_allowed = self._may_write()
                if self._is_allowed:
                    self._create()
            return self._is_allowed

    def _may_write(self) -> bool:
        if not self._role:  # a model without an execution role
            return True
        role = role_actor(self._cloud, self._role, SESSION)
        denial = log_denial(role, self._group, self._stream)
        if denial is not None:
            log.warning("no log in %s: %s", self._group, denial.message)
        return denial is None

    def _create(self) -> None:
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
