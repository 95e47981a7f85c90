"""Exchange of arrays between the hosts of one training job: TCP connections to the first host.

The runner passes the addresses of all hosts (``SAGELOOP_HOST_ADDRESSES``, JSON) and the port on
which the first host listens (``SAGELOOP_MASTER_PORT``).
"""

from __future__ import annotations

import io
import json
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

_LENGTH = struct.Struct("<Q")
_HELLO = struct.Struct("<I")
_MEET_SECONDS = 120.0
_RETRY_SECONDS = 0.05
# Time limit for a host that still reads its channels while the other hosts wait.
_EXCHANGE_SECONDS = 3600.0

Arrays = Mapping[str, npt.NDArray[Any]]


class GroupError(Exception):
    """The hosts of a job cannot connect to each other."""


class Group:
    """The hosts of a training job, one or more; a context manager that closes the connections."""

    def __init__(self, rank: int, size: int, links: Sequence[socket.socket]) -> None:
        self.rank = rank
        self.size = size
        # The first host has a connection to each other host, in their order; those have one to it.
        self._links = list(links)

    @classmethod
    def meet(cls, host: str, hosts: Sequence[str], environment: Mapping[str, str]) -> Group:
        """Wait until all hosts are connected. Raises :class:`GroupError` after the time limit."""
        rank, size = hosts.index(host), len(hosts)
        if size == 1:
            return cls(0, 1, ())
        try:
            addresses = json.loads(environment["SAGELOOP_HOST_ADDRESSES"])
            place = addresses[hosts[0]], int(environment["SAGELOOP_MASTER_PORT"])
        except (KeyError, ValueError) as error:
            raise GroupError(
                f"{size} hosts need SAGELOOP_HOST_ADDRESSES and SAGELOOP_MASTER_PORT: {error}"
            ) from None
        try:
            links = _accepted(place, size) if rank == 0 else [_connected(place, rank)]
        except OSError as error:
            raise GroupError(
                f"{host} cannot connect to the other hosts at {place}: {error}"
            ) from None
        return cls(rank, size, links)

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *_: object) -> None:
        for link in self._links:
            link.close()

    def all_gather(self, mine: Arrays) -> list[Arrays]:
        """Return the arrays of every host, in the order of the hosts, on every host."""
        gathered = self.gather(mine)
        if gathered is None:
            return [self._received(self._links[0]) for _ in range(self.size)]
        for link in self._links:
            for parts in gathered:
                self._sent(link, parts)
        return gathered

    def gather(self, mine: Arrays) -> list[Arrays] | None:
        """Return the arrays of every host on the first host, ``None`` on the others."""
        if self.rank == 0:
            return [mine, *(self._received(link) for link in self._links)]
        self._sent(self._links[0], mine)
        return None

    def broadcast(self, mine: Arrays | None) -> Arrays:
        """Return the first host's arrays on every host; the others pass ``None``."""
        if self.rank:
            return self._received(self._links[0])
        if mine is None:
            raise ValueError("the first host must pass the arrays to broadcast")
        for link in self._links:
            self._sent(link, mine)
        return mine

    @staticmethod
    def _sent(link: socket.socket, arrays: Arrays) -> None:
        packed = io.BytesIO()
        np.savez(packed, **cast("dict[str, Any]", dict(arrays)))
        content = packed.getvalue()
        try:
            link.sendall(_LENGTH.pack(len(content)) + content)
        except OSError as error:
            raise GroupError(f"the connection to another host was lost: {error}") from None

    @staticmethod
    def _received(link: socket.socket) -> Arrays:
        try:
            (length,) = _LENGTH.unpack(_exactly(link, _LENGTH.size))
            content = _exactly(link, length)
        except OSError as error:
            raise GroupError(f"the connection to another host was lost: {error}") from None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)


def _accepted(place: tuple[str, int], size: int) -> list[socket.socket]:
    links: dict[int, socket.socket] = {}
    with socket.create_server(place, backlog=size) as listener:
        listener.settimeout(_MEET_SECONDS)
        while len(links) < size - 1:
            link, _ = listener.accept()
            link.settimeout(_EXCHANGE_SECONDS)
            (rank,) = _HELLO.unpack(_exactly(link, _HELLO.size))
            links[rank] = link
    return [links[rank] for rank in sorted(links)]


def _connected(place: tuple[str, int], rank: int) -> socket.socket:
    until = time.monotonic() + _MEET_SECONDS
    while True:
        try:
            link = socket.create_connection(place, timeout=_EXCHANGE_SECONDS)
        except ConnectionRefusedError:
            # The first host may not listen yet; retry until it does.
            if time.monotonic() > until:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            link.sendall(_HELLO.pack(rank))
            return link


def _exactly(link: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    view, position = memoryview(content), 0
    while position < length:
        count = link.recv_into(view[position:])
        if not count:
            raise ConnectionResetError("the connection was closed")
        position += count
    return content
