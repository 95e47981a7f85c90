"""Content types and their parameters."""

from __future__ import annotations

from collections.abc import Sequence

CSV = "text/csv"
LIBSVM = ("text/libsvm", "text/x-libsvm")
RECORDIO = "application/x-recordio-protobuf"
PARQUET = "application/x-parquet"
JSON = "application/json"
JSON_LINES = "application/jsonlines"


class DataError(Exception):
    """The data, or its content type, is not valid for the algorithm."""


def media_type(content_type: str) -> str:
    """A content type without its parameters."""
    return content_type.split(";", 1)[0].strip().lower()


def parameter(content_type: str, name: str) -> str | None:
    """A parameter of a content type, as ``label_size`` of ``text/csv;label_size=0``."""
    for part in content_type.split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return None


def label_size(content_type: str) -> int:
    """The number of label columns of a CSV line or a Parquet row: 0 or 1, by default 1.

    Raises :class:`DataError` if ``label_size`` is neither 0 nor 1.

    https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
    """
    value = parameter(content_type, "label_size")
    if value not in (None, "0", "1"):
        raise DataError(f"label_size must be 0 or 1, got {value} in content type {content_type!r}")
    return 0 if value == "0" else 1


def check_one_label(content_type: str) -> None:
    """Refuse a ``label_size`` other than 1, with the text of XGBoost's container.

    The container demands it of training channels and of requests for predictions. Raises
    :class:`DataError`.
    """
    if parameter(content_type, "label_size") not in (None, "1"):
        raise DataError(
            f"{content_type} is not an accepted csv ContentType. Optional parameter label_size "
            "must be equal to 1"
        )


def accepted(content_type: str, known: Sequence[str]) -> str:
    """The media type, if it is in ``known``. Raises :class:`DataError` otherwise."""
    media = media_type(content_type)
    if media not in known:
        raise DataError(f"{content_type} is not an accepted ContentType: {', '.join(known)}")
    return media
