"""Parsers of CSV and libsvm text."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.formats.media import DataError


def parse_csv(text: str) -> Matrix:
    """Parse CSV lines without a header into a matrix; an empty field is a missing value.

    Raises :class:`DataError` if the lines differ in their number of fields or are not numeric.
    """
    lines = text.replace("\r", "").strip("\n").split("\n")
    columns = lines[0].count(",") + 1
    if len(lines) == 1:
        return _numbers(lines[0].split(","), "1")[None, :]
    ragged = next((n for n, line in enumerate(lines, 1) if line.count(",") + 1 != columns), None)
    if ragged is not None:
        fields_of_line = lines[ragged - 1].count(",") + 1
        raise DataError(
            f"line {ragged} of the CSV data has {fields_of_line} fields, line 1 has {columns}"
        )
    joined = ",".join(lines)
    if ",," in joined or joined.startswith(",") or joined.endswith(","):
        joined = ",".join(field.strip() or "nan" for field in joined.split(","))
    with warnings.catch_warnings():
        # numpy warns, and stops reading, at text that is not a number; the size shows it.
        warnings.simplefilter("ignore", DeprecationWarning)
        flat = _from_string(joined)
    if flat is None or flat.size != columns * len(lines):
        return np.stack([_numbers(line.split(","), str(n)) for n, line in enumerate(lines, 1)])
    matrix: Matrix = flat.reshape(len(lines), columns)
    return matrix


def parse_libsvm(text: str, *, labelled: bool, columns: int = 0) -> tuple[Matrix, Matrix]:
    """Parse labels and features of libsvm lines; absent features are missing values.

    ``columns`` is the minimum number of features. Unlabelled lines have zero labels.
    """
    lines = [line.split() for line in text.strip().split("\n") if line.strip()]
    try:
        labels = [float(f[0]) if labelled or ":" not in f[0] else 0.0 for f in lines]
        pairs = [
            [(int(i), float(v)) for i, v in (p.split(":") for p in fields if ":" in p)]
            for fields in lines
        ]
    except ValueError as error:
        raise DataError(f"Loading libsvm data failed, is it in libsvm format? {error}") from None
    width = max([columns, *(index + 1 for row in pairs for index, _ in row)])
    features = np.full((len(pairs), width), np.nan, dtype=np.float32)
    for row, row_pairs in enumerate(pairs):
        for index, value in row_pairs:
            features[row, index] = value
    return np.asarray(labels, dtype=np.float32), features


def _numbers(fields: list[str], line: str) -> Matrix:
    try:
        return np.array([f if f.strip() else "nan" for f in fields], dtype=np.float32)
    except ValueError as error:
        raise DataError(
            f"line {line} of the CSV data is not numeric (no header is allowed): {error}"
        ) from None


def _from_string(text: str) -> Any:
    try:
        return np.fromstring(text, dtype=np.float32, sep=",")
    except ValueError:
        return None
