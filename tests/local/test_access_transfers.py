"""S3's transfers: whole, in parts, in chunks, with hashes and checksums."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from request_stage import Answer, Sent, client, keeping_hash, send, served, signed_at

from sageloop.local_cloud.access import checksums
from sageloop.local_cloud.core.cloud import Cloud

BUCKET = "transfers"
KEY = "a folder/ü + ~file%41.bin"
MEGABYTE = 1 << 20
FEATURE = "access: S3 verifies uploads of every form"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served() as made:
        client(made, "s3").create_bucket(Bucket=BUCKET)
        yield made


@pytest.fixture(scope="module")
def s3(cloud: Cloud) -> Any:
    return client(cloud, "s3")


def stored(s3: Any, key: str = KEY) -> bytes:
    return bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.mark.feature(FEATURE)
def test_large_objects_are_transferred_whole_and_in_parts(s3: Any) -> None:
    body = random.Random(1).randbytes(24 * MEGABYTE)
    several = TransferConfig(multipart_threshold=6 * MEGABYTE, multipart_chunksize=6 * MEGABYTE)

    s3.put_object(Bucket=BUCKET, Key="whole", Body=body)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, "parts", Config=several)
    back = io.BytesIO()
    s3.download_fileobj(BUCKET, "parts", back, Config=several)

    assert stored(s3, "whole") == body
    assert back.getvalue() == body


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_of_clients_are_stored(s3: Any, algorithm: str) -> None:
    sent = s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"hello", ChecksumAlgorithm=algorithm)

    actual = s3.head_object(Bucket=BUCKET, Key=KEY, ChecksumMode="ENABLED")
    assert actual[f"Checksum{algorithm}"] == sent[f"Checksum{algorithm}"]


def test_metadata_names_keep_underscores(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"x", Metadata={"my_key": "1"})

    assert s3.head_object(Bucket=BUCKET, Key=KEY)["Metadata"] == {"my_key": "1"}


def test_one_client_is_shared_by_many_threads(s3: Any) -> None:
    def turn(number: int) -> bool:
        s3.put_object(Bucket=BUCKET, Key=f"n/{number}", Body=str(number).encode())
        return stored(s3, f"n/{number}") == str(number).encode()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(turn, range(40)))


def put(cloud: Cloud, body: bytes, **headers: str) -> Answer:
    """A PutObject of ``body``, signed with these headers."""
    sent = Sent("PUT", f"/{BUCKET}/raw", {}, body).with_headers(**headers)
    return send(cloud, signed_at(cloud, "s3", sent, timedelta()))


def code(answer: Answer) -> str:
    return answer.text.split("<Code>")[1].split("</Code>")[0]


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


GOOD = {
    "Content_MD5": b64(hashlib.md5(b"hello", usedforsecurity=False).digest()),
    "x_amz_checksum_crc32c": b64(checksums.crc32c(b"hello")),
    "x_amz_checksum_crc64nvme": b64(checksums.crc64nvme(b"hello")),
    "x_amz_checksum_sha256": b64(hashlib.sha256(b"hello").digest()),
}


@pytest.mark.parametrize("header", GOOD)
def test_body_with_wrong_checksum_is_not_stored(cloud: Cloud, s3: Any, header: str) -> None:
    assert put(cloud, b"hello", **{header: GOOD[header]}).status == 200

    refused = put(cloud, b"hallo", **{header: GOOD[header]})

    assert (refused.status, code(refused)) == (400, "BadDigest")
    assert stored(s3, "raw") == b"hello"


def test_body_with_wrong_signed_hash_is_not_stored(cloud: Cloud, s3: Any) -> None:
    put(cloud, b"hello")
    sent = signed_at(cloud, "s3", Sent("PUT", f"/{BUCKET}/raw", {}, b"hello"), timedelta())

    refused = send(cloud, Sent(sent.method, sent.path, sent.headers, b"hallo"))

    assert (refused.status, code(refused)) == (400, "XAmzContentSHA256Mismatch")
    assert stored(s3, "raw") == b"hello"


def test_unsigned_amz_header_is_refused(cloud: Cloud) -> None:
    sent = signed_at(cloud, "s3", Sent("PUT", f"/{BUCKET}/raw", {}, b"hello"), timedelta())

    refused = send(cloud, sent.with_headers(x_amz_acl="public-read"))

    assert (refused.status, code(refused)) == (403, "AccessDenied")


def chunks(*parts: bytes, trailer: str = "") -> bytes:
    pieces = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in parts)
    return pieces + b"0\r\n" + trailer.encode() + b"\r\n"


def streamed(cloud: Cloud, body: bytes, length: int, **more: str) -> Answer:
    headers = {
        "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x_amz_trailer": "x-amz-checksum-crc32c", "Content_Encoding": "aws-chunked",
        "x_amz_decoded_content_length": str(length),
    }  # fmt: skip
    sent = Sent("PUT", f"/{BUCKET}/streamed", {}, body).with_headers(**headers | more)
    return send(cloud, keeping_hash(cloud, sent))


def trailer(body: bytes) -> str:
    return f"x-amz-checksum-crc32c:{b64(checksums.crc32c(body))}\r\n"


@pytest.mark.feature(FEATURE)
def test_chunked_body_is_stored_without_chunks(cloud: Cloud, s3: Any) -> None:
    sent = streamed(cloud, chunks(b"hel", b"lo", trailer=trailer(b"hello")), 5)

    assert sent.status == 200, sent.text
    actual = s3.get_object(Bucket=BUCKET, Key="streamed", ChecksumMode="ENABLED")
    assert actual["Body"].read() == b"hello"
    assert "ContentEncoding" not in actual


@pytest.mark.parametrize(
    ("body", "length", "expected"),
    [
        (chunks(b"hallo", trailer=trailer(b"hello")), 5, "BadDigest"),
        (chunks(b"hello", trailer=trailer(b"hello")), 6, "IncompleteBody"),
        (chunks(b"hello", trailer=trailer(b"hello")), 4, "IncompleteBody"),
        (chunks(b"hello"), 5, "MalformedTrailerError"),
        (chunks(b"hello", trailer="x-amz-checksum-crc32:AAAAAA==\r\n"), 5, "MalformedTrailerError"),
        (b"zz\r\nhello", 5, "IncompleteBody"),
    ],
)
def test_invalid_chunks_are_not_stored(
    cloud: Cloud, s3: Any, body: bytes, length: int, expected: str
) -> None:
    refused = streamed(cloud, body, length, x_amz_meta_try=uuid.uuid4().hex)

    assert (refused.status, code(refused)) == (400, expected)
    assert cloud.recorder.calls(action="s3:PutObject")[-1].outcome == expected


def test_body_signed_by_an_asymmetric_key_is_refused_by_name(cloud: Cloud) -> None:
    refused = streamed(
        cloud, b"", 0, x_amz_content_sha256="STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    )

    assert (refused.status, code(refused)) == (400, "InvalidArgument")


def test_connection_is_usable_after_a_refused_upload(cloud: Cloud) -> None:
    stranger = client(cloud, "s3", "LKIANOBODYNOBODYNOBO", "secret", None, max_pool_connections=1)
    for _ in range(2):
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            stranger.put_object(Bucket=BUCKET, Key="no", Body=b"x" * (2 * MEGABYTE))


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_object_of_a_forms_type_is_stored_as_it_is_sent(s3: Any, content_type: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="form", Body=b"a=1&key=2", ContentType=content_type)

    stored_object = s3.get_object(Bucket=BUCKET, Key="form")
    assert stored_object["Body"].read() == b"a=1&key=2"
    assert stored_object["ContentType"] == content_type
