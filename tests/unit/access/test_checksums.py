"""Checksums of bodies, compared with published check values and the byte-wise definition."""

from __future__ import annotations

import base64
import random

import pytest

from sageloop.local_cloud.access import checksums
from sageloop.local_cloud.core.errors import AwsError

DIGITS = b"123456789"
# https://reveng.sourceforge.io/crc-catalogue/all.htm and RFC 1321, 3174, 6234, of the digits.
PUBLISHED = {
    "x-amz-checksum-crc32": "cbf43926",
    "x-amz-checksum-crc32c": "e3069283",
    "x-amz-checksum-crc64nvme": "ae8b14860a799888",
    "x-amz-checksum-sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "x-amz-checksum-sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "content-md5": "25f9e794323b453885f5181f1b624d0b",
}


def plain_crc(body: bytes, polynomial: int, width: int) -> int:
    """A reflected CRC bit by bit, as catalogues define it."""
    ones = (1 << width) - 1
    value = ones
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
    return value ^ ones


def encoded(value: str) -> str:
    return base64.b64encode(bytes.fromhex(value)).decode()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values_are_accepted(name: str) -> None:
    checksums.check({name: encoded(PUBLISHED[name])}, DIGITS)


@pytest.mark.parametrize("name", PUBLISHED)
def test_wrong_checksum_is_a_bad_digest(name: str) -> None:
    with pytest.raises(AwsError) as refused:
        checksums.check({name: encoded(PUBLISHED[name])}, DIGITS + b"0")

    assert (refused.value.code, refused.value.status) == ("BadDigest", 400)


@pytest.mark.parametrize(
    ("name", "code"), [(n, "InvalidRequest") for n in PUBLISHED if n != "content-md5"]
    + [("content-md5", "InvalidDigest")],
)  # fmt: skip
@pytest.mark.parametrize("value", ["no base64!", "AAA="])
def test_malformed_checksums_are_refused(name: str, code: str, value: str) -> None:
    with pytest.raises(AwsError) as refused:
        checksums.check({name: value}, DIGITS)

    assert refused.value.code == code


def test_other_headers_are_ignored() -> None:
    checksums.check({"x-amz-checksum-type": "FULL_OBJECT", "x-amz-checksum-mode": "ENABLED"}, b"x")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 8191, 20_000, 65_537])
def test_crcs_of_any_length_match_the_definition(size: int) -> None:
    body = random.Random(size).randbytes(size)

    assert int.from_bytes(checksums.crc32c(body)) == plain_crc(body, 0x82F63B78, 32)
    assert int.from_bytes(checksums.crc64nvme(body)) == plain_crc(body, 0x9A6C9329AC4BC9B5, 64)
