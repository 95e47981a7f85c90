"""Runs one invocation, from the concurrency limit to the last line of its log."""

from __future__ import annotations

import json
import signal
import threading
import time as wall
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.functions.code import CodeStore
from sageloop.local_cloud.functions.errors import throttled
from sageloop.local_cloud.functions.limits import ACCOUNT_CONCURRENCY
from sageloop.local_cloud.functions.log_writer import LogStream, LogWriter, Transcript
from sageloop.local_cloud.functions.metrics import FunctionMetrics
from sageloop.local_cloud.functions.model import Function, FunctionRepository, Version
from sageloop.local_cloud.functions.platform_log import PlatformLog, Usage
from sageloop.local_cloud.functions.pool import WorkerPool
from sageloop.local_cloud.functions.role_permissions import RolePermissions
from sageloop.local_cloud.functions.worker import Worker

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

_INIT_SECONDS = 10.0
_LARGEST_ANSWER = 6_291_556


@dataclass(frozen=True, slots=True)
class Request:
    """An invocation: version, requested ARN, and event."""

    version: Version
    arn: str
    request_id: str
    event: bytes
    client_context: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an invocation; ``error`` is ``None`` or the X-Amz-Function-Error header."""

    payload: bytes
    error: str | None
    log_tail: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    pool: WorkerPool
    logs: LogWriter
    permissions: RolePermissions
    metrics: FunctionMetrics


class Runner:
    """Runs invocations within the limits of concurrency."""

    def __init__(self, cloud: Cloud, repository: FunctionRepository, code: CodeStore) -> None:
        self._cloud = cloud
        self._repository = repository
        self._lock = threading.Lock()
        self._running: Counter[tuple[str, str]] = Counter()
        self.metrics = FunctionMetrics(cloud)
        self.pool = WorkerPool(cloud, code)
        self._shared = _Shared(
            pool=self.pool, logs=LogWriter(cloud), permissions=RolePermissions(cloud),
            metrics=self.metrics,
        )  # fmt: skip

    def run(self, function: Function, request: Request) -> Outcome:
        """Invoke and wait. Raises TooManyRequestsException without free concurrency."""
        label = f"lambda:{function.name}"
        with self._place(function), self._cloud.activity.track(label):
            return _Invocation(self._cloud, self._shared, request).run()

    def retire(self, version: Version) -> None:
        """End a version's workers after their invocations."""
        self.pool.retire(version)

    def retire_function(self, function: Function) -> None:
        """End all of a function's workers after their invocations."""
        for version in (function.latest, *function.versions.values()):
            self.pool.retire(version)

    @contextmanager
    def _place(self, function: Function) -> Iterator[None]:
        key = (function.region, function.name)
        with self._lock:
            reason = self._refusal(function, key)
            if reason is None:
                self._running[key] += 1
        if reason is not None:
            self.metrics.put(function.name, "Throttles", 1)
            raise throttled(reason)
        try:
            yield
        finally:
            with self._lock:
                self._running[key] -= 1
                if not self._running[key]:
                    del self._running[key]

    def _refusal(self, function: Function, key: tuple[str, str]) -> str | None:
        if function.reserved is not None:
            full = self._running[key] >= function.reserved
            return "ReservedFunctionConcurrentInvocationLimitExceeded" if full else None
        others = {
            (f.region, f.name): f.reserved for f in self._repository.of_region(function.region)
        }
        reserved = sum(r for r in others.values() if r is not None)
        used = sum(n for k, n in self._running.items() if others.get(k) is None)
        full = used >= ACCOUNT_CONCURRENCY - reserved
        return "ConcurrentInvocationLimitExceeded" if full else None


class _Invocation:
    def __init__(
        self, cloud: Cloud, shared: _Shared, request: Request
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._pool = shared.pool
        self._logs = shared.logs
        self._permissions = shared.permissions
        self._metrics = shared.metrics
        self._request = request
        self._version = request.version
        self._transcript = Transcript(cloud)
        self._lines = PlatformLog(self._transcript, self._version, request.request_id)
        self._init_ms: float | None = None
        self._may_log = False

    def run(self) -> Outcome:
        worker = self._pool.take(self._version)
        reply: dict[str, Any] | str = {"kind": "ready"}
        if worker is None:
            self._lines.init_start()
            worker = self._pool.start(self._version)
            reply = self._initialise(worker)
        self._may_log = self._permissions.may_log(self._stream(worker), self._version.name)
        self._lines.start()
        started = wall.perf_counter()
        if isinstance(reply, dict) and reply["kind"] == "ready":
            reply = self._call(worker)
        milliseconds = (wall.perf_counter() - started) * 1000
        return self._conclude(worker, reply, milliseconds)

    def _initialise(self, worker: Worker) -> dict[str, Any] | str:
        started = wall.perf_counter()
        reply = worker.exchange(
            self._pool.initialisation(self._version, worker),
            _INIT_SECONDS + self._version.timeout, self._transcript.feed,
        )  # fmt: skip
        self._init_ms = (wall.perf_counter() - started) * 1000
        return reply

    def _call(self, worker: Worker) -> dict[str, Any] | str:
        request = self._request
        label = f"lambda:{self._version.name}"
        reply = worker.exchange(
            {
                "kind": "invoke", "request_id": request.request_id, "arn": request.arn,
                "remaining_ms": self._version.timeout * 1000, "event": request.event.decode(),
                "client_context": request.client_context,
            },
            self._version.timeout, self._transcript.feed,
            killed=self._cloud.faults.kills_process(label),
        )  # fmt: skip
        # A process that ends between the end of its work and its response is a separate case.
        if isinstance(reply, dict) and self._cloud.faults.kills_process(f"{label}:answered"):
            worker.kill()
            return "dead"
        return reply

    def _conclude(
        self, worker: Worker, reply: dict[str, Any] | str, milliseconds: float
    ) -> Outcome:
        if isinstance(reply, dict) and reply["kind"] in ("answer", "error"):
            self._pool.release(self._version, worker)
            payload = reply["payload"].encode()
            failed = reply["kind"] == "error"
            memory = int(reply["max_rss_kb"]) // 1024
            status, kind = ("error" if failed else "success"), None
            if len(payload) > _LARGEST_ANSWER:
                failed, status = True, "error"
                payload, kind = _too_large(len(payload))
        else:
            failed, memory = True, 0
            payload, status, kind = self._broken(worker, reply)
            self._pool.end(worker)
        self._transcript.finish()
        usage = Usage(milliseconds, memory, self._init_ms, status, kind)
        self._lines.report(usage)
        self._account(worker, usage, failed=failed)
        return Outcome(payload, "Unhandled" if failed else None, self._transcript.tail())

    def _broken(self, worker: Worker, reply: dict[str, Any] | str) -> tuple[bytes, str, str | None]:
        request_id = self._request.request_id
        if isinstance(reply, dict):
            return reply["payload"].encode(), "error", json.loads(reply["payload"])["errorType"]
        if reply == "timeout":
            stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            text = f"{stamp} {request_id} Task timed out after {self._version.timeout:.2f} seconds"
            self._lines.message(text)
            return _error("Sandbox.Timedout", text), "timeout", None
        code = self._pool.forks.exit_code(worker.pid, 2.0)
        text = f"RequestId: {request_id} Error: {_exit_reason(code)}"
        self._lines.message(text)
        return _error("Runtime.ExitError", text), "error", "Runtime.ExitError"

    def _account(self, worker: Worker, usage: Usage, *, failed: bool) -> None:
        version = self._version
        if self._may_log:
            self._logs.write(self._stream(worker), self._transcript.lines)
        self._metrics.invoked(version.name, usage.milliseconds, failed=failed)

    def _stream(self, worker: Worker) -> LogStream:
        version = self._version
        region = version.arn.split(":")[3]
        return LogStream(region, version.role, version.log_group, worker.stream)


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _too_large(size: int) -> tuple[bytes, str]:
    kind = "Function.ResponseSizeTooLarge"
    text = (
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
        f"({_LARGEST_ANSWER} bytes)."
    )
    return _error(kind, text), kind


def _exit_reason(code: int | None) -> str:
    if code is None or code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    name = "killed" if -code == signal.SIGKILL else signal.Signals(-code).name.lower()
    return f"Runtime exited with error: signal: {name}"
