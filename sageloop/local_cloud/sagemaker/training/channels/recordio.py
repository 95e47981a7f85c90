"""MXNet's RecordIO format: magic number, length, data, padding to four bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MAGIC = 0xCED7230A
_MAX_FRAME_BYTES = (1 << 29) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = 0, 1, 2, 3


def record(data: bytes) -> bytes:
    """``data`` as one record, split into several frames from 512 MiB on."""
    frames = list(_cut(data))
    if len(frames) == 1:
        return _frame(data, _WHOLE)
    parts = [_FIRST, *[_MIDDLE] * (len(frames) - 2), _LAST]
    return b"".join(_frame(piece, part) for piece, part in zip(frames, parts, strict=True))


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, max(1, len(data)), _MAX_FRAME_BYTES):
        yield data[start : start + _MAX_FRAME_BYTES]


def _frame(data: bytes, part: int) -> bytes:
    head = struct.pack("<II", _MAGIC, part << 29 | len(data))
    return head + data + b"\0" * (-len(data) % 4)
