"""Standard output and error of a command, whose reader may close them at any time."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn, TextIO

CLOSED = 141
"""Exit code of a command whose reader has closed its output: 128 + SIGPIPE, as shells report it."""


class _Output(io.TextIOWrapper):
    """A text stream that ends the process without a message when its reader has closed it.

    The error is handled here and not in a raw stream of Python code: an interrupt between the
    write of such a stream and its return would repeat the write.
    """

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            _end(self.fileno())

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            _end(self.fileno())


def end_at_closed_pipe() -> None:
    """Make every write to a closed standard output or error end the command with ``CLOSED``.

    Click, Typer and rich each handle the error in their own way: they exit with 1, which other
    commands use for a result, and not for all streams. SIGPIPE's default action would also end
    the process at a closed connection, and leave temporary files.
    """
    sys.stdout, sys.stderr = _wrapped(sys.stdout), _wrapped(sys.stderr)


def _wrapped(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    # A buffer of its own: a stream without references closes its own.
    raw = io.FileIO(stream.fileno(), "wb", closefd=False)
    return _Output(
        io.BufferedWriter(raw), encoding=stream.encoding, errors=stream.errors,
        line_buffering=stream.line_buffering,
    )  # fmt: skip


def _end(descriptor: int) -> NoReturn:
    # What is still buffered would fail again when Python exits.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)
    sys.exit(CLOSED)
