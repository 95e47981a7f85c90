"""Captured data and ground truth in S3, in the formats of Model Monitor."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from sageloop_runtime.errors import BadInputError
from sageloop_runtime.gate.hold_out import GATE_PREFIX, parse_numbers
from sageloop_runtime.log import log
from sageloop_runtime.times import moment, parse_time

_LOGGED_LINES, _LOGGED_EVERY = 10, 10_000

_Value = TypeVar("_Value")


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


class LineReader(Generic[_Value]):
    """Parses lines; malformed ones are logged, the first ten and then every ten thousandth.

    Args:
        read: parses a line; None if it has nothing to read.

    """

    def __init__(self, read: Callable[[str], _Value | None]) -> None:
        self._read = read
        self._malformed = 0

    def __call__(self, line: str) -> _Value | None:
        """The value of a line; None if there is none."""
        try:
            return self._read(line)
        except (ValueError, KeyError, TypeError, AttributeError, BadInputError) as error:
            self._malformed += 1
            if self._malformed <= _LOGGED_LINES or self._malformed % _LOGGED_EVERY == 0:
                log("malformed line", error=repr(error), line=line[:200], number=self._malformed)
            return None
