"""Reads S3's request bodies: decodes chunks, and verifies hashes and checksums.

The result is one body of known length without transfer encoding.
"""

from __future__ import annotations

import hmac
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sageloop.local_cloud.access import checksums
from sageloop.local_cloud.access.claims import Claim
from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.access.requests import variable_of
from sageloop.local_cloud.access.signature import key_of, verify_chunk, verify_trailer
from sageloop.local_cloud.core.chunked_body import chunk_size
from sageloop.local_cloud.core.errors import AwsError

UNSIGNED = "UNSIGNED-PAYLOAD"
_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_TRAILER = "-TRAILER"
_STREAMING = {
    _SIGNED_CHUNKS: (True, False),
    _SIGNED_CHUNKS + _TRAILER: (True, True),
    "STREAMING-UNSIGNED-PAYLOAD" + _TRAILER: (False, True),
}
_LINE = 8192
_LONGEST_TRAILER = 16_384
_HASH_LENGTH = 64

Check = Callable[[bytes, str], None]


@dataclass
class _Chunks:
    """Reads the chunks of an ``aws-chunked`` body and verifies each."""

    stream: Any
    length: int
    check: Check | None
    signature: str
    pieces: list[bytes] = field(default_factory=list)

    def read(self) -> bytes:
        """The body without chunks. Raises ``AwsError`` and :class:`Denied`."""
        total = 0
        while True:
            size, signature = self._header()
            total += size
            if total > self.length:
                raise _incomplete()
            piece = self.stream.read(size) if size else b""
            if len(piece) != size:
                raise _incomplete()
            if self.check is not None:
                self.check(piece, signature)
                self.signature = signature
            if not size:
                break
            self.pieces.append(piece)
            if self.stream.readline(_LINE) != b"\r\n":
                raise _incomplete()
        if total != self.length:
            raise _incomplete()
        return b"".join(self.pieces) if len(self.pieces) != 1 else self.pieces[0]

    def trailer(self) -> dict[str, str]:
        """The headers after the last chunk, in lower case and in the order of arrival."""
        headers: dict[str, str] = {}
        read = 0
        while line := self.stream.readline(_LINE).strip():
            read += len(line)
            name, _, value = line.decode("latin-1").partition(":")
            if read > _LONGEST_TRAILER or not value:
                raise AwsError("MalformedTrailerError", _MALFORMED_TRAILER)
            headers[name.strip().lower()] = value.strip()
        if self.stream.read(1):
            raise AwsError("MalformedTrailerError", _MALFORMED_TRAILER)
        return headers

    def _header(self) -> tuple[int, str]:
        line = self.stream.readline(_LINE)
        size, _, extension = line.strip().partition(b";")
        signature = extension.partition(b"chunk-signature=")[2].decode("latin-1")
        length = chunk_size(size)
        if length is None:
            raise _incomplete()
        return length, signature


def payload_hash(environ: dict[str, Any], claim: Claim) -> str:
    """The hash of the body of an S3 request that the signature covers."""
    stated: str = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    if not stated and claim.seconds is not None:
        return UNSIGNED
    if not stated:
        raise AwsError(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    is_hash = len(stated) == _HASH_LENGTH and all(c in "0123456789abcdef" for c in stated)
    if stated != UNSIGNED and stated not in _STREAMING and not is_hash:
        raise AwsError(
            "InvalidArgument",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a "
            "valid sha256 value; the local cloud verifies no asymmetric signatures.",
        )
    return stated


def take_body(environ: dict[str, Any], stated: str, claim: Claim | None, secret: str) -> None:
    """Read and verify the body, and store it in the environment without transfer encoding.

    ``stated`` is the hash that was signed, or the name of the transfer method. Raises ``AwsError``
    and :class:`Denied` before the request is executed.
    """
    streamed = _STREAMING.get(stated)
    digests = dict(checksums.headers_of(environ))
    if streamed is None:
        body = _plain_body(environ)
        if stated not in ("", UNSIGNED) and not hmac.compare_digest(
            sha256(body).hexdigest(), stated
        ):
            raise AwsError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
    else:
        body, trailing = _chunked_body(environ, streamed, claim, secret)
        digests |= trailing
        environ |= {variable_of(name): value for name, value in trailing.items()}
        _remove_chunk_headers(environ)
    checksums.check(digests, body)
    environ["wsgi.input"] = io.BytesIO(body)
    # The bytes are passed on without another wrapper: no reader counts or copies them.
    environ["wsgi.input_terminated"] = True
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def _plain_body(environ: dict[str, Any]) -> bytes:
    length = environ.get("CONTENT_LENGTH", "")
    if not length:
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        return bytes(environ["wsgi.input"].read()) if chunked else b""
    body: bytes = environ["wsgi.input"].read(int(length))
    if len(body) != int(length):
        raise _incomplete()
    return body


def _chunked_body(
    environ: dict[str, Any], streamed: tuple[bool, bool], claim: Claim | None, secret: str
) -> tuple[bytes, dict[str, str]]:
    signed, trailed = streamed
    length = environ.get("HTTP_X_AMZ_DECODED_CONTENT_LENGTH", "")
    if not length.isascii() or not length.isdigit():
        raise AwsError(
            "MissingContentLength", "You must provide the Content-Length HTTP header.", 411
        )
    key = b"" if claim is None else key_of(claim, secret)
    chunks = _Chunks(environ["wsgi.input"], int(length), None, claim.signature if claim else "")
    if signed:
        if claim is None:
            raise Denied(Denial.MISSING)
        chunks.check = lambda piece, sig: verify_chunk(claim, key, chunks.signature, piece, sig)
    body = chunks.read()
    trailing = chunks.trailer()
    signature = trailing.pop("x-amz-trailer-signature", "")
    if signed and trailed and claim is not None:
        text = "".join(f"{name}:{value}\n" for name, value in sorted(trailing.items()))
        verify_trailer(claim, key, chunks.signature, text, signature)
    announced = {n.strip().lower() for n in environ.get("HTTP_X_AMZ_TRAILER", "").split(",") if n}
    if announced != set(trailing):
        raise AwsError("MalformedTrailerError", _MALFORMED_TRAILER)
    return body, trailing


def _remove_chunk_headers(environ: dict[str, Any]) -> None:
    for header in ("x-amz-trailer", "x-amz-decoded-content-length"):
        environ.pop(variable_of(header), None)
    environ["HTTP_X_AMZ_CONTENT_SHA256"] = UNSIGNED
    kept = [
        part.strip()
        for part in environ.pop("HTTP_CONTENT_ENCODING", "").split(",")
        if part.strip() not in ("", "aws-chunked")
    ]
    if kept:
        environ["HTTP_CONTENT_ENCODING"] = ",".join(kept)


def _incomplete() -> AwsError:
    return AwsError(
        "IncompleteBody",
        "The request body terminated unexpectedly, or is not as long as its headers say.",
    )


_MALFORMED_TRAILER = (
    "The request contained trailing data that was not well-formed or did not conform to our "
    "published schema."
)
