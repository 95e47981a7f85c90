"""S3's transfers by boto3 and by raw HTTP: whole, multipart, chunked, presigned, by forms."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import random
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from access_stage import Answer, Sent, client, send, served, signed_at
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from sageloop.local_cloud.access import checksums
from sageloop.local_cloud.access.signature import signing_key
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


def keeping_hash(cloud: Cloud, sent: Sent) -> Sent:
    """The request, signed over the hash that it states instead of its body's."""

    class Stated(S3SigV4Auth):
        def payload(self, request: AWSRequest) -> str:
            return str(sent.headers["x-amz-content-sha256"])

    keys = Credentials(cloud.access.access_key_id, cloud.access.secret_access_key)
    request = AWSRequest(sent.method, cloud.endpoint_url + sent.path, headers=dict(sent.headers))
    Stated(keys, "s3", "us-east-1").add_auth(request)
    return Sent(sent.method, sent.path, dict(request.headers.items()), sent.body)


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


def fetch(
    url: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    prepared = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(prepared) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(params=["s3", "s3v4"])
def presigner(cloud: Cloud, request: pytest.FixtureRequest) -> Any:
    """Clients that presign with version 2, boto3's default, and with version 4."""
    return client(cloud, "s3", signature_version=request.param)


@pytest.mark.feature(FEATURE)
def test_presigned_urls_read_and_write(s3: Any, presigner: Any) -> None:
    named = {"Bucket": BUCKET, "Key": KEY}
    upload = presigner.generate_presigned_url("put_object", named | {"ContentType": "text/csv"})
    download = presigner.generate_presigned_url(
        "get_object", named | {"ResponseContentType": "text/plain"}
    )

    assert fetch(upload, "PUT", b"1,2", **{"Content-Type": "text/csv"})[0] == 200
    assert fetch(download) == (200, b"1,2")
    assert s3.head_object(**named)["ContentType"] == "text/csv"


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("file", "fila"),
        lambda url: url.replace("Signature=", "Signature=A"),
        lambda url: url.replace("Expires=", "Expires=1"),
        lambda url: f"{url}&versionId=null",
        lambda url: url.replace("Signature=", "Unsigned="),
    ],
)
def test_changed_url_is_refused(s3: Any, presigner: Any, change: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"secret")
    url = presigner.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": KEY})

    status, body = fetch(change(url))

    assert (status in (400, 403), b"secret" in body) == (True, False)


def test_url_for_reading_does_not_delete(s3: Any, presigner: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"kept")
    url = presigner.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": KEY})

    assert fetch(url, "DELETE")[0] == 403
    assert stored(s3) == b"kept"


def test_expired_url_is_refused(s3: Any, presigner: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"secret")
    url = presigner.generate_presigned_url(
        "get_object", {"Bucket": BUCKET, "Key": KEY}, ExpiresIn=-60
    )

    status, body = fetch(url)

    assert status in (400, 403)
    assert b"secret" not in body


@pytest.mark.parametrize("seconds", [604_801, 10**9])
def test_url_for_more_than_a_week_is_refused(cloud: Cloud, seconds: int) -> None:
    s3 = client(cloud, "s3", signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": KEY}, ExpiresIn=seconds)

    status, body = fetch(url)
    assert (status, b"less than a week" in body) == (400, True)


def navigation(**other: str) -> dict[str, str]:
    return {
        "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
        "Referer": "https://notebooks.example/",
    } | other  # fmt: skip


def test_page_may_link_to_a_presigned_url_only(s3: Any, presigner: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"<script>", ContentType="text/html")
    named = {"Bucket": BUCKET, "Key": KEY}
    url = presigner.generate_presigned_url("get_object", named)

    assert fetch(url, **navigation()) == (200, b"<script>")
    assert fetch(url, **navigation(**{"Sec-Fetch-Mode": "no-cors"}))[0] == 403
    assert fetch(url, **navigation(**{"Sec-Fetch-Dest": "iframe"}))[0] == 403
    assert fetch(url, **navigation(Origin="https://notebooks.example"))[0] == 403
    assert fetch(url.split("?")[0], **navigation())[0] == 403
    writing = presigner.generate_presigned_url("put_object", named)
    assert fetch(writing, "PUT", b"x", **navigation())[0] == 403


def test_stored_html_is_not_rendered_as_a_page_of_the_cloud(cloud: Cloud, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="page", Body=b"<script>", ContentType="text/html")
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "page"})
    parts = urlsplit(url)

    answer = send(cloud, Sent("GET", f"{parts.path}?{parts.query}", navigation()))

    assert answer.headers["content-security-policy"] == "sandbox"


def post(url: str, fields: dict[str, str], content: bytes) -> tuple[int, bytes]:
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\n'
    )
    body = "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return fetch(url, "POST", body, **{"Content-Type": f"multipart/form-data; boundary={boundary}"})


@pytest.mark.feature(FEATURE)
def test_form_with_signed_policy_uploads(s3: Any, presigner: Any) -> None:
    made = presigner.generate_presigned_post(
        BUCKET, "forms/${filename}", Conditions=[["content-length-range", 1, 10]]
    )

    assert post(made["url"], made["fields"], b"hello")[0] == 204
    assert stored(s3, "forms/f.txt") == b"hello"


@pytest.mark.parametrize(
    ("change", "content", "expected"),
    [
        ({"key": "other"}, b"hello", b"Policy Condition failed"),
        ({"acl": "public-read"}, b"hello", b"Extra input fields: acl"),
        ({}, b"hello world", b"EntityTooLarge"),
        ({}, b"", b"EntityTooSmall"),
        ({"policy": b64(b'{"expiration": "2999-01-01T00:00:00Z", "conditions": []}')}, b"hello",
         b"SignatureDoesNotMatch"),
    ],
)  # fmt: skip
def test_form_that_violates_its_policy_is_refused(
    cloud: Cloud, presigner: Any, change: dict[str, str], content: bytes, expected: bytes
) -> None:
    made = presigner.generate_presigned_post(
        BUCKET, "refused", Conditions=[["content-length-range", 1, 10]]
    )
    before = len(cloud.recorder.calls())

    status, body = post(made["url"], made["fields"] | change, content)

    assert (status in (400, 403), expected in body) == (True, True), body
    assert [c.outcome for c in cloud.recorder.calls()[before:] if c.outcome == "OK"] == []


def test_form_with_expired_policy_is_refused(cloud: Cloud) -> None:
    past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    day = datetime.now(UTC).strftime("%Y%m%d")
    conditions = [{"bucket": BUCKET}, ["starts-with", "$key", ""], ["starts-with", "$x-amz-", ""]]
    policy = b64(json.dumps({"expiration": past, "conditions": conditions}).encode())
    key = signing_key(cloud.access.secret_access_key, day, "us-east-1", "s3")
    fields = {
        "key": "late", "policy": policy, "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{cloud.access.access_key_id}/{day}/us-east-1/s3/aws4_request",
        "x-amz-signature": hmac.digest(key, policy.encode(), "sha256").hex(),
    }  # fmt: skip

    status, body = post(f"{cloud.endpoint_url}/{BUCKET}", fields, b"hello")

    assert (status, b"Policy expired" in body) == (403, True)


def test_connection_is_usable_after_a_refused_upload(cloud: Cloud) -> None:
    stranger = client(cloud, "s3", "LKIANOBODYNOBODYNOBO", "secret", None, max_pool_connections=1)
    for _ in range(2):
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            stranger.put_object(Bucket=BUCKET, Key="no", Body=b"x" * (2 * MEGABYTE))
