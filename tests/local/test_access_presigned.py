"""S3 with presigned URLs and with forms that have a signed policy."""

from __future__ import annotations

import base64
import hmac
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSRequest
from request_stage import Sent, client, send, served

from sageloop.local_cloud.access.signature import signing_key
from sageloop.local_cloud.core.cloud import Cloud

BUCKET = "presigned"
KEY = "a folder/ü + ~file%41.bin"
FEATURE = "access: S3 verifies uploads of every kind"


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


def fetch(
    url: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request) as answer:
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
def test_modified_url_is_refused(s3: Any, presigner: Any, change: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"secret")
    url = presigner.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": KEY})

    status, body = fetch(change(url))

    assert (status in (400, 403), b"secret" in body) == (True, False)


def test_url_for_get_cannot_delete(s3: Any, presigner: Any) -> None:
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
def test_url_with_expiry_over_a_week_is_refused(cloud: Cloud, seconds: int) -> None:
    s3 = client(cloud, "s3", signature_version="s3v4")
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": KEY}, ExpiresIn=seconds)

    status, body = fetch(url)
    assert (status, b"less than a week" in body) == (400, True)


def navigation(**other: str) -> dict[str, str]:
    return {
        "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
        "Referer": "https://notebooks.example/",
    } | other  # fmt: skip


def test_browser_navigation_is_allowed_to_presigned_urls_only(s3: Any, presigner: Any) -> None:
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


def test_stored_html_has_no_access_to_the_cloud(cloud: Cloud, s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="article", Body=b"<script>", ContentType="text/html")
    url = s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "article"})
    parts = urlsplit(url)

    answer = send(cloud, Sent("GET", f"{parts.path}?{parts.query}", navigation()))

    assert answer.headers["content-security-policy"] == "sandbox"


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


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
def test_form_with_signed_policy_uploads_an_object(s3: Any, presigner: Any) -> None:
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


@pytest.mark.parametrize("name", ["x-amz-checksum-crc32", "X-Amz-Checksum-Sha256"])
def test_checksum_in_a_presigned_url_is_signed_and_ignored(
    cloud: Cloud, s3: Any, name: str
) -> None:
    def add(request: AWSRequest, **_: Any) -> None:
        request.params[name] = "AAAAAA=="
        request.params["x-amz-sdk-checksum-algorithm"] = "CRC32"

    signing = client(cloud, "s3", signature_version="s3v4")
    signing.meta.events.register("before-sign.s3.PutObject", add)
    url = signing.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "ignored"})
    assert name in url

    sent = fetch(url, "PUT", b"hello")
    changed = fetch(url.replace("AAAAAA", "AAAAAB"), "PUT", b"hello")

    stored_object = s3.get_object(Bucket=BUCKET, Key="ignored", ChecksumMode="ENABLED")
    assert stored_object["Body"].read() == b"hello"
    assert (sent[0], changed[0]) == (200, 403)
