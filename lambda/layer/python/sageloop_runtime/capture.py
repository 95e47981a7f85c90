"""What the endpoint captured and what came true, as files in S3."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sageloop_runtime.data_window import list_keys
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.holdout import GATE_PREFIX, parse_numbers
from sageloop_runtime.log import log
from sageloop_runtime.names import split_uri
from sageloop_runtime.times import moment, parse_time

_REMEMBERED = 5000


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One captured request: its id, when it was answered, and the answers row by row."""

    inference_id: str
    at: float
    values: tuple[float, ...]


def decode(data: Mapping[str, Any]) -> str:
    """The text of captured or true data, which is plain or BASE64."""
    if data.get("encoding") == "BASE64":
        return base64.b64decode(data["data"]).decode()
    return str(data["data"])


def read_answer(line: str) -> Answered | None:
    """A captured line; None if it has no inference id or no answer, or is the gate's own."""
    record = json.loads(line)
    metadata = record["eventMetadata"]
    output = record["captureData"].get("endpointOutput")
    inference_id = metadata.get("inferenceId")
    if output is None or not inference_id or inference_id.startswith(GATE_PREFIX):
        return None
    values = tuple(parse_numbers(decode(output)))
    return Answered(
        inference_id=inference_id, at=parse_time(metadata["inferenceTime"]), values=values
    )


def read_truth(line: str) -> tuple[str, tuple[float, ...]]:
    """Inference id and true values of a line of ground truth."""
    record = json.loads(line)
    values = tuple(parse_numbers(decode(record["groundTruthData"])))
    return record["eventMetadata"]["eventId"], values


def hour_prefixes(start: float, end: float) -> list[str]:
    """``YYYY/MM/DD/HH/`` of every hour from start to end; whole days as ``YYYY/MM/DD/``."""
    first = moment(start).replace(minute=0, second=0, microsecond=0)
    last = moment(end)
    prefixes: list[str] = []
    while first <= last:
        whole_day = first.hour == 0 and first + timedelta(hours=23) <= last
        prefixes.append(first.strftime("%Y/%m/%d/" if whole_day else "%Y/%m/%d/%H/"))
        first += timedelta(days=1) if whole_day else timedelta(hours=1)
    return prefixes


class Files:
    """Lines of the files below hourly prefixes, each file read once in a process's life.

    Args:
        s3: an S3 client.

    """

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self._read: dict[tuple[str, str, str], list[str]] = {}

    def lines(self, uri: str, start: float, end: float) -> Iterator[str]:
        """Every line of every file of the hours from ``start`` to ``end``."""
        bucket, base = split_uri(uri)
        for hour in hour_prefixes(start, end):
            prefix = f"{base}/{hour}" if base else hour
            for key, tag in list_keys(self._s3, bucket, prefix):
                yield from self._lines_of(bucket, key, tag)

    def _lines_of(self, bucket: str, key: str, tag: str) -> list[str]:
        known = self._read.get((bucket, key, tag))
        if known is None:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            known = [line for line in bytes(body).decode().splitlines() if line.strip()]
            while len(self._read) >= _REMEMBERED:
                del self._read[next(iter(self._read))]
            self._read[bucket, key, tag] = known
        return known


def parsed(lines: Iterator[str], read: Any) -> Iterator[Any]:
    """What ``read`` makes of each line; a line it cannot read is logged and left out."""
    for line in lines:
        try:
            found = read(line)
        except (ValueError, KeyError, TypeError, AttributeError, BadInputError) as error:
            log("a line cannot be read", error=repr(error), line=line[:200])
            continue
        if found is not None:
            yield found
