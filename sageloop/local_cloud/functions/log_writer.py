"""Function logs: collects lines by invocation and sends them to CloudWatch Logs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.enforcement.service_acts import role_actor

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_BATCH = 1000
_LONGEST = 256_000
_TAIL = 4096


@dataclass(frozen=True, slots=True)
class LogStream:
    """A log stream and the role that writes to it."""

    region: str
    role: str
    group: str
    name: str


@dataclass(slots=True)
class Transcript:
    """The log of one invocation: complete lines with their virtual time in milliseconds."""

    cloud: Cloud
    lines: list[tuple[int, str]] = field(default_factory=list)
    _rest: bytes = b""

    def line(self, text: str) -> None:
        """Add a line of the platform."""
        self.lines.append((int(self.cloud.clock.time() * 1000), f"{text}\n"))

    def feed(self, data: bytes) -> None:
        """Add output of the function."""
        *complete, self._rest = (self._rest + data).split(b"\n")
        for part in complete:
            self.line(part.decode("utf-8", "replace"))

    def finish(self) -> None:
        """Complete an unfinished line."""
        if self._rest:
            self.line(self._rest.decode("utf-8", "replace"))
            self._rest = b""

    def tail(self) -> bytes:
        """The last 4 KB, which ``LogType=Tail`` returns."""
        return "".join(text for _, text in self.lines).encode()[-_TAIL:]


class LogWriter:
    """Sends lines in the background, in order, one request at a time for each stream."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.Lock()
        self._waiting: dict[LogStream, list[tuple[int, str]]] = {}

    def write(self, stream: LogStream, lines: list[tuple[int, str]]) -> None:
        """Queue lines for a stream."""
        with self._lock:
            queued = self._waiting.get(stream)
            if queued is not None:
                queued += lines
                return
            self._waiting[stream] = list(lines)
        self._cloud.activity.spawn(f"log {stream.group}", lambda: self._drain(stream))

    def _drain(self, stream: LogStream) -> None:
        while True:
            with self._lock:
                lines = self._waiting[stream]
                if not lines:
                    del self._waiting[stream]
                    return
                self._waiting[stream] = []
            try:
                self._put(stream, lines)
            except Exception:
                # A log that cannot be written must not fail the function.
                log.warning("cannot write to log group %s", stream.group, exc_info=True)

    def _put(self, stream: LogStream, lines: list[tuple[int, str]]) -> None:
        # The role's permissions were decided when the invocation began.
        client = self._cloud.client(
            "logs", principal=stream.role, region=stream.region, decided=True
        )
        ordered = sorted(lines, key=lambda line: line[0])
        for start in range(0, len(ordered), _BATCH):
            events = [
                {"timestamp": stamp, "message": text[:_LONGEST]}
                for stamp, text in ordered[start : start + _BATCH]
            ]
            try:
                _put_events(client, stream, events)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
                if not self._create(client, stream):
                    return
                _put_events(client, stream, events)

    def _create(self, client: Any, stream: LogStream) -> bool:
        """Create a stream, and its group if that is missing and the role may create it."""
        group = {"logGroupName": stream.group}
        named = {**group, "logStreamName": stream.name}
        if _made(client.create_log_stream, named) != "ResourceNotFoundException":
            return True
        # A group that was deleted since the invocation began was not decided then, and a policy
        # that was deleted with it is no denial.
        role = role_actor(self._cloud, stream.role, "service", region=stream.region)
        if not role.allows_call("logs", "CreateLogGroup", **group):
            return False
        _made(client.create_log_group, group)
        _made(client.create_log_stream, named)
        return True


def _put_events(client: Any, stream: LogStream, events: list[dict[str, Any]]) -> None:
    client.put_log_events(
        logGroupName=stream.group, logStreamName=stream.name, logEvents=events
    )  # fmt: skip


def _made(create: Callable[..., Any], members: dict[str, str]) -> str | None:
    """Create a resource; returns the error code if it exists or its parent does not."""
    try:
        create(**members)
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        if code not in ("ResourceAlreadyExistsException", "ResourceNotFoundException"):
            raise
        return code
    return None
