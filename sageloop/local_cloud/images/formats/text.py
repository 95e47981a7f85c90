"""Parsers of CSV text.

One grammar for all readers: fields are decimal numbers, ``nan`` or ``inf``, with white space around
them; an empty field is a missing value. Lines end with LF, CRLF or CR.
"""

from __future__ import annotations

import csv
import math
import re
import warnings
from typing import Any

import numpy as np

from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.formats.media import DataError

_NUMBER = re.compile(
    r"[ \t\v\f]*[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|nan|inf(?:inity)?)[ \t\v\f]*",
    re.ASCII | re.IGNORECASE,
)
_WHITE = " \t\v\f"
_BLANK = re.compile(rf"(?:^|,)[{_WHITE}]+(?:,|$)")
_LONGEST_SAMPLE = 512
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


def delimiter_of(line: str) -> str:
    """The delimiter that XGBoost's container detects in the first line of a file or a request.

    It uses this sniffer of the standard library, which prefers comma, tab, semicolon, space and
    colon. Raises :class:`DataError` if it finds none.

    https://github.com/aws/sagemaker-xgboost-container/blob/master/src/sagemaker_xgboost_container/encoder.py
    """
    try:
        delimiter = csv.Sniffer().sniff(line[:_LONGEST_SAMPLE]).delimiter
    except csv.Error as error:
        raise DataError(f"Could not determine delimiter on line {line[:50]}:\n{error}") from None
    # In a line with one number the sniffer takes one of its characters.
    return "," if delimiter.isalnum() or delimiter in "+-._" else delimiter


def lines_of(text: str) -> list[str]:
    """The lines of a text, without line ends after the last one."""
    return re.sub(r"\r\n?", "\n", text).strip("\n").split("\n")


def without_mark(text: str) -> str:
    """The text of a file without its byte order mark."""
    return text.removeprefix(_BYTE_ORDER_MARK)


def parse_csv(
    text: str, *, delimiter: str = ",", skip_empty: bool = False, blank: float | None = math.nan
) -> Matrix:
    """Parse CSV lines without a header into a matrix; an empty field is a missing value.

    Args:
        text: The lines.
        delimiter: One character.
        skip_empty: Whether empty lines are ignored, as the readers of channels do.
        blank: The value of a field of white space; ``None`` refuses it.

    Raises:
        DataError: If the lines differ in their number of fields or are not numeric.

    """
    lines = lines_of(text)
    if skip_empty:
        lines = [line for line in lines if line]
    columns = lines[0].count(delimiter) + 1 if lines else 0
    ragged = next((n for n, ln in enumerate(lines, 1) if ln.count(delimiter) + 1 != columns), None)
    if ragged is not None:
        fields_of_line = lines[ragged - 1].count(delimiter) + 1
        raise DataError(
            f"line {ragged} of the CSV data has {fields_of_line} fields, line 1 has {columns}"
        )
    flat = _fast(lines, delimiter) if len(lines) > 1 else None
    if flat is None or flat.size != columns * len(lines):
        return parse_fields([line.split(delimiter) for line in lines], blank=blank)
    matrix: Matrix = flat.reshape(len(lines), columns)
    return matrix


def parse_fields(rows: list[list[str]], *, blank: float | None = math.nan) -> Matrix:
    """Parse fields one by one: the reference for the fast parser, and its source of errors."""
    values = np.empty((len(rows), len(rows[0]) if rows else 0), dtype=np.float32)
    with np.errstate(over="ignore"):
        for number, fields in enumerate(rows, 1):
            values[number - 1] = [_value(field, number, blank) for field in fields]
    return values


def _value(field: str, line: int, blank: float | None) -> float:
    if not field:
        return math.nan
    if not field.strip(_WHITE) and blank is not None:
        return blank
    if not _NUMBER.fullmatch(field):
        raise DataError(
            f"line {line} of the CSV data is not numeric (no header is allowed): {field!r:.60}"
        )
    return float(field)


def _fast(lines: list[str], delimiter: str) -> Any:
    """All fields in one pass; ``None``, or too few of them, if a field is no plain number."""
    joined = delimiter.join(lines)
    if delimiter != ",":
        if "," in joined:
            return None
        joined = joined.replace(delimiter, ",")
    if "(" in joined or _BLANK.search(joined):
        return None  # numpy reads nan(1) as a number, and a blank at the end as -1
    if ",," in joined or joined.startswith(",") or joined.endswith(","):
        joined = ",".join(field or "nan" for field in joined.split(","))
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        # numpy warns, and stops reading, at text that is not a number; the size shows it.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return np.fromstring(joined, dtype=np.float32, sep=",")
        except ValueError:
            return None
