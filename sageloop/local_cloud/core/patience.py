"""How long the server waits for a client that sends or takes bytes slowly."""

from __future__ import annotations

import socket
import time as wall
from typing import Any

from cheroot.makefile import StreamReader, StreamWriter

# So many bytes earn a client a second more.
_BYTES_A_SECOND = 65_536


class Patience:
    """The time that one request's client may still take, out of so many wall seconds.

    Only waiting for it counts, not the time that an answer takes to be made.
    """

    def __init__(self, seconds: float) -> None:
        self._most = self._left = seconds
        self._since = 0.0

    def renew(self) -> None:
        """Begin anew, for the next request."""
        self._left = self._most

    def begin_to_wait(self) -> float:
        """Note that the client is waited for; how long it may take. Raises ``TimeoutError``."""
        if self._left <= 0:
            raise TimeoutError("timed out")
        self._since = wall.monotonic()
        return self._left

    def end_to_wait(self, number: int) -> None:
        """Note that so many bytes went over."""
        self._left -= wall.monotonic() - self._since
        self._left = min(self._most, self._left + number / _BYTES_A_SECOND)

    def file(self, sock: socket.socket, mode: str, size: int) -> StreamReader | StreamWriter:
        """A buffered file on a socket, in the manner of cheroot's ``MakeFile``."""
        raw = _PatientSocket(sock, mode, self)
        return _Reader(raw, size) if "r" in mode else _Writer(raw, size)


class _PatientSocket(socket.SocketIO):
    """A socket as a file that a client cannot hold for ever by sending or taking it in drips."""

    def __init__(self, sock: socket.socket, mode: Any, patience: Patience) -> None:
        super().__init__(sock, mode)
        self._socket = sock
        self._patience = patience

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there. Raises ``TimeoutError`` when the client has used its time."""
        self._socket.settimeout(self._patience.begin_to_wait())
        number = super().readinto(buffer)
        self._patience.end_to_wait(number or 0)
        return number

    def write(self, data: Any) -> int | None:
        """Write what can be taken. Raises ``TimeoutError`` when the client has used its time."""
        self._socket.settimeout(self._patience.begin_to_wait())
        number = super().write(data)
        self._patience.end_to_wait(number or 0)
        return number


class _Reader(StreamReader):
    def __init__(self, raw: _PatientSocket, size: int) -> None:
        super(StreamReader, self).__init__(raw, size)
        self.bytes_read = 0


class _Writer(StreamWriter):
    def __init__(self, raw: _PatientSocket, size: int) -> None:
        super(StreamWriter, self).__init__(raw, size)
        self.bytes_written = 0
