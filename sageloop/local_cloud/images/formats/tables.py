"""Channels of a training job as tables of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sageloop.local_cloud.images.formats import (
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
    """Features, with an optional label and weight for each row."""

    features: Matrix
    labels: Matrix | None = None
    weights: Matrix | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """The media types that an algorithm reads; the first is used for a channel without one."""

    known: Sequence[str]
    absent: float = 0.0
    weighted: bool = False
    labelled: bool | None = None
    """Whether rows have a label; ``None``: as ``label_size`` of the content type declares."""


def load(name: str, channel: Mapping[str, str], directory: Path, reading: Reading) -> Table:
    """Load a channel's table; ``directory`` holds the channels of ``inputdataconfig.json``.

    In Pipe mode the FIFO of the first epoch is read to its end. Raises :class:`DataError` with
    the channel's name if the channel is empty or cannot be read.
    """
    try:
        contents = _contents(name, channel, directory)
    except OSError as error:
        raise DataError(f"Unable to read data channel '{name}': {error}") from None
    if not contents:
        raise DataError(f"No data found in channel {name}")
    filled = [content for content in contents if content.strip()]
    if not filled:
        raise DataError(f"Channel {name} has only empty files")
    content_type = channel.get("ContentType", reading.known[0])
    try:
        return _table(filled, content_type, reading)
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


def _contents(name: str, channel: Mapping[str, str], directory: Path) -> list[bytes]:
    if not _piped(channel):
        return [path.read_bytes() for path in files_under(directory / name)]
    content = (directory / f"{name}_0").read_bytes()
    if channel.get("RecordWrapperType") == "RecordIO" and not _is_recordio(channel):
        return list(recordio.read(content))
    return [content]


def _is_recordio(channel: Mapping[str, str]) -> bool:
    return media.media_type(channel.get("ContentType", media.RECORDIO)) == media.RECORDIO


def _table(contents: Sequence[bytes], content_type: str, reading: Reading) -> Table:
    kind = media.accepted(content_type, reading.known)
    if kind == media.RECORDIO:
        features, labels = matrix.read_recordio(b"".join(contents), absent=reading.absent)
        if reading.labelled and labels is None:
            raise DataError("the records have no label")
        return Table(features, labels)
    if kind == media.PARQUET:
        columns = np.concatenate([parquet.read_parquet(content) for content in contents])
        return _split(columns, content_type, reading)
    joined = "\n".join(_decoded(content).strip("\r\n") for content in contents)
    if kind == media.CSV:
        return _split(text.parse_csv(joined), content_type, reading)
    labels, features = text.parse_libsvm(joined, labelled=True)
    return Table(features, labels)


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise DataError("it is not text") from None


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
