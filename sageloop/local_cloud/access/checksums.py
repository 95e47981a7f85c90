"""The checksum algorithms of S3.

Python's standard library has no CRC32C and no CRC64NVME. numpy computes them over many parts of a
body at once and combines the values, since a CRC is linear.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sageloop.local_cloud.core.errors import AwsError

_PREFIX = "x-amz-checksum-"
_CRC32C, _CRC64NVME = (0x82F63B78, 32), (0x9A6C9329AC4BC9B5, 64)
_SMALL = 1 << 12
_BYTE, _EIGHT = np.uint64(0xFF), np.uint64(8)

_Words = NDArray[np.uint64]


def check(headers: Mapping[str, str], body: bytes) -> None:
    """Verify a body against its checksum headers; names are in lower case.

    Raises ``AwsError`` as S3 does: BadDigest, InvalidDigest, InvalidRequest.
    """
    md5 = headers.get("content-md5")
    if md5:
        _check_md5(md5, body)
    for name, value in headers.items():
        algorithm = name.removeprefix(_PREFIX)
        if algorithm == name or algorithm not in _ALGORITHMS:
            continue
        computed = _ALGORITHMS[algorithm](body)
        if _decoded(value) is None or len(_decoded(value) or b"") != len(computed):
            raise AwsError("InvalidRequest", f"Value for {name} header is invalid.")
        if not hmac.compare_digest(base64.b64encode(computed), value.encode("latin-1", "replace")):
            raise AwsError(
                "BadDigest",
                f"The {algorithm.upper()} you specified did not match the calculated checksum.",
            )


def headers_of(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The checksum headers of a request."""
    if "HTTP_CONTENT_MD5" in environ:
        yield "content-md5", environ["HTTP_CONTENT_MD5"]
    for name in _ALGORITHMS:
        value = environ.get(f"HTTP_X_AMZ_CHECKSUM_{name.upper()}")
        if value is not None:
            yield _PREFIX + name, value


def crc32c(body: bytes) -> bytes:
    """CRC-32C (Castagnoli), big-endian."""
    return _crc(body, *_CRC32C).to_bytes(4, "big")


def crc64nvme(body: bytes) -> bytes:
    """CRC-64/NVME, big-endian."""
    return _crc(body, *_CRC64NVME).to_bytes(8, "big")


def _check_md5(md5: str, body: bytes) -> None:
    value = _decoded(md5)
    if value is None or len(value) != 16:
        raise AwsError("InvalidDigest", "The Content-MD5 you specified was invalid.")
    if value != hashlib.md5(body, usedforsecurity=False).digest():
        raise AwsError("BadDigest", "The Content-MD5 you specified did not match what we received.")


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return None


def _crc32(body: bytes) -> bytes:
    return binascii.crc32(body).to_bytes(4, "big")


def _digest(algorithm: str, body: bytes) -> bytes:
    return hashlib.new(algorithm, body, usedforsecurity=False).digest()


_ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": _crc32, "crc32c": crc32c, "crc64nvme": crc64nvme,
    "sha1": partial(_digest, "sha1"), "sha256": partial(_digest, "sha256"),
}  # fmt: skip


def _crc(body: bytes, polynomial: int, width: int) -> int:
    ones = (1 << width) - 1
    table = _table(polynomial)
    if len(body) < _SMALL:
        return _by_byte(body, ones, table) ^ ones
    # Lanes have a power of two as length: one operator per level combines them.
    power = len(body).bit_length() // 2 - 2
    number = len(body) >> power
    whole = number << power
    columns = np.frombuffer(body, np.uint8, whole).reshape(number, 1 << power).T
    values: _Words = np.zeros(number, np.uint64)
    values[0] = ones
    for column in np.ascontiguousarray(columns):
        values = table[(values ^ column) & _BYTE] ^ (values >> _EIGHT)
    joined = _joined(values, power, polynomial)
    return _by_byte(body[whole:], joined, table) ^ ones


def _joined(values: _Words, power: int, polynomial: int) -> int:
    # Empty lanes come first: a register of zeros stays zero.
    missing = (1 << (len(values) - 1).bit_length()) - len(values)
    values = np.concatenate([np.zeros(missing, np.uint64), values])
    while len(values) > 1:
        values = _applied(_operator(polynomial, power), values[0::2]) ^ values[1::2]
        power += 1
    return int(values[0])


def _by_byte(body: bytes, value: int, table: _Words) -> int:
    entries = table.tolist()
    for byte in body:
        value = entries[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value


@cache
def _table(polynomial: int) -> _Words:
    made = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        made.append(value)
    return np.array(made, np.uint64)


@cache
def _operator(polynomial: int, power: int) -> _Words:
    """The effect of ``2 ** power`` zero bytes on a register, by the values of its bytes."""
    bits = np.left_shift(np.uint64(1), np.arange(64, dtype=np.uint64))
    if power == 0:
        made: _Words = _table(polynomial)[bits & _BYTE] ^ (bits >> _EIGHT)
    else:
        half = _operator(polynomial, power - 1)
        made = _applied(half, _applied(half, bits))
    values = np.arange(256, dtype=np.uint64)
    tables = np.zeros((8, 256), np.uint64)
    for bit in range(64):
        chosen = (values >> np.uint64(bit % 8)) & np.uint64(1)
        tables[bit // 8] ^= chosen * made[bit]
    return tables


def _applied(operator: _Words, values: _Words) -> _Words:
    made = np.zeros_like(values)
    for place in range(8):
        made ^= operator[place][(values >> np.uint64(8 * place)) & _BYTE]
    return made
