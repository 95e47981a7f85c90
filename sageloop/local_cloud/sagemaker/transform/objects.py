"""Transformation of one input object."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from sageloop.local_cloud.core.compression import gunzip
from sageloop.local_cloud.sagemaker.hosting.invocation.connections import ContainerResponse
from sageloop.local_cloud.sagemaker.training.channels.listing import Item
from sageloop.local_cloud.sagemaker.transform.assembling import assembled
from sageloop.local_cloud.sagemaker.transform.joining import DataProcessing, JoinError
from sageloop.local_cloud.sagemaker.transform.jsonpath import JsonPathError
from sageloop.local_cloud.sagemaker.transform.limits import Limits
from sageloop.local_cloud.sagemaker.transform.server import NoResponse, Server, chunked
from sageloop.local_cloud.sagemaker.transform.splitting import (
    Payload,
    SplitError,
    payloads,
    records_of,
)

_TIMEOUT_SECONDS = 600
# Objects are split in memory. AWS documents no limit for the decompressed size; this is the
# local cloud's own.
_MAX_UNPACKED_BYTES = 1024**3
_RETRIES = 3


class ObjectFailed(Exception):
    """One object failed. ``kind`` starts the job's FailureReason; the data log gets ``lines``."""

    def __init__(self, kind: str, *lines: str) -> None:
        super().__init__(*lines)
        self.kind = kind
        self.lines = lines


class Stopped(Exception):
    """The job was stopped."""


@dataclass(frozen=True, kw_only=True)
class Transformation:
    """Sends the records of objects to a server; requests run on ``pool``."""

    request: Mapping[str, Any]
    limits: Limits
    processing: DataProcessing
    server: Server
    pool: Executor
    stopping: threading.Event
    _payload_slots: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        # Limits how many payloads are read before their requests are sent.
        object.__setattr__(self, "_payload_slots", threading.Semaphore(2 * self.limits.concurrent))

    def begin(self, item: Item, data: bytes) -> Callable[[], bytes]:
        """Start the requests of an object; the returned function waits for the output.

        Both raise :class:`ObjectFailed` or :class:`Stopped`.
        """
        try:
            requests = [self._submit(payload) for payload in self._payloads(data)]
        except (SplitError, JoinError, JsonPathError) as error:
            raise ObjectFailed("ClientError", f"ClientError: {error}") from error
        together = self.request["TransformOutput"].get("AssembleWith", "None")
        return lambda: assembled([p for r in requests for p in r.result()], together)

    def _payloads(self, data: bytes) -> Iterator[Payload]:
        fields = self.request["TransformInput"]
        if fields.get("CompressionType", "None") == "Gzip":
            try:
                data = gunzip(data, most=_MAX_UNPACKED_BYTES)
            except ValueError as error:
                raise SplitError(f"Failed to decompress the object: {error}") from error
        records = self.processing.filtered(records_of(data, fields.get("SplitType", "None")))
        return payloads(records, strategy=self.limits.strategy, max_bytes=self.limits.payload_bytes)

    def _submit(self, payload: Payload) -> Future[list[bytes]]:
        if self.stopping.is_set():
            raise Stopped
        self._payload_slots.acquire()
        sent = self.pool.submit(self._transformed, payload)
        sent.add_done_callback(lambda _: self._payload_slots.release())
        return sent

    def _transformed(self, payload: Payload) -> list[bytes]:
        response = self._invoke(payload.body)
        if not self.processing.touches_output:
            return [response.body]
        try:
            return self.processing.output(payload.records, response.body)
        except (JoinError, JsonPathError) as error:
            raise ObjectFailed("ClientError", f"ClientError: {error}") from error

    def _invoke(self, body: bytes) -> ContainerResponse:
        client = self.request.get("ModelClientConfig", {})
        timeout = client.get("InvocationsTimeoutInSeconds", _TIMEOUT_SECONDS)
        failure = ObjectFailed("AlgorithmError", "Unable to get response from algorithm")
        for _ in range(1 + client.get("InvocationsMaxRetries", _RETRIES)):
            if self.stopping.is_set():
                raise Stopped
            try:
                response = self._send(body, timeout)
            except NoResponse:
                continue
            if response.status < 300:
                return response
            failure = _refusal(response)
            if response.status < 500:
                break
        raise failure

    def _send(self, body: bytes, timeout: float) -> ContainerResponse:
        headers = {}
        if "ContentType" in self.request["TransformInput"]:
            headers["Content-Type"] = self.request["TransformInput"]["ContentType"]
        if "Accept" in self.request["TransformOutput"]:
            headers["Accept"] = self.request["TransformOutput"]["Accept"]
        if self.limits.payload_bytes is None:
            return self.server.invoke(
                chunked(body), headers | {"Transfer-Encoding": "chunked"}, timeout
            )
        return self.server.invoke(body, headers, timeout)


def _refusal(response: ContainerResponse) -> ObjectFailed:
    text = response.body.decode(errors="replace").splitlines()
    if response.status < 500:
        first, kind = f"ClientError: {response.status}", "ClientError"
    else:
        first, kind = (
            f"Bad HTTP status received from algorithm: {response.status}",
            "AlgorithmError",
        )
    return ObjectFailed(kind, first, "", "Message:", *text)
