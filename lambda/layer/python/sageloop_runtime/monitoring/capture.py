"""Captured data and ground truth in S3, in the formats of Model Monitor."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sageloop_runtime.aws.objects import list_keys
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.gate.hold_out import GATE_PREFIX, parse_numbers
from sageloop_runtime.log import log
from sageloop_runtime.names import split_uri
from sageloop_runtime.times import moment, parse_time

_CACHED_FILES = 5000


@dataclass(frozen=True, kw_only=True)
class CapturedResponse:
    """One captured invocation: its id, its time, and its predictions row by row."""

    inference_id: str
    at: float
    values: tuple[float, ...]


def decode(data: Mapping[str, Any]) -> str:
    """The text of captured data or ground truth, plain or in base64."""
    if data.get("encoding") == "BASE64":
        return base64.b64decode(data["data"]).decode()
    return str(data["data"])


def read_captured_response(line: str) -> CapturedResponse | None:
    """A captured line; None without inference id or output, or for the gate's invocations."""
    record = json.loads(line)
    metadata = record["eventMetadata"]
    output = record["captureData"].get("endpointOutput")
    inference_id = metadata.get("inferenceId")
    if output is None or not inference_id or inference_id.startswith(GATE_PREFIX):
        return None
    values = tuple(parse_numbers(decode(output)))
    return CapturedResponse(
        inference_id=inference_id, at=parse_time(metadata["inferenceTime"]), values=values
    )


def read_ground_truth(line: str) -> tuple[str, tuple[float, ...]]:
    """Inference id and values of a line of ground truth."""
    record = json.loads(line)
    values = tuple(parse_numbers(decode(record["groundTruthData"])))
    return record["eventMetadata"]["eventId"], values


def hour_prefixes(start: float, end: float) -> list[str]:
    """``YYYY/MM/DD/HH/`` for every hour from start to end; ``YYYY/MM/DD/`` for whole days."""
    first = moment(start).replace(minute=0, second=0, microsecond=0)
    last = moment(end)
    prefixes: list[str] = []
    while first <= last:
        whole_day = first.hour == 0 and first + timedelta(hours=23) <= last
        prefixes.append(first.strftime("%Y/%m/%d/" if whole_day else "%Y/%m/%d/%H/"))
        first += timedelta(days=1) if whole_day else timedelta(hours=1)
    return prefixes


class HourlyFiles:
    """Files with hourly prefixes; each file is read once in the life of a process.

    Args:
        s3: an S3 client.

    """

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self._cache: dict[tuple[str, str, str], list[str]] = {}

    def lines(self, uri: str, start: float, end: float) -> Iterator[str]:
        """Every line of every file from the hour of ``start`` to that of ``end``."""
        bucket, base = split_uri(uri)
        for hour in hour_prefixes(start, end):
            prefix = f"{base}/{hour}" if base else hour
            for key, tag in list_keys(self._s3, bucket, prefix):
                yield from self._lines_of(bucket, key, tag)

    def _lines_of(self, bucket: str, key: str, tag: str) -> list[str]:
        lines = self._cache.get((bucket, key, tag))
        if lines is None:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            lines = [line for line in bytes(body).decode().splitlines() if line.strip()]
            while len(self._cache) >= _CACHED_FILES:
                del self._cache[next(iter(self._cache))]
            self._cache[bucket, key, tag] = lines
        return lines


def parsed(lines: Iterator[str], read: Any) -> Iterator[Any]:
    """Each line as ``read`` parses it; a malformed line is logged and skipped."""
    for line in lines:
        try:
            value = read(line)
        except (ValueError, KeyError, TypeError, AttributeError, BadInputError) as error:
            log("malformed line", error=repr(error), line=line[:200])
            continue
        if value is not None:
            yield value
