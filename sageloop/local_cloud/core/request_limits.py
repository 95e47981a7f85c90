"""Size limits of requests, and errors for requests that cannot be parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from sageloop.local_cloud.access import signature_v2
from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moto.core.request import Request

    from sageloop.local_cloud.core.wire import Operation

# 50 MB as base64: AWS documents this limit for a package in the request.
_LAMBDA_BYTES = 69_905_067
# AWS documents no limit for other requests. This one is the local cloud's, which reads a request
# into memory. Services check their own limits (6 MB for an invocation).
_OTHERS_BYTES = 64 * 1024**2
_OBJECT_BYTES = 5 * 1024**3
_KEY_BYTES = 1024
_QUERY = ("query", "ec2")
_UNSIGNED = "s3 (unsigned)"


def bound_body(signing_name: str | None, environ: dict[str, Any]) -> None:
    """Limit how much of a request's body is read; signed requests to S3 are excepted.

    A request without a credential scope is unsigned, a form with a policy, or a URL that is signed
    by version 2. The signature of such a URL is verified before its body is read; the others are
    read first, so they are limited here, although AWS accepts forms of up to 5 GB.

    Raises RequestEntityTooLargeException for a body whose declared length exceeds the limit.
    Reading beyond the limit raises it for a body without a length; the rest can still be
    discarded.
    """
    if signing_name == "s3":
        return
    if signing_name is None:
        if signature_v2.KEY in environ.get("QUERY_STRING", ""):
            return
        signing_name = _UNSIGNED
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdigit() and int(length) > _most_of(signing_name):
        raise _too_large(signing_name)
    environ["wsgi.input"] = _Bounded(environ["wsgi.input"], signing_name)


class _Bounded:
    """A request's body that is read up to the service's limit."""

    def __init__(self, stream: Any, service: str) -> None:
        self._stream = stream
        self._service = service
        self._left = _most_of(service)
        self._refused = False

    def read(self, size: int | None = None) -> bytes:
        """Read ``size`` bytes, or all of them. Raises ``AwsError`` once, beyond the limit."""
        if self._refused:
            return bytes(self._stream.read() if size is None else self._stream.read(size))
        if size is not None and size > self._left:
            raise self._too_large()
        return self._counted(self._stream.read(self._left + 1 if size is None else size))

    def readline(self, size: int = -1) -> bytes:
        """Read one line, of ``size`` bytes at most. Raises ``AwsError`` once, beyond the limit."""
        if self._refused:
            return bytes(self._stream.readline(size))
        most = self._left + 1 if size < 0 else min(size, self._left + 1)
        return self._counted(self._stream.readline(most))

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise self._too_large()
        return bytes(data)

    def _too_large(self) -> AwsError:
        self._refused = True
        return _too_large(self._service)


def _most_of(service: str) -> int:
    return _LAMBDA_BYTES if service == "lambda" else _OTHERS_BYTES


def _too_large(service: str) -> AwsError:
    return AwsError(
        "RequestEntityTooLargeException",
        f"Request must be smaller than {_most_of(service)} bytes for the {service} service", 413,
    )  # fmt: skip


def read_body(service: str, request: Request) -> None:
    """Read a request's body, which the request then caches.

    Raises RequestEntityTooLargeException before more than the service's limit is read.
    """
    request.max_content_length = _most_of(service)
    try:
        request.get_data()
    except RequestEntityTooLarge:
        raise _too_large(service) from None
    except HTTPException as error:
        raise AwsError("IncompleteBody", str(error.description), 400) from None


def check_object(request: Request, path_params: Mapping[str, str]) -> None:
    """Raise S3's error for a key or an object that is too large."""
    if len(str(path_params.get("Key", "")).encode()) > _KEY_BYTES:
        raise AwsError("KeyTooLongError", "Your key is too long")
    if request.content_length is not None and request.content_length > _OBJECT_BYTES:
        raise AwsError(
            "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."
        )


def unreadable(operation: Operation, error: Exception) -> AwsError:
    """The error, in the protocol's format, for a request whose parameters cannot be parsed."""
    what = "the request is nested too deeply" if isinstance(error, RecursionError) else str(error)
    code = "MalformedInput" if operation.protocol in _QUERY else "SerializationException"
    return AwsError(code, what)
