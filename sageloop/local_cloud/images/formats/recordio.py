"""The RecordIO framing: magic number, length, payload and padding to four bytes.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from sageloop.local_cloud.images.formats.media import DataError

_MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", _MAGIC)
_HEAD = struct.Struct("<II")
# The three bits above the length mark the parts of a payload that contains the magic number.
_LENGTH_BITS = 29
_LONGEST = (1 << _LENGTH_BITS) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def write(payloads: Iterable[bytes]) -> bytes:
    """Frame payloads, of at most 2**29 - 1 bytes each, and concatenate the frames."""
    parts: list[bytes] = []
    for payload in payloads:
        if len(payload) > _LONGEST:
            raise DataError(f"a record has at most {_LONGEST} bytes, got {len(payload)}")
        parts += [_HEAD.pack(_MAGIC, len(payload)), payload, b"\0" * (-len(payload) % 4)]
    return b"".join(parts)


def read(data: bytes) -> Iterator[bytes]:
    """The payloads of frames. Raises :class:`DataError` if the framing is invalid."""
    view, cut = memoryview(data), list[bytes]()
    position = 0
    while position < len(view):
        kind, payload, position = _frame(view, position)
        if (kind in (_WHOLE, _FIRST)) != (not cut):
            raise DataError(f"RecordIO parts are out of order before byte {position}")
        if kind == _WHOLE:
            yield payload
            continue
        cut.append(payload)
        if kind == _LAST:
            yield _MAGIC_BYTES.join(cut)
            cut = []
    if cut:
        raise DataError("RecordIO data ends within a record")


def _frame(view: memoryview, position: int) -> tuple[int, bytes, int]:
    if position + _HEAD.size > len(view):
        raise DataError(f"RecordIO data ends within the header at byte {position}")
    magic, word = _HEAD.unpack_from(view, position)
    if magic != _MAGIC:
        raise DataError(
            f"no RecordIO magic number at byte {position}: found {magic:#010x}, "
            f"expected {_MAGIC:#010x}"
        )
    kind, length = word >> _LENGTH_BITS, word & _LONGEST
    start = position + _HEAD.size
    if kind > _LAST or start + length > len(view):
        raise DataError(f"RecordIO data ends within the record at byte {position}")
    return kind, bytes(view[start : start + length]), start + length + (-length % 4)
