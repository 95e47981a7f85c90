"""Captured data and ground truth of any size, which S3 generates while they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 1, 5, tzinfo=UTC)
"""The first hour of the data."""
_ID = "00000000-0000-4000-8000-%012d"


class GeneratedFiles:
    """An S3 client with one file an hour of captured responses, and one of ground truth.

    Every response has two predictions, and the error of both is its number modulo 7.

    Args:
        lines: responses of each hour.
        hours: number of hours.
        padding: bytes of each request, to make the lines as long as those of real data.

    """

    def __init__(self, *, lines: int, hours: int, padding: int = 600) -> None:
        self._lines = lines
        self.hours = hours
        self._padding = "0.123456," * (padding // 9)
        self.reads = 0

    @property
    def error(self) -> float:
        """The mean absolute error of all predictions."""
        return sum(number % 7 for number in range(self.responses)) / self.responses

    @property
    def responses(self) -> int:
        """The number of responses."""
        return self._lines * self.hours

    @property
    def captured_bytes(self) -> int:
        """Bytes of the captured data."""
        return self.responses * len(next(self._captured(0)))

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **_: Any) -> dict[str, Any]:
        """The file of an hour, or those of a day."""
        base = Prefix.partition("/2026")[0]
        keys = [f"{base}/{self._at(hour):%Y/%m/%d/%H}/data.jsonl" for hour in range(self.hours)]
        contents = [{"Key": key, "Size": 1, "ETag": "e"} for key in keys if key.startswith(Prefix)]
        return {"Contents": contents, "IsTruncated": False}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        """A file, generated while it is read."""
        self.reads += 1
        hour = next(h for h in range(self.hours) if f"/{self._at(h):%Y/%m/%d/%H}/" in Key)
        lines = self._captured(hour) if "capture" in Bucket else self._labels(hour)
        return {"Body": _Body(lines), "ContentLength": 1 << 40}

    def _at(self, hour: int) -> datetime:
        return START + timedelta(hours=hour)

    def _captured(self, hour: int) -> Iterator[bytes]:
        """Lines of captured responses; all have the same length."""
        at = f"{self._at(hour):%Y-%m-%dT%H:%M:%S}Z"
        line = _line({
            "captureData": {
                "endpointInput": {"data": self._padding, "encoding": "CSV", "mode": "INPUT",
                                  "observedContentType": "text/csv"},
                "endpointOutput": {"data": "%02d,%02d", "encoding": "CSV", "mode": "OUTPUT",
                                   "observedContentType": "text/csv"},
            },
            "eventMetadata": {"eventId": _ID, "inferenceId": _ID, "inferenceTime": at},
            "eventVersion": "0",
        })  # fmt: skip
        for number in self._numbers(hour):
            yield line % (number % 100, number % 100, number, number)

    def _labels(self, hour: int) -> Iterator[bytes]:
        """Lines of ground truth."""
        line = _line({
            "groundTruthData": {"data": "%d,%d", "encoding": "CSV"},
            "eventMetadata": {"eventId": _ID}, "eventVersion": "0",
        })  # fmt: skip
        for number in self._numbers(hour):
            label = number % 100 + number % 7
            yield line % (label, label, number)

    def _numbers(self, hour: int) -> range:
        return range(hour * self._lines, (hour + 1) * self._lines)


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


class _Body:
    """The body of a response, with the interface of botocore's StreamingBody."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def read(self, size: int) -> bytes:
        """The next bytes, ``size`` at most; none at the end."""
        parts, length = [self._rest], len(self._rest)
        while length < size:
            line = next(self._lines, None)
            if line is None:
                break
            parts.append(line)
            length += len(line)
        joined = b"".join(parts)
        self._rest = joined[size:]
        return joined[:size]

    def close(self) -> None:
        """Forget the rest."""
        self._lines = iter(())
