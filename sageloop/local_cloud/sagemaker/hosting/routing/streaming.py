"""Streamed responses: the parts of a container's response as messages of AWS's event stream.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_ResponseStream.html
"""

from __future__ import annotations

import json
import time as wall
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from struct import pack
from typing import TYPE_CHECKING

from sageloop.local_cloud.sagemaker.hosting.invocation.connections import (
    ContainerResponse,
    NotSent,
    StreamedResponse,
)
from sageloop.local_cloud.sagemaker.hosting.invocation.serving import (
    NoResponse,
    ServedResponse,
    Unavailable,
)

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.hosting.instances.fleet import VariantFleet
    from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
    from sageloop.local_cloud.sagemaker.hosting.invocation.serving import Invocation

CONTENT_TYPE = "application/vnd.amazon.eventstream"
# The limit is 60 seconds for other responses and 8 minutes for streamed ones.
STREAM_SECONDS = 480.0
_STRING = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStream:
    """A started response; its instance is busy until it ends. ``perf_counter`` seconds."""

    streamed: StreamedResponse
    instance: Instance
    sent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """The end of a response: its received body, and the times of its first and last part."""

    body: bytes
    complete: bool
    first: float | None
    last: float


def open_stream(
    variant: VariantFleet, invocation: Invocation, headers: Mapping[str, str]
) -> OpenedStream:  # fmt: skip
    """Send a request to an instance and wait for the head of the response.

    Raises ``Unavailable`` if no instance accepted the request, ``NoResponse`` if one did and did
    not respond.
    """
    instance = variant.admit(invocation)
    if instance is None:
        raise Unavailable(variant.spec.name)
    sent = wall.perf_counter()
    try:
        streamed = instance.open(invocation, headers)
    except NotSent as error:
        instance.finish()
        instance.check_process()
        raise Unavailable(str(error)) from error
    except (OSError, HTTPException) as error:
        instance.finish()
        if not isinstance(error, TimeoutError):
            instance.check_process()
        raise NoResponse(
            error, instance=instance.id, log_arn=instance.log.arn, sent=sent
        ) from error
    except BaseException:
        instance.finish()
        raise
    return OpenedStream(streamed=streamed, instance=instance, sent=sent)


class ResponseEvents:
    """The events of a response. ``ended`` is called once, also if it is not read to the end."""

    def __init__(self, response: OpenedStream, ended: Callable[[StreamEnd], None]) -> None:
        self._response = response
        self._ended = ended
        self._pieces: list[bytes] = []
        self._first: float | None = None
        self._complete = False
        self._over = False
        self._events: Generator[bytes] = self._generate()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._events)

    def error_response(self) -> ServedResponse:
        """The complete body of a response with an error status."""
        for _ in self:
            pass
        instance = self._response.instance
        status, headers = self._response.streamed.status, self._response.streamed.headers
        return ServedResponse(
            response=ContainerResponse(status, headers, b"".join(self._pieces)),
            instance=instance.id, log_arn=instance.log.arn, sent=self._response.sent,
            received=wall.perf_counter(), container=self._response.streamed.container,
        )  # fmt: skip

    def close(self) -> None:
        """Stop reading."""
        self._events.close()
        self._end()

    def __del__(self) -> None:
        self.close()

    def _generate(self) -> Generator[bytes]:
        container = self._response.streamed.container
        failure: bytes | None = None
        try:
            for piece in self._response.streamed.parts:
                if self._first is None:
                    self._first = wall.perf_counter()
                self._pieces.append(piece)
                yield payload_part(piece)
            self._complete = True
        except TimeoutError:
            failure = model_stream_error(
                "ModelInvocationTimeExceeded",
                f"Your model {container} did not complete sending the inference response in the "
                "allotted time.",
            )
        except (OSError, HTTPException):
            failure = model_stream_error(
                "StreamBroken",
                f"The connection to your model {container} was closed before its response was "
                "complete.",
            )
            self._response.instance.check_process()
        finally:
            self._end()
        # Last, because a client that receives an error reads no further events.
        if failure is not None:
            yield failure

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        close = getattr(self._response.streamed.parts, "close", None)
        if close is not None:
            close()
        self._response.instance.finish()
        end = StreamEnd(
            body=b"".join(self._pieces), complete=self._complete, first=self._first,
            last=wall.perf_counter(),
        )  # fmt: skip
        self._ended(end)


def payload_part(piece: bytes) -> bytes:
    """The PayloadPart event of a part of the response."""
    return message(
        {":event-type": "PayloadPart", ":content-type": "application/octet-stream",
         ":message-type": "event"}, piece,
    )  # fmt: skip


def model_stream_error(code: str, text: str) -> bytes:
    """The event that ends an incomplete response (ModelStreamError)."""
    return message(
        {":exception-type": "ModelStreamError", ":content-type": "application/json",
         ":message-type": "exception"},
        json.dumps({"Message": text, "ErrorCode": code}).encode(),
    )  # fmt: skip


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A message of ``application/vnd.amazon.eventstream``: lengths, headers, payload, CRCs."""
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = pack("!II", 16 + len(packed) + len(payload), len(packed))
    checked = prelude + pack("!I", zlib.crc32(prelude)) + packed + payload
    return checked + pack("!I", zlib.crc32(checked))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return pack("!B", len(key)) + key + pack("!BH", _STRING, len(text)) + text
