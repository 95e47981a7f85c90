"""The CSV files of a dataset: in a folder, or below a prefix in S3."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .table import Table

_PARTITION = re.compile(r"(?:^|/)(dt=\d{4}-\d{2}-\d{2})/")
_LINES = codecs.getreader("utf-8-sig")


class SourceError(RuntimeError):
    """A source has no CSV files, or cannot be read."""


def read_folder(folder: Path, table: Table) -> None:
    """Read every ``.csv`` file of a folder, in the order of their names.

    Raises:
        SourceError: If there is none.

    """
    files = sorted(folder.rglob("*.csv")) if folder.is_dir() else [folder]
    try:
        for path in files:
            name = str(path.relative_to(folder)) if folder.is_dir() else path.name
            with path.open("rb") as file:
                table.read(name, _partition(name), _LINES(file))
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from error
    _require(files, folder)


def read_prefix(s3: Any, uri: str, table: Table) -> None:
    """Read every ``.csv`` object below an ``s3://bucket/prefix`` in the order of their keys.

    Raises:
        SourceError: If there is none.

    """
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    keys = sorted(_keys(s3, bucket, prefix))
    for key in keys:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        lines = (line.decode("utf-8-sig") for line in body.iter_lines())
        table.read(key, _partition(key), lines)
    _require(keys, uri)


def _keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            if item["Key"].endswith(".csv"):
                yield item["Key"]


def _partition(name: str) -> str:
    match = _PARTITION.search(name)
    return "" if match is None else match[1]


def _require(found: Iterable[object], where: object) -> None:
    if not list(found):
        raise SourceError(f"{where} has no .csv files")
