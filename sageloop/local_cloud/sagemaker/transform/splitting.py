"""Splitting of objects into records, and grouping of records into request payloads."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MEGABYTE = 1024 * 1024
_MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", _MAGIC)
_WHOLE, _LAST = 0, 3


class SplitError(ValueError):
    """Data that cannot be split, or a record that is too large."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its content, and its bytes in a file (``framed``).

    ``original`` is the input record before InputFilter.
    """

    content: bytes
    framed: bytes
    original: bytes


@dataclass(frozen=True, slots=True)
class Payload:
    """The body of one request and the records in it."""

    body: bytes
    records: tuple[Record, ...]


def records_of(data: bytes, split_type: str) -> list[Record]:
    """The records of an object. Raises :class:`SplitError` for an invalid binary format.

    Empty lines are no records, as in CSV readers.
    """
    if split_type == "Line":
        return [Record(line, line + b"\n", line) for line in _lines(data) if line]
    if split_type == "RecordIO":
        return list(_recordio(data))
    if split_type == "TFRecord":
        return list(_tfrecords(data))
    return [Record(data, data, data)]


def payloads(
    records: Sequence[Record], *, strategy: str, max_bytes: int | None
) -> Iterator[Payload]:
    """Group records into requests.

    ``SingleRecord`` sends each record in a request of its own, without its framing; ``MultiRecord``
    sends as many records as fit. ``max_bytes`` ``None`` is no limit. Raises :class:`SplitError`
    with AWS's message for a record that is larger.
    """
    if strategy == "SingleRecord":
        for record in records:
            _check(len(record.content), max_bytes)
            yield Payload(record.content, (record,))
        return
    gathered: list[Record] = []
    size = 0
    for record in records:
        _check(len(record.framed), max_bytes)
        if gathered and max_bytes is not None and size + len(record.framed) > max_bytes:
            yield _joined(gathered)
            gathered, size = [], 0
        gathered.append(record)
        size += len(record.framed)
    if gathered:
        yield _joined(gathered)


def _joined(records: Sequence[Record]) -> Payload:
    return Payload(b"".join(record.framed for record in records), tuple(records))


def _check(size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise SplitError("Too much data for max payload size")


def _lines(data: bytes) -> Iterator[bytes]:
    for line in data.split(b"\n"):
        yield line.removesuffix(b"\r")


def _recordio(data: bytes) -> Iterator[Record]:
    parts: list[bytes] = []
    begin = position = 0
    while position < len(data):
        flag, content, position = _recordio_part(data, position)
        parts.append(content)
        if flag in (_WHOLE, _LAST):
            # A record that contains the magic number is stored in parts that are cut at it.
            content = _MAGIC_BYTES.join(parts)
            yield Record(content, data[begin:position], content)
            parts, begin = [], position
    if parts:
        raise SplitError("the RecordIO data ends within a record")


def _recordio_part(data: bytes, position: int) -> tuple[int, bytes, int]:
    try:
        magic, header = struct.unpack_from("<II", data, position)
    except struct.error:
        raise SplitError("the RecordIO data ends within a record's header") from None
    if magic != _MAGIC:
        raise SplitError(f"no RecordIO magic number at byte {position}")
    length = header & 0x1FFFFFFF
    start = position + 8
    content = data[start : start + length]
    if len(content) != length:
        raise SplitError("the RecordIO data ends within a record")
    return header >> 29, content, start + (length + 3) // 4 * 4


def _tfrecords(data: bytes) -> Iterator[Record]:
    position = 0
    while position < len(data):
        try:
            (length,) = struct.unpack_from("<Q", data, position)
        except struct.error:
            raise SplitError("the TFRecord data ends within a record's header") from None
        start, end = position + 12, position + 16 + length
        if end > len(data):
            raise SplitError("the TFRecord data ends within a record")
        content = data[start : start + length]
        yield Record(content, data[position:end], content)
        position = end
