"""Time limit for a client that sends or receives bytes slowly."""

from __future__ import annotations

import socket
import time as wall
from typing import Any

from cheroot.makefile import StreamReader, StreamWriter

# So many bytes add one second to the limit.
_BYTES_A_SECOND = 65_536


class ClientTimeAllowance:
    """The wall seconds for which one request's client may still block a thread.

    Only the wait for the client counts, not the time in which the response is computed.
    """

    def __init__(self, seconds: float) -> None:
        self._most = self._left = seconds
        self._since = 0.0

    def renew(self) -> None:
        """Reset the limit for the next request."""
        self._left = self._most

    def start_wait(self) -> float:
        """Start a wait; returns the seconds that are left. Raises ``TimeoutError`` without any."""
        if self._left <= 0:
            raise TimeoutError("timed out")
        self._since = wall.monotonic()
        return self._left

    def end_wait(self, number: int) -> None:
        """End a wait in which ``number`` bytes were transferred."""
        self._left -= wall.monotonic() - self._since
        self._left = min(self._most, self._left + number / _BYTES_A_SECOND)

    def file(self, sock: socket.socket, mode: str, size: int) -> StreamReader | StreamWriter:
        """A buffered file on a socket, with the signature of cheroot's ``MakeFile``."""
        raw = _LimitedSocket(sock, mode, self)
        return _Reader(raw, size) if "r" in mode else _Writer(raw, size)


class _LimitedSocket(socket.SocketIO):
    """A socket as a file that limits how long its client may block a thread."""

    def __init__(self, sock: socket.socket, mode: Any, allowance: ClientTimeAllowance) -> None:
        super().__init__(sock, mode)
        self._socket = sock
        self._allowance = allowance

    def readinto(self, buffer: Any) -> int | None:
        """Read available bytes. Raises ``TimeoutError`` when the client's time is used up."""
        self._socket.settimeout(self._allowance.start_wait())
        number = super().readinto(buffer)
        self._allowance.end_wait(number or 0)
        return number

    def write(self, data: Any) -> int | None:
        """Write as many bytes as fit. Raises ``TimeoutError`` when the client's time is used up."""
        self._socket.settimeout(self._allowance.start_wait())
        number = super().write(data)
        self._allowance.end_wait(number or 0)
        return number


class _Reader(StreamReader):
    def __init__(self, raw: _LimitedSocket, size: int) -> None:
        super(StreamReader, self).__init__(raw, size)
        self.bytes_read = 0


class _Writer(StreamWriter):
    def __init__(self, raw: _LimitedSocket, size: int) -> None:
        super(StreamWriter, self).__init__(raw, size)
        self.bytes_written = 0
