"""Bodies of requests to S3 without a server: lengths, chunks, trailers and what they announce."""

from __future__ import annotations

import base64
import io
import zlib
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from wsgi import environ_of, environ_of_request

from sageloop.local_cloud.access.bodies import UNSIGNED, payload_hash, take_body
from sageloop.local_cloud.access.claims import Claim, claim_of_headers
from sageloop.local_cloud.access.refusals import Denial, Denied
from sageloop.local_cloud.core.errors import AwsError

URL = "http://127.0.0.1:4747/bucket/key"
STREAM = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_STREAM = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CRC32 = "x-amz-checksum-crc32"


def checksum(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def streamed(sent: bytes, length: int, *, trailers: str = CRC32) -> dict[str, Any]:
    headers = [("x-amz-decoded-content-length", str(length)), ("x-amz-trailer", trailers)]
    return environ_of("PUT", URL, headers, sent)


def refusal(environ: dict[str, Any], stated: str = STREAM) -> str:
    with pytest.raises(AwsError) as refused:
        take_body(environ, stated, None, "")
    return refused.value.code


@pytest.fixture
def claim() -> Claim:
    """The claim of a request that its headers sign."""
    request = AWSRequest("PUT", URL)
    SigV4Auth(Credentials("LKIA", "secret"), "s3", "us-east-1").add_auth(request)
    return claim_of_headers(environ_of_request(request))


def test_chunks_are_joined_and_the_trailer_becomes_a_header() -> None:
    sent = b"3\r\nhel\r\n2\r\nlo\r\n0\r\n" + f"{CRC32}:{checksum(b'hello')}\r\n\r\n".encode()
    environ = streamed(sent, 5)

    take_body(environ, STREAM, None, "")

    assert environ["wsgi.input"].read() == b"hello"
    assert environ["HTTP_X_AMZ_CHECKSUM_CRC32"] == checksum(b"hello")
    assert environ["CONTENT_LENGTH"] == "5"


@pytest.mark.parametrize(
    "sent", [b"5\r\nhelloXX\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello", b"5\r\nhel"]
)
def test_chunk_that_does_not_end_as_it_states_is_refused(sent: bytes) -> None:
    assert refusal(streamed(sent, 5, trailers="")) == "IncompleteBody"


@pytest.mark.parametrize("size", [b"-5", b"+5", b"0x5", b"5_0", b""])
def test_size_that_is_not_hexadecimal_is_refused(size: bytes) -> None:
    assert refusal(streamed(size + b"\r\nhello\r\n0\r\n\r\n", 5, trailers="")) == "IncompleteBody"


def test_chunk_beyond_the_stated_length_is_not_read() -> None:
    environ = streamed(b"6\r\n" + b"x" * 100, 5, trailers="")

    assert refusal(environ) == "IncompleteBody"
    assert environ["wsgi.input"].read() == b"x" * 100


def test_trailer_that_is_not_announced_is_refused() -> None:
    sent = b"5\r\nhello\r\n0\r\n" + f"{CRC32}:{checksum(b'hello')}\r\n\r\n".encode()

    assert refusal(streamed(sent, 5, trailers="")) == "MalformedTrailerError"


@pytest.mark.parametrize(
    ("length", "expected"), [(16_384, None), (16_385, "MalformedTrailerError")]
)
def test_trailers_have_16384_bytes_at_most(length: int, expected: str | None) -> None:
    lines = [b"a:" + b"1" * 4_998, b"b:" + b"1" * 4_998, b"c:" + b"1" * 4_998]
    lines.append(b"d:" + b"1" * (length - 15_002))
    sent = b"1\r\nx\r\n0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    environ = streamed(sent, 1, trailers="a,b,c,d")

    if expected is None:
        take_body(environ, STREAM, None, "")
        assert environ["wsgi.input"].read() == b"x"
    else:
        assert refusal(environ) == expected


def test_signed_chunks_without_a_signature_of_the_request_are_denied() -> None:
    environ = streamed(b"5\r\nhello\r\n0\r\n\r\n", 5, trailers="")

    with pytest.raises(Denied) as denied:
        take_body(environ, SIGNED_STREAM, None, "")

    assert denied.value.denial is Denial.MISSING


@pytest.mark.parametrize("length", ["", "five", "-5", "\u0665"])
def test_chunks_without_a_length_are_refused(length: str) -> None:
    environ = streamed(b"5\r\nhello\r\n0\r\n\r\n", 5)
    environ["HTTP_X_AMZ_DECODED_CONTENT_LENGTH"] = length

    assert refusal(environ) == "MissingContentLength"


def test_body_that_is_shorter_than_its_length_is_refused() -> None:
    environ = environ_of("PUT", URL, [], b"hello")
    environ |= {"CONTENT_LENGTH": "6", "wsgi.input": io.BytesIO(b"hello")}

    assert refusal(environ, UNSIGNED) == "IncompleteBody"


def test_request_without_a_hash_of_its_body_is_refused(claim: Claim) -> None:
    with pytest.raises(AwsError, match=r"Missing required header .* x-amz-content-sha256"):
        payload_hash(environ_of("PUT", URL, []), claim)


def test_presigned_request_without_a_hash_leaves_its_body_unsigned(claim: Claim) -> None:
    assert payload_hash(environ_of("PUT", URL, []), claim._replace(seconds=60)) == UNSIGNED


@pytest.mark.parametrize("stated", ["g" * 64, "A" * 64, "a" * 63, "a" * 65, "UNSIGNED"])
def test_hash_that_is_none_is_an_invalid_argument(claim: Claim, stated: str) -> None:
    environ = environ_of("PUT", URL, [("x-amz-content-sha256", stated)])

    with pytest.raises(AwsError) as refused:
        payload_hash(environ, claim)

    assert refused.value.code == "InvalidArgument"
