"""Parquet reader; pyarrow is optional and not a dependency of the project."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np

from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.formats.media import DataError


def read_parquet(data: bytes) -> Matrix:
    """The columns of a Parquet file, in order. Raises :class:`DataError` if it cannot be read."""
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise DataError(
            "content type application/x-parquet needs pyarrow, which is not installed: "
            "pip install pyarrow, or use text/csv or application/x-recordio-protobuf"
        ) from None
    try:
        table = parquet.read_table(io.BytesIO(data))
        columns = [column.to_numpy().astype(np.float32) for column in table.columns]
    except Exception as error:  # pyarrow's own errors cannot be named without importing it
        raise DataError(f"Loading parquet data failed, is it in parquet format? {error}") from error
    return np.stack(columns, axis=1)
