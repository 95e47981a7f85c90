"""Input mode Pipe: a named pipe for each epoch, written while the container reads it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from sageloop.local_cloud.sagemaker.failures import JobFailed

Produce = Callable[[int], Iterator[bytes]]


class PipeFeed:
    """Writes the pipes ``<path>_0``, ``<path>_1`` ... from ``produce(epoch)``, in order.

    The pipe of the next epoch is created before the data of this epoch is written, so a reader may
    open it immediately after the end of this one. A reader that closes early ends its epoch.
    ``on_error`` is called with the failure if data cannot be read.
    """

    def __init__(self, path: Path, produce: Produce, on_error: Callable[[JobFailed], None]) -> None:
        self._path = path
        self._produce = produce
        self._on_error = on_error
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._feed, name=f"pipe {path.name}", daemon=True)
        self._make(0)

    def start(self) -> None:
        """Wait for readers in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop writing; the container has ended."""
        self._closed.set()
        while self._thread.is_alive():
            self._release()
            self._thread.join(0.05)

    def _feed(self) -> None:
        epoch = 0
        try:
            while not self._closed.is_set():
                self._serve(epoch)
                epoch += 1
        except JobFailed as failure:
            self._on_error(failure)
        except OSError:
            if not self._closed.is_set():  # else the job's directory has been removed
                raise

    def _serve(self, epoch: int) -> None:
        with self._name(epoch).open("wb", buffering=0) as pipe:
            self._make(epoch + 1)
            pieces = iter(()) if self._closed.is_set() else self._produce(epoch)
            with suppress(BrokenPipeError):
                for piece in pieces:
                    _write_all(pipe, piece)
                    if self._closed.is_set():
                        return

    def _make(self, epoch: int) -> None:
        with suppress(FileExistsError):
            os.mkfifo(self._name(epoch))

    def _name(self, epoch: int) -> Path:
        return self._path.with_name(f"{self._path.name}_{epoch}")

    def _release(self) -> None:
        # Opening for writing blocks without a reader: a temporary reader releases the thread.
        for name in self._path.parent.glob(f"{self._path.name}_*"):
            with suppress(OSError):
                os.close(os.open(name, os.O_RDONLY | os.O_NONBLOCK))


def _write_all(pipe: IO[bytes], piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[pipe.write(left) :]
