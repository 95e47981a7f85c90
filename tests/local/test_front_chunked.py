"""Requests with bodies in HTTP's chunked transfer coding, over persistent connections."""

from __future__ import annotations

import base64
import http.client
import zlib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from request_stage import Answer, Sent, client, keeping_hash, request_of, served, signed_at

from sageloop.local_cloud.core.cloud import Cloud

BUCKET = "chunked"
TRAILER = "x-amz-checksum-crc32"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served() as made:
        client(made, "s3").create_bucket(Bucket=BUCKET)
        yield made


@pytest.fixture
def connection(cloud: Cloud) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=60)
    yield made
    made.close()


def send_on(connection: http.client.HTTPConnection, sent: Sent, raw: bytes | None = None) -> Answer:
    """Send a request with its body in HTTP's chunks, or with raw bytes in their place."""
    connection.putrequest(sent.method, sent.path, skip_host=True, skip_accept_encoding=True)
    headers = {"Host": f"127.0.0.1:{connection.port}", "Transfer-Encoding": "chunked"}
    for name, value in (headers | dict(sent.headers)).items():
        connection.putheader(name, value)
    pieces = [sent.body[at : at + 7] for at in range(0, len(sent.body), 7)]
    if raw is None:
        raw = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    connection.endheaders(raw)
    answer = connection.getresponse()
    headers_received = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, headers_received, answer.read())


def aws_chunked(cloud: Cloud, key: str, body: bytes, after: bytes = b"") -> Sent:
    """A PutObject in the format of streams of AWS's SDKs: S3's chunks, then the checksum."""
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    encoded = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    encoded += f"{TRAILER}:{checksum}\r\n\r\n".encode()
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": TRAILER,
        "content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body)),
    }  # fmt: skip
    return keeping_hash(cloud, Sent("PUT", f"/{BUCKET}/{key}", headers, encoded + after))


def stored(cloud: Cloud, key: str) -> bytes:
    return bytes(client(cloud, "s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.mark.feature("access: S3 verifies what is uploaded, in every way that clients have")
def test_s3_stores_nested_chunks_and_keeps_the_connection(
    cloud: Cloud, connection: http.client.HTTPConnection
) -> None:
    for key in ("one", "two"):
        answer = send_on(connection, aws_chunked(cloud, key, key.encode() * 9))
        assert answer.status == 200, answer.text

    assert (stored(cloud, "one"), stored(cloud, "two")) == (b"one" * 9, b"two" * 9)


def test_data_after_the_trailer_is_refused(
    cloud: Cloud, connection: http.client.HTTPConnection
) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\n\r\n"

    answer = send_on(connection, aws_chunked(cloud, "more", b"content", smuggled))

    assert (answer.status, "MalformedTrailerError" in answer.text) == (400, True)
    assert send_on(connection, aws_chunked(cloud, "next", b"next")).status == 200
    paths = [call.params.get("Path") for call in cloud.recorder.calls()]
    assert "/smuggled" not in paths


def test_other_services_accept_chunks(cloud: Cloud, connection: http.client.HTTPConnection) -> None:
    answer = send_on(connection, request_of(cloud, "sts"))

    assert answer.status == 200, answer.text


@pytest.mark.parametrize("raw", [b"nonsense\r\n", b"5\r\nhelloX\r\n0\r\n\r\n"])
def test_malformed_chunks_are_refused_and_the_connection_is_closed(
    cloud: Cloud, connection: http.client.HTTPConnection, raw: bytes
) -> None:
    unsigned = Sent("PUT", f"/{BUCKET}/raw", {}, b"hello")
    headers = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    sent = signed_at(cloud, "s3", Sent("PUT", unsigned.path, headers), timedelta())

    answer = send_on(connection, sent, raw)

    assert (answer.status, "IncompleteBody" in answer.text) == (400, True)
    assert connection.sock is None or connection.sock.recv(1) == b""
