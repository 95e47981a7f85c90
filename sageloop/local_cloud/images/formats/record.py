"""SageMaker's ``Record`` protobuf message: features and labels as dense or sparse tensors.

The schema has six messages and is stable. This module reads and writes the wire format itself,
which avoids a protobuf runtime. Unknown fields are skipped, as protobuf requires.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.formats.media import DataError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# The fields of Value, and the packing of their numbers.
_TENSORS = {2: "<f4", 3: "<f8", 7: "varint"}
_BLOB_FIELD = 9
_FEATURES, _LABEL, _UID, _METADATA = 1, 2, 3, 4
_VALUES, _KEYS, _SHAPE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Tensor:
    """Numbers of a tensor; with ``keys``, the values at these positions of a ``shape``."""

    values: npt.NDArray[Any]
    keys: npt.NDArray[np.uint64] | None = None
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One training example or one prediction."""

    features: Mapping[str, Tensor] = field(default_factory=dict)
    label: Mapping[str, Tensor] = field(default_factory=dict)
    uid: str | None = None
    metadata: str | None = None


def decode(data: bytes) -> Record:
    """Decode a record from its wire format. Raises :class:`DataError` if it is invalid."""
    features: dict[str, Tensor] = {}
    label: dict[str, Tensor] = {}
    texts: dict[int, str] = {}
    try:
        for number, _, content in _fields(data):
            if number in (_FEATURES, _LABEL):
                name, tensor = _entry(content)
                if tensor is not None:
                    (features if number == _FEATURES else label)[name] = tensor
            elif number in (_UID, _METADATA):
                texts[number] = bytes(content).decode()
    except (IndexError, TypeError, ValueError, struct.error) as error:
        raise DataError(f"not a SageMaker Record message: {error}") from None
    return Record(features, label, texts.get(_UID), texts.get(_METADATA))


def encode(record: Record) -> bytes:
    """Encode a record in its wire format; float32, float64 and int32 tensors keep their type."""
    parts = [
        _delimited(number, _delimited(1, name.encode()) + _delimited(2, _value(tensor)))
        for number, entries in ((_FEATURES, record.features), (_LABEL, record.label))
        for name, tensor in entries.items()
    ]
    for number, text in ((_UID, record.uid), (_METADATA, record.metadata)):
        if text is not None:
            parts.append(_delimited(number, text.encode()))
    return b"".join(parts)


def _entry(content: Any) -> tuple[str, Tensor | None]:
    name, tensor = "", None
    for number, _, part in _fields(content):
        if number == 1:
            name = bytes(part).decode()
        elif number == 2:
            tensor = _tensor(name, part)
    return name, tensor


def _tensor(name: str, content: Any) -> Tensor | None:
    tensor = None
    for number, _, part in _fields(content):
        if number == _BLOB_FIELD:
            raise DataError(f"{name!r} holds bytes; only tensors of numbers are supported")
        if number in _TENSORS:
            tensor = _numbers(part, _TENSORS[number])
    return tensor


def _numbers(content: Any, packing: str) -> Tensor:
    values: list[npt.NDArray[Any]] = []
    keys: list[int] = []
    shape: list[int] = []
    sparse = False
    for number, wire, part in _fields(content):
        if number == _VALUES:
            values.append(_unpacked(part, wire, packing))
        elif number == _KEYS:
            sparse = True
            keys += _integers(part, wire)
        elif number == _SHAPE:
            shape += _integers(part, wire)
    kind = np.int32 if packing == "varint" else np.dtype(packing)
    joined = np.concatenate(values) if values else np.empty(0, kind)
    # An empty packed field is not written: a shape without keys is a row of zeros.
    keyed = np.array(keys, np.uint64) if sparse or (shape and not joined.size) else None
    return Tensor(joined, keyed, tuple(shape) if shape else None)


def _unpacked(part: Any, wire: int, packing: str) -> npt.NDArray[Any]:
    if packing == "varint":
        wrapped = np.array(_integers(part, wire), np.uint64)
        return wrapped.astype(np.uint32).view(np.int32)
    return np.frombuffer(part, np.dtype(packing))


def _integers(part: Any, wire: int) -> list[int]:
    if wire == _VARINT:
        return [part]
    if wire != _BYTES:
        raise ValueError(f"integers have wire type {wire}")
    numbers, position = [], 0
    while position < len(part):
        number, position = _varint(part, position)
        numbers.append(number)
    return numbers


def _fields(data: Any) -> Iterator[tuple[int, int, Any]]:
    view, position = memoryview(data), 0
    while position < len(view):
        tag, position = _varint(view, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(view, position)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, position = _varint(view, position)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire}")
        if not number or position + length > len(view):
            raise ValueError(f"field {number} is cut short")
        yield number, wire, view[position : position + length]
        position += length


def _varint(view: Any, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = view[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
        if shift > 63:
            raise ValueError("an integer has more than 64 bits")


def _value(tensor: Tensor) -> bytes:
    kind = tensor.values.dtype
    if kind.kind in "iub":
        packed = b"".join(_to_varint(int(v)) for v in tensor.values)
        number = 7
    else:
        number = 3 if kind == np.float64 else 2
        packed = tensor.values.astype(_TENSORS[number]).tobytes()
    parts = _delimited(_VALUES, packed) if packed else b""
    if tensor.keys is not None and tensor.keys.size:
        parts += _delimited(_KEYS, b"".join(_to_varint(int(k)) for k in tensor.keys))
    if tensor.shape is not None:
        parts += _delimited(_SHAPE, b"".join(map(_to_varint, tensor.shape)))
    return _delimited(number, parts)


def _delimited(number: int, content: bytes) -> bytes:
    return _to_varint(number << 3 | _BYTES) + _to_varint(len(content)) + content


def _to_varint(number: int) -> bytes:
    rest, made = number & (2**64 - 1), bytearray()
    while rest > 0x7F:
        made.append(rest & 0x7F | 0x80)
        rest >>= 7
    made.append(rest)
    return bytes(made)
