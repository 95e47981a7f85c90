"""The default decoders and encoders of AWS's inference toolkits: JSON, CSV, NPY and NPZ."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
NPZ = "application/x-npz"
# Bodies of these types are passed to input_fn as text.
UTF8_TYPES = (JSON, CSV)
ENCODED = (JSON, CSV, NPY)


class UnsupportedFormatError(Exception):
    """A content type without a decoder or an encoder."""

    def __init__(self, content_type: str | None) -> None:
        super().__init__(
            f"Content type {content_type} is not supported by this framework.\n\nImplement "
            "input_fn to read the request's data or output_fn to write the answer."
        )


def decode(data: str | bytes, content_type: str | None) -> Any:
    """Decode an array (a sparse matrix for NPZ).

    As on AWS each CSV column has the type of its own values: an array with integer and other
    columns is structured. Unlike AWS's decoder this one loads no pickled objects, which would
    run a sender's code. Raises :class:`UnsupportedFormatError` and ``ValueError``.
    """
    if content_type == JSON:
        return np.array(json.loads(data))
    if content_type == CSV:
        return np.genfromtxt(io.StringIO(_text(data)), dtype=None, delimiter=",")
    if content_type == NPY:
        return np.load(io.BytesIO(_bytes(data)), allow_pickle=False)
    if content_type == NPZ:
        from scipy import sparse  # type: ignore[import-untyped,unused-ignore]

        return sparse.load_npz(io.BytesIO(_bytes(data)))
    raise UnsupportedFormatError(content_type)


def encode(prediction: Any, content_type: str) -> str | bytes:
    """Encode an array or lists as text (NPY: bytes). Raises :class:`UnsupportedFormatError`."""
    if content_type == JSON:
        return json.dumps(prediction, default=_listed)
    if content_type == CSV:
        lines = io.StringIO()
        np.savetxt(lines, np.asarray(prediction), delimiter=",", fmt="%s")
        return lines.getvalue()
    if content_type == NPY:
        packed = io.BytesIO()
        np.save(packed, np.asarray(prediction), allow_pickle=False)
        return packed.getvalue()
    raise UnsupportedFormatError(content_type)


def accepted(accept: str) -> list[str]:
    """The content types of an Accept header, in order."""
    return accept.replace(" ", "").split(",")


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode()


def _bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()
