"""Conversion of matrices to and from RecordIO-protobuf."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.formats import record, recordio
from sageloop.local_cloud.images.formats.media import DataError

Matrix = npt.NDArray[np.float32]
_VALUES = "values"


def read_recordio(
    data: bytes, *, columns: int = 0, absent: float = 0.0
) -> tuple[Matrix, Matrix | None]:
    """Features and labels of RecordIO-protobuf data; labels are ``None`` if no record has one.

    Keys that a sparse record lacks have the value ``absent``; ``columns`` is the minimum width.
    Raises :class:`DataError` if records differ in width, lack features, or some lack a label.
    """
    records = [record.decode(payload) for payload in recordio.read(data)]
    if not records:
        raise DataError("the RecordIO-protobuf data has no record")
    tensors = [_one(r.features, "features", n) for n, r in enumerate(records, 1)]
    width = max(columns, *(_width(t) for t in tensors))
    rows = np.empty((len(tensors), width), np.float32)
    for number, tensor in enumerate(tensors, 1):
        _fill(rows[number - 1], tensor, absent, number)
    return rows, _labels(records)


def write_recordio(
    rows: npt.NDArray[Any], labels: npt.NDArray[Any] | None = None, *, sparse: bool = False
) -> bytes:
    """Encode a matrix like the SageMaker SDK's ``write_numpy_to_dense_tensor``."""
    numbers = rows if rows.dtype == np.float64 else rows.astype(np.float32)
    return recordio.write(
        record.encode(
            record.Record(
                {_VALUES: _sparse(row) if sparse else record.Tensor(row)},
                {} if labels is None else {_VALUES: record.Tensor(np.asarray(labels[at : at + 1]))},
            )
        )
        for at, row in enumerate(numbers)
    )


def write_answers(answers: Iterable[Mapping[str, float | Sequence[float]]]) -> bytes:
    """Encode predictions as RecordIO-protobuf: every member is a label tensor of float32."""
    return recordio.write(
        record.encode(
            record.Record(
                label={
                    name: record.Tensor(np.atleast_1d(np.asarray(value, np.float32)))
                    for name, value in answer.items()
                }
            )
        )
        for answer in answers
    )


def _one(tensors: Mapping[str, record.Tensor], member: str, number: int) -> record.Tensor:
    if _VALUES not in tensors:
        raise DataError(f"record {number} has no {member}[{_VALUES!r}] (it has: {sorted(tensors)})")
    return tensors[_VALUES]


def _width(tensor: record.Tensor) -> int:
    return math.prod(tensor.shape) if tensor.shape else int(tensor.values.size)


def _fill(row: Matrix, tensor: record.Tensor, absent: float, number: int) -> None:
    if tensor.keys is None:
        if tensor.values.size != row.size:
            raise DataError(
                f"record {number} has {tensor.values.size} features, others have {row.size}"
            )
        row[:] = tensor.values
        return
    if tensor.shape is None:
        raise DataError(f"record {number} is sparse and has no shape")
    if tensor.keys.size != tensor.values.size:
        raise DataError(
            f"record {number} has {tensor.keys.size} keys for {tensor.values.size} values"
        )
    if tensor.keys.size and int(tensor.keys.max()) >= row.size:
        raise DataError(f"record {number} has key {int(tensor.keys.max())} of {row.size} features")
    row[:] = absent
    row[tensor.keys.astype(np.int64)] = tensor.values


def _labels(records: Sequence[record.Record]) -> Matrix | None:
    if not any(r.label for r in records):
        return None
    labels = [_one(r.label, "label", n).values for n, r in enumerate(records, 1)]
    wrong = next((n for n, values in enumerate(labels, 1) if values.size != 1), None)
    if wrong is not None:
        raise DataError(f"record {wrong} has {labels[wrong - 1].size} labels, expected one")
    return np.array([values[0] for values in labels], np.float32)


def _sparse(row: npt.NDArray[Any]) -> record.Tensor:
    places = np.flatnonzero(row)
    return record.Tensor(row[places], places.astype(np.uint64), (row.size,))
