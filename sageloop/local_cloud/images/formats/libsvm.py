"""The parser of libsvm text: ``label[:weight] [qid:group] index:value ...``, as in XGBoost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.formats.media import DataError
from sageloop.local_cloud.images.formats.text import lines_of

_Value = TypeVar("_Value", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class LibsvmData:
    """The rows of libsvm text; absent features are missing values."""

    labels: Matrix
    features: Matrix
    weights: Matrix | None = None
    groups: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    label: float
    weight: float | None
    group: int | None
    pairs: list[tuple[int, float]]


def parse_libsvm(text: str, *, columns: int = 0) -> LibsvmData:
    """Parse libsvm lines; ``columns`` is the minimum number of features.

    The first token is always the label, in requests for predictions too: XGBoost reads ``0:1 1:2``
    as the label 0 of weight 1 with one feature. Raises :class:`DataError`.
    """
    lines = [_line(tokens, number) for number, tokens in _tokens(text)]
    if not lines:
        raise DataError("the libsvm data has no line")
    width = max([columns, *(index + 1 for line in lines for index, _ in line.pairs)])
    features = np.full((len(lines), width), np.nan, dtype=np.float32)
    for row, line in enumerate(lines):
        for index, value in line.pairs:
            features[row, index] = value
    weights = _all_or_none([line.weight for line in lines], "a weight")
    groups = _all_or_none([line.group for line in lines], "a qid")
    return LibsvmData(
        labels=np.asarray([line.label for line in lines], np.float32), features=features,
        weights=None if weights is None else np.asarray(weights, np.float32),
        groups=None if groups is None else np.asarray(groups, np.int64),
    )  # fmt: skip


def check_beginning(content: str, name: str) -> None:
    """Refuse a file as XGBoost's container does, by its lines up to one with two features.

    Tokens are separated by one space there; white space at the end of a line is a token.
    """
    for line in content.split("\n"):
        tokens = line.split(" ")
        if not _is_label(tokens[0]) or any(":" not in token for token in tokens[1:]):
            raise DataError(
                f"First line '{line[:50]}...' of file '{name}' is not 'LIBSVM' format. Please "
                "ensure the file is in 'LIBSVM' format."
            )
        if len(tokens) > 2:
            return


def _is_label(token: str) -> bool:
    parts = token.split(":")
    try:
        for part in parts:
            float(part)
    except ValueError:
        return False
    return len(parts) <= 2


def _tokens(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines with tokens, numbered; the rest of a line after # is a comment."""
    for number, line in enumerate(lines_of(text), 1):
        tokens = line.partition("#")[0].split()
        if tokens:
            yield number, tokens


def _line(tokens: list[str], number: int) -> _Line:
    try:
        label, _, weight = tokens[0].partition(":")
        rest = tokens[1:]
        group = int(rest.pop(0)[4:]) if rest and rest[0].startswith("qid:") else None
        return _Line(
            float(label), float(weight) if weight else None, group, [_pair(one) for one in rest]
        )
    except ValueError as error:
        raise DataError(
            f"Loading libsvm data failed, is it in libsvm format? line {number}: {error}"
        ) from None


def _pair(token: str) -> tuple[int, float]:
    index, colon, value = token.partition(":")
    if not colon or int(index) < 0:
        raise ValueError(f"{token!r} is not index:value with an index from 0")
    return int(index), float(value)


def _all_or_none(values: Sequence[_Value | None], what: str) -> list[_Value] | None:
    known = [value for value in values if value is not None]
    if known and len(known) < len(values):
        raise DataError(f"some lines of the libsvm data have {what} and some have none")
    return known or None
