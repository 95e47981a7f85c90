"""Files with hourly prefixes in S3, read line by line in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

from sageloop_runtime.aws.objects import list_keys
from sageloop_runtime.log import log
from sageloop_runtime.monitoring.capture import hour_prefixes
from sageloop_runtime.names import split_uri

_PART = 256 * 1024
_LONGEST_LINE = 32 * 1024 * 1024
_LARGEST_CACHED_FILE = 1024 * 1024
_CACHED_BYTES = 32 * 1024 * 1024
_LINE_OVERHEAD = 64


class Place(NamedTuple):
    """A place in files that are ordered by key: the lines before it have been read."""

    key: str = ""
    line: int = 0


class HourlyFiles:
    """Files with hourly prefixes.

    Small files are kept, up to 32 MB, so that they are read once in the life of a process. Larger
    ones are streamed: a file of any size needs the memory of its longest line. A line of over
    32 MB, more than SageMaker captures of one invocation, is skipped.

    Args:
        s3: an S3 client.
        part: bytes that are read at a time.
        longest_line: bytes of the longest line that is not skipped.

    """

    def __init__(self, s3: Any, *, part: int = _PART, longest_line: int = _LONGEST_LINE) -> None:
        self._s3 = s3
        self._part = part
        self._longest_line = longest_line
        self._cache: dict[tuple[str, str, str], list[str]] = {}
        self._cached = 0

    def lines(self, uri: str, start: float, end: float) -> Iterator[str]:
        """Every line of every file from the hour of ``start`` to that of ``end``."""
        for bucket, key, tag in self._files(uri, start, end):
            yield from self._lines_of(bucket, key, tag)

    def places(
        self, uri: str, start: float, end: float, first: Place
    ) -> Iterator[tuple[Place, str]]:  # fmt: skip
        """The lines from a place on, each with the place after it.

        Args:
            uri: where the hourly prefixes begin.
            start: epoch seconds in the first hour.
            end: epoch seconds in the last hour.
            first: the place to begin at.

        """
        for bucket, key, tag in self._files(uri, start, end):
            if key >= first.key:
                read = first.line if key == first.key else 0
                for number, line in enumerate(self._lines_of(bucket, key, tag), 1):
                    if number > read:
                        yield Place(key, number), line

    def _files(self, uri: str, start: float, end: float) -> Iterator[tuple[str, str, str]]:
        """Bucket, key and ETag of every file from the hour of ``start`` to that of ``end``."""
        bucket, base = split_uri(uri)
        for hour in hour_prefixes(start, end):
            for key, tag in list_keys(self._s3, bucket, f"{base}/{hour}" if base else hour):
                yield bucket, key, tag

    def _lines_of(self, bucket: str, key: str, tag: str) -> Iterator[str]:
        known = self._cache.get((bucket, key, tag))
        if known is not None:
            yield from known
            return
        response = self._s3.get_object(Bucket=bucket, Key=key)
        with closing(response["Body"]) as body:
            lines = self._split(body, key)
            if int(response["ContentLength"]) > _LARGEST_CACHED_FILE:
                yield from lines
                return
            kept = list(lines)
        self._keep((bucket, key, tag), kept)
        yield from kept

    def _split(self, body: Any, key: str) -> Iterator[str]:
        """The lines of a stream that are not empty."""
        rest, skipping = b"", False
        while part := body.read(self._part):
            ended, newline, last = part.rpartition(b"\n")
            if newline and skipping:
                # The end of the line that is too long.
                ended, skipping = ended.partition(b"\n")[2], False
            elif newline:
                ended = rest + ended
            if newline:
                yield from _lines(ended)
                rest = b""
            if not skipping:
                rest += last
            if len(rest) > self._longest_line:
                log("line too long", key=key, longest=self._longest_line)
                rest, skipping = b"", True
        yield from _lines(rest)

    def _keep(self, file: tuple[str, str, str], lines: list[str]) -> None:
        """Keep the lines of a file in place of those that have been kept longest."""
        self._cache[file] = lines
        self._cached += _size(lines)
        while self._cached > _CACHED_BYTES:
            self._cached -= _size(self._cache.pop(next(iter(self._cache))))


def _lines(block: bytes) -> Iterator[str]:
    return (line for line in block.decode(errors="replace").split("\n") if line.strip())


def _size(lines: list[str]) -> int:
    """About the bytes that lines occupy."""
    return sum(len(line) + _LINE_OVERHEAD for line in lines)
