"""Channels of a training job as tables of numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sageloop.local_cloud.images.formats import (
    libsvm,
    matrix,
    media,
    parquet,
    recordio,
    text,
)
from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.formats.media import DataError

_PIPE = "Pipe"


@dataclass(frozen=True, slots=True)
class Table:
    """Features, with an optional label, weight and group (``qid``) for each row."""

    features: Matrix
    labels: Matrix | None = None
    weights: Matrix | None = None
    groups: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """The media types that an algorithm reads; the first is used for a channel without one."""

    known: Sequence[str]
    absent: float = 0.0
    weighted: bool = False
    labelled: bool | None = None
    """Whether rows have a label; ``None``: as ``label_size`` of the content type declares."""
    detects: bool = False
    """Whether the delimiter of CSV in File mode is detected, as by XGBoost's container."""


def load(name: str, channel: Mapping[str, str], directory: Path, reading: Reading) -> Table:
    """Load a channel's table; ``directory`` holds the channels of ``inputdataconfig.json``.

    In Pipe mode the FIFO of the first epoch is read to its end. Raises :class:`DataError` with
    the channel's name if the channel is empty or cannot be read.
    """
    try:
        files = _files(name, channel, directory)
    except OSError as error:
        raise DataError(f"Unable to read data channel '{name}': {error}") from None
    if not files:
        raise DataError(f"No data found in channel {name}")
    filled = [file for file in files if file.content.strip()]
    if not filled:
        raise DataError(f"Channel {name} has only empty files")
    content_type = channel.get("ContentType", reading.known[0])
    try:
        return _table(filled, content_type, reading, piped=_piped(channel))
    except DataError as error:
        raise DataError(
            f"Unable to read data channel '{name}'. Requested content-type is "
            f"'{content_type}'. Please verify the data matches the requested content-type: {error}"
        ) from None


def has_data(name: str, channel: Mapping[str, str], directory: Path) -> bool:
    """Whether a channel has a file; always true in Pipe mode."""
    return _piped(channel) or bool(files_under(directory / name))


def files_under(directory: Path) -> list[Path]:
    """The data files of a channel, with subfolders, without hidden files and markers."""
    return sorted(
        path
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith((".", "_"))
    )


def _piped(channel: Mapping[str, str]) -> bool:
    return channel.get("TrainingInputMode") == _PIPE


def _files(name: str, channel: Mapping[str, str], directory: Path) -> list[_File]:
    if not _piped(channel):
        return [_File(path.name, path.read_bytes()) for path in files_under(directory / name)]
    fifo = directory / f"{name}_0"
    content = fifo.read_bytes()
    if channel.get("RecordWrapperType") == "RecordIO" and not _is_recordio(channel):
        return [_File(fifo.name, one) for one in recordio.read(content)]
    return [_File(fifo.name, content)]


def _is_recordio(channel: Mapping[str, str]) -> bool:
    return media.media_type(channel.get("ContentType", media.RECORDIO)) == media.RECORDIO


def _table(
    files: Sequence[_File], content_type: str, reading: Reading, *, piped: bool
) -> Table:  # fmt: skip
    kind = media.accepted(content_type, reading.known)
    contents = [file.content for file in files]
    if kind == media.RECORDIO:
        features, labels = matrix.read_recordio(b"".join(contents), absent=reading.absent)
        if reading.labelled and labels is None:
            raise DataError("the records have no label")
        return Table(features, labels)
    if kind == media.PARQUET:
        columns = np.concatenate([parquet.read_parquet(content) for content in contents])
        return _split(columns, content_type, reading)
    texts = [_decoded(content) for content in contents]
    if kind == media.CSV:
        return _split(_csv(texts, reading, piped=piped), content_type, reading)
    for file, content in zip(files, texts, strict=True):
        libsvm.check_beginning(content, file.name)
    data = libsvm.parse_libsvm("\n".join(texts))
    return Table(data.features, data.labels, data.weights, data.groups)


def _csv(texts: Sequence[str], reading: Reading, *, piped: bool) -> Matrix:
    plain = [text.without_mark(one) for one in texts]
    joined = "\n".join(one.strip("\r\n") for one in plain)
    if not reading.detects or piped:
        return text.parse_csv(joined, skip_empty=True)
    # Of each file, because the container detects the delimiter of each; that of the first counts.
    delimiters = [text.delimiter_of(text.lines_of(one)[0]) for one in plain]
    delimiter = delimiters[0]
    rows = text.parse_csv(joined, delimiter=delimiter, skip_empty=True, blank=None)
    if delimiter.isspace() and re.search(
        rf"(?m)^{delimiter}|{delimiter}{{2}}|{delimiter}$", joined
    ):
        # XGBoost's reader skips white space before a number, delimiters and ends of lines too.
        raise DataError(
            f"it is separated by {delimiter!r} and has an empty field, for which XGBoost reads the "
            "number after it"
        )
    return rows


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"it is not text in UTF-8: {error}") from None


def _split(rows: Matrix, content_type: str, reading: Reading) -> Table:
    size = media.label_size(content_type) if reading.labelled is None else int(reading.labelled)
    first = size + int(reading.weighted)
    if rows.shape[1] <= first:
        names = ["the label comes first"] * size + ["then the weight"] * int(reading.weighted)
        raise DataError(
            f"rows have {rows.shape[1]} columns; {', '.join([*names, 'then at least one feature'])}"
        )
    labels = rows[:, 0] if size else None
    return Table(rows[:, first:], labels, rows[:, size] if reading.weighted else None)
