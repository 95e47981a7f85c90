"""Signatures that AWS has published: its test suite for version 4, and examples of S3's guide.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from wsgi import environ_of

from sageloop.local_cloud.access import bodies
from sageloop.local_cloud.access.claims import claim_of_headers, claim_of_query
from sageloop.local_cloud.access.refusals import Denied
from sageloop.local_cloud.access.requests import query_pairs
from sageloop.local_cloud.access.signature import EMPTY_HASH, verify

SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
GUIDE_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SUITE = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
GUIDE = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
BUCKET = "http://examplebucket.s3.amazonaws.com"

Headers = list[tuple[str, str]]


def signed(credential: str, headers: Headers, signature: str) -> Headers:
    names = ";".join(sorted({"host", *(name.lower() for name, _ in headers)}))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    return [*headers, ("Authorization", authorization)]


FORM = ("Content-Type", "application/x-www-form-urlencoded")
SUITE_CASES: dict[str, tuple[str, str, Headers, bytes, str]] = {
    "get-vanilla": (
        "GET", "/", [], b"",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-relative": (
        "GET", "/example/..", [], b"",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-slash-dot-slash": (
        "GET", "/./", [], b"",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-utf8": (
        "GET", "/ሴ", [], b"",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    "get-vanilla-query-order-key-case": (
        "GET", "/?Param2=value2&Param1=value1", [], b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-header-value-trim": (
        "GET", "/", [("My-Header1", "value1"), ("My-Header2", '"a   b   c"')], b"",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-vanilla": (
        "POST", "/", [], b"",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-x-www-form-urlencoded": (
        "POST", "/", [FORM], b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}  # fmt: skip


def suite_environ(case: str) -> dict[str, Any]:
    method, path, headers, body, signature = SUITE_CASES[case]
    dated = [*headers, ("X-Amz-Date", "20150830T123600Z")]
    url = f"http://example.amazonaws.com{path}"
    return environ_of(method, url, signed(SUITE, dated, signature), body)


@pytest.mark.parametrize("case", SUITE_CASES)
def test_signatures_of_the_published_suite_verify(case: str) -> None:
    environ = suite_environ(case)
    body_hash = sha256(SUITE_CASES[case][3]).hexdigest()

    verify(claim_of_headers(environ), SUITE_SECRET, environ, body_hash)


@pytest.mark.parametrize("case", SUITE_CASES)
def test_signatures_of_the_published_suite_do_not_verify_another_method(case: str) -> None:
    environ = suite_environ(case) | {"REQUEST_METHOD": "DELETE"}

    with pytest.raises(Denied):
        verify(claim_of_headers(environ), SUITE_SECRET, environ, EMPTY_HASH)


GUIDE_CASES: dict[str, tuple[str, str, Headers, str, str]] = {
    "get-object": (
        "GET", "/test.txt", [("Range", "bytes=0-9")], EMPTY_HASH,
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put-object": (
        "PUT", "/test%24file.text",
        [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")],
        sha256(b"Welcome to Amazon S3.").hexdigest(),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "get-bucket-lifecycle": (
        "GET", "/?lifecycle", [], EMPTY_HASH,
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list-objects": (
        "GET", "/?max-keys=2&prefix=J", [], EMPTY_HASH,
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GUIDE_CASES)
def test_signatures_of_the_s3_guide_verify(case: str) -> None:
    method, path, headers, body_hash, signature = GUIDE_CASES[case]
    dated = [*headers, ("X-Amz-Date", "20130524T000000Z"), ("X-Amz-Content-Sha256", body_hash)]
    environ = environ_of(method, BUCKET + path, signed(GUIDE, dated, signature))
    claim = claim_of_headers(environ)

    assert bodies.payload_hash(environ, claim) == body_hash
    verify(claim, GUIDE_SECRET, environ, body_hash)


def test_presigned_url_of_the_s3_guide_verifies() -> None:
    environ = environ_of(
        "GET",
        f"{BUCKET}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
        f"{GUIDE.replace('/', '%2F')}&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
        "&X-Amz-SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        [],
    )
    claim = claim_of_query(dict(query_pairs(environ)))

    assert claim.seconds == 86_400
    verify(claim, GUIDE_SECRET, environ, bodies.payload_hash(environ, claim))


CHUNKED = (
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
TRAILED = (
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER = (
    b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
    b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"
)


def chunked(signatures: tuple[str, ...], trailer: bytes = b"") -> bytes:
    """The guide's body of 66,560 letters, in two chunks and an empty one."""
    sizes = (65_536, 1024, 0)
    parts = []
    for size, signature in zip(sizes, signatures[1:], strict=True):
        parts.append(f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size)
        parts.append(b"\r\n" if size else b"")
    return b"".join(parts) + trailer + b"\r\n"


def streamed_environ(
    way: str, signatures: tuple[str, ...], length: str, trailer: bytes = b""
) -> dict[str, Any]:
    headers: Headers = [
        ("X-Amz-Date", "20130524T000000Z"), ("X-Amz-Storage-Class", "REDUCED_REDUNDANCY"),
        ("X-Amz-Content-Sha256", way), ("Content-Encoding", "aws-chunked"),
        ("X-Amz-Decoded-Content-Length", "66560"),
    ]  # fmt: skip
    if trailer:
        headers.append(("X-Amz-Trailer", "x-amz-checksum-crc32c"))
    else:
        headers.append(("Content-Length", length))
    body = chunked(signatures, trailer)
    url = "http://s3.amazonaws.com/examplebucket/chunkObject.txt"
    return environ_of("PUT", url, signed(GUIDE, headers, signatures[0]), body) | {
        "CONTENT_LENGTH": length
    }


def test_chunked_upload_of_the_s3_guide_verifies() -> None:
    way = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    environ = streamed_environ(way, CHUNKED, "66824")
    claim = claim_of_headers(environ)

    verify(claim, GUIDE_SECRET, environ, way)
    bodies.take_body(environ, way, claim, GUIDE_SECRET)

    assert environ["wsgi.input"].read() == b"a" * 66_560
    assert environ["CONTENT_LENGTH"] == "66560"
    assert "HTTP_CONTENT_ENCODING" not in environ


def test_chunked_upload_with_trailer_of_the_s3_guide_verifies() -> None:
    way = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    environ = streamed_environ(way, TRAILED, "66946", TRAILER)
    claim = claim_of_headers(environ)

    verify(claim, GUIDE_SECRET, environ, way)
    bodies.take_body(environ, way, claim, GUIDE_SECRET)

    assert environ["wsgi.input"].read() == b"a" * 66_560
    assert environ["HTTP_X_AMZ_CHECKSUM_CRC32C"] == "sOO8/Q=="


@pytest.mark.parametrize("number", [1, 2, 3])
def test_chunk_with_wrong_signature_is_refused(number: int) -> None:
    way = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    signatures = list(CHUNKED)
    signatures[number] = CHUNKED[number - 1]
    environ = streamed_environ(way, tuple(signatures), "66824")

    with pytest.raises(Denied):
        bodies.take_body(environ, way, claim_of_headers(environ), GUIDE_SECRET)


def test_changed_trailer_is_refused() -> None:
    way = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    environ = streamed_environ(way, TRAILED, "66946", TRAILER.replace(b"sOO8", b"sOO9"))

    with pytest.raises(Denied):
        bodies.take_body(environ, way, claim_of_headers(environ), GUIDE_SECRET)
