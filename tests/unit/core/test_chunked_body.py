"""Bodies in HTTP's chunks, as they are read off a connection."""

from __future__ import annotations

import io

import pytest

from sageloop.local_cloud.core.chunked_body import ChunkedBody, chunk_size
from sageloop.local_cloud.core.errors import AwsError

NEXT = b"GET / HTTP/1.1\r\n"


def test_content_is_read_without_its_chunks_and_the_next_request_is_left() -> None:
    stream = io.BytesIO(b"5\r\nhello\r\nA;name=value\r\n, you all!\r\n0\r\n\r\n" + NEXT)
    body = ChunkedBody(stream)

    assert io.BufferedReader(body).read() == b"hello, you all!"
    assert body.finished
    assert stream.read() == NEXT


def test_lines_and_pieces_are_read_across_chunks() -> None:
    stream = io.BytesIO(b"3\r\na\r\n\r\n4\r\nb\r\nc\r\n2\r\nde\r\n0\r\n\r\n")
    reader = io.BufferedReader(ChunkedBody(stream))

    assert reader.readline(80) == b"a\r\n"
    assert reader.readline(80) == b"b\r\n"
    assert reader.read(2) == b"cd"
    assert reader.read(8) == b"e"
    assert reader.readline(80) == b""


def test_trailer_fields_of_the_coding_are_skipped() -> None:
    stream = io.BytesIO(b"1\r\na\r\n0\r\nfirst: 1\r\nsecond: 2\r\n\r\n" + NEXT)
    body = ChunkedBody(stream)

    assert io.BufferedReader(body).read() == b"a"
    assert (body.finished, stream.read()) == (True, NEXT)


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhelloX\r\n0\r\n\r\n",
        b"zz\r\nhello\r\n0\r\n\r\n", b"\r\n\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n", b"5", b"0\r\n", b"0\r\nfirst: 1\r\n",
        b"0\r\n" + b"a: 1\r\n" * 64 + b"\r\n",
    ],
)  # fmt: skip
def test_malformed_body_is_refused_once_and_then_reads_as_ended(sent: bytes) -> None:
    body = ChunkedBody(io.BytesIO(sent))
    reader = io.BufferedReader(body)

    with pytest.raises(AwsError) as refused:
        reader.read()

    assert refused.value.code == "IncompleteBody"
    assert reader.read(8) == b""
    assert not body.finished


def test_sixty_three_trailer_fields_are_taken() -> None:
    body = ChunkedBody(io.BytesIO(b"0\r\n" + b"a: 1\r\n" * 63 + b"\r\n"))

    assert io.BufferedReader(body).read() == b""
    assert body.finished


@pytest.mark.parametrize(("text", "size"), [(b"0", 0), (b"1f", 31), (b"FF", 255), (b"00a", 10)])
def test_size_is_read_as_hexadecimal_digits(text: bytes, size: int) -> None:
    assert chunk_size(text) == size


@pytest.mark.parametrize("text", [b"", b"+5", b"-5", b"0x5", b"1_0", b" 5", b"5 ", b"g", b"1" * 17])
def test_size_that_is_not_hexadecimal_digits_is_none(text: bytes) -> None:
    assert chunk_size(text) is None
