"""The platform's own lines in a function's log, as text or as JSON."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass

from sageloop.local_cloud.functions.log_writer import Transcript
from sageloop.local_cloud.functions.model import Version


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of an invocation: wall milliseconds, megabytes, and status."""

    milliseconds: float
    memory_mb: int
    init_milliseconds: float | None
    status: str
    error_type: str | None


class PlatformLog:
    """Writes START, END, REPORT and similar lines."""

    def __init__(self, transcript: Transcript, version: Version, request_id: str) -> None:
        self._transcript = transcript
        self._version = version
        self._request_id = request_id

    def init_start(self) -> None:
        """Write that an environment starts: the declared runtime, and the one that runs it."""
        runtime = str(self._version.settings["Runtime"]).replace("python", "python:")
        actual = f"{platform.python_implementation()} {platform.python_version()}"
        shown = f"{runtime} (run by {actual})"
        self._write(
            f"INIT_START Runtime Version: {shown}", "platform.initStart", {"runtimeVersion": shown}
        )

    def start(self) -> None:
        """Write that an invocation starts."""
        number = self._version.number
        self._write(
            f"START RequestId: {self._request_id} Version: {number}",
            "platform.start", {"requestId": self._request_id, "version": number},
        )  # fmt: skip

    def message(self, text: str) -> None:
        """Write a message of the platform (a time-out, an exit)."""
        self._write(text, "platform.fault", text)

    def report(self, usage: Usage) -> None:
        """Write that an invocation has ended."""
        if not self._version.logs_json:
            self._transcript.line(f"END RequestId: {self._request_id}")
        billed = -(-usage.milliseconds // 1)
        parts = [
            f"REPORT RequestId: {self._request_id}",
            f"Duration: {usage.milliseconds:.2f} ms",
            f"Billed Duration: {billed:.0f} ms",
            f"Memory Size: {self._version.memory} MB",
            f"Max Memory Used: {usage.memory_mb} MB",
        ]
        metrics = {
            "durationMs": round(usage.milliseconds, 3), "billedDurationMs": int(billed),
            "memorySizeMB": self._version.memory, "maxMemoryUsedMB": usage.memory_mb,
        }  # fmt: skip
        if usage.init_milliseconds is not None:
            parts.append(f"Init Duration: {usage.init_milliseconds:.2f} ms")
            metrics["initDurationMs"] = round(usage.init_milliseconds, 3)
        if usage.status != "success":
            parts.append(f"Status: {usage.status}")
        if usage.error_type:
            parts.append(f"Error Type: {usage.error_type}")
        record = {
            "requestId": self._request_id, "metrics": metrics, "status": usage.status,
        } | ({"errorType": usage.error_type} if usage.error_type else {})  # fmt: skip
        self._write("\t".join(parts), "platform.report", record)

    def _write(self, text: str, kind: str, record: object) -> None:
        if not self._version.logs_json:
            self._transcript.line(text)
            return
        stamp = self._transcript.cloud.clock.now().isoformat(timespec="milliseconds")
        stamp = stamp.replace("+00:00", "Z")
        self._transcript.line(json.dumps({"time": stamp, "type": kind, "record": record}))
