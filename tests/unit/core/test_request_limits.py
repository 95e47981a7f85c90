"""Limits of request bodies, with and without a declared length."""

from __future__ import annotations

import io
from typing import Any

import pytest

from sageloop.local_cloud.access.authentication import discard_body
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.request_limits import bound_body

MOST = 64 * 1024**2


class Endless(io.RawIOBase):
    """A body without an end, which counts the bytes read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        count = 1 << 30 if size is None or size < 0 else size
        self.taken += count
        return b"x" * min(count, 10)


def bounded(service: str | None, stream: Any) -> dict[str, Any]:
    environ = {"wsgi.input": stream, "HTTP_TRANSFER_ENCODING": "chunked"}
    bound_body(service, environ)
    return environ


def test_body_without_length_is_read_up_to_the_limit() -> None:
    stream = Endless()
    environ = bounded("sqs", stream)

    environ["wsgi.input"].read()

    assert stream.taken == MOST + 1


def test_body_with_declared_length_above_the_limit_is_refused_unread() -> None:
    stream = Endless()
    environ = bounded("sqs", stream)

    with pytest.raises(AwsError, match=f"smaller than {MOST} bytes for the sqs service"):
        environ["wsgi.input"].read(MOST + 1)

    assert stream.taken == 0


def test_body_longer_than_the_limit_is_refused() -> None:
    environ = bounded("sqs", io.BytesIO(b"x" * (MOST + 1)))

    with pytest.raises(AwsError) as refused:
        environ["wsgi.input"].read()

    assert (refused.value.code, refused.value.status) == ("RequestEntityTooLargeException", 413)


def test_rest_of_refused_body_can_be_discarded() -> None:
    body = io.BytesIO(b"x" * (MOST + 100_000))
    environ = bounded("sqs", body)

    discard_body(environ)

    assert body.read() == b""


def test_request_with_too_long_body_is_refused() -> None:
    environ = {"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": str(MOST + 1)}

    with pytest.raises(AwsError, match="must be smaller than"):
        bound_body("sqs", environ)


def test_body_of_a_signed_request_to_s3_has_no_request_limit() -> None:
    stream = Endless()

    assert bounded("s3", stream)["wsgi.input"] is stream


def test_body_of_a_url_signed_by_version_2_has_no_request_limit() -> None:
    environ = {"wsgi.input": Endless(), "QUERY_STRING": "AWSAccessKeyId=a&Signature=b&Expires=1"}
    stream = environ["wsgi.input"]

    bound_body(None, environ)

    assert environ["wsgi.input"] is stream


def test_body_of_an_unsigned_request_is_limited() -> None:
    with pytest.raises(AwsError, match=f"smaller than {MOST} bytes for the s3"):
        bounded(None, io.BytesIO(b"x" * (MOST + 1)))["wsgi.input"].read()


def test_lines_of_a_body_count_for_its_limit() -> None:
    stream = bounded(None, io.BytesIO(b"line\n" + b"x" * (MOST + 1)))["wsgi.input"]

    assert stream.readline() == b"line\n"
    assert stream.readline(4) == b"xxxx"
    with pytest.raises(AwsError, match=f"smaller than {MOST} bytes"):
        stream.readline()


def test_body_of_exactly_the_bound_is_read() -> None:
    body = b"x" * MOST

    assert bounded("sqs", io.BytesIO(body))["wsgi.input"].read(MOST) == body
    assert bounded("sqs", io.BytesIO(body))["wsgi.input"].read() == body
    bound_body("sqs", {"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": str(MOST)})
