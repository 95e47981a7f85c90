"""Threads that answer requests: as many as are busy, up to a limit."""

from __future__ import annotations

import logging
import queue
import threading
import time as wall
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cheroot.server import HTTPConnection, HTTPServer

log = logging.getLogger(__name__)

_IDLE_SECONDS = 60.0


class Threads:
    """A pool of daemon threads with the interface of cheroot's own.

    cheroot's pool has a fixed size: requests that wait for other requests could occupy all of its
    threads and block the requests that they wait for. This pool starts a thread whenever none is
    idle.
    """

    def __init__(self, server: HTTPServer, *, most: int, kept: int = 8) -> None:
        """``most`` is the limit, ``kept`` the number of idle threads that stay."""
        self._server = server
        self._most = most
        self._kept = kept
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[HTTPConnection | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._waiting = 0

    @property
    def idle(self) -> int:
        """Number of threads that wait for a request."""
        return self._idle

    @property
    def qsize(self) -> int:
        """Number of requests that wait for a thread."""
        return self._work.qsize()

    def start(self) -> None:
        """Threads start with the first request."""

    def put(self, connection: HTTPConnection) -> None:
        """Queue a connection."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif not self._grow():
                self._waiting += 1
        self._work.put(connection)

    def stop(self, timeout: float | None = 5) -> None:
        """End idle threads now, busy ones after their request; wait up to ``timeout`` seconds."""
        with self._lock:
            threads = list(self._threads)
        for _ in threads:
            self._work.put(None)
        deadline = wall.monotonic() + (0 if timeout is None else timeout)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - wall.monotonic()))

    def _grow(self) -> bool:
        if len(self._threads) >= self._most:
            return False
        thread = threading.Thread(target=self._run, name="request", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system refuses further threads
            return False
        self._threads.add(thread)
        return True

    def _run(self) -> None:
        while True:
            try:
                connection = self._work.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                if self._may_end():
                    return
                continue
            if connection is None:
                return
            self._serve(connection)
            with self._lock:
                if self._waiting:
                    self._waiting -= 1
                else:
                    self._idle += 1

    def _may_end(self) -> bool:
        # Without an idle thread beside it, this one must wait for the request on its way.
        with self._lock:
            if not self._idle or len(self._threads) <= self._kept:
                return False
            self._idle -= 1
            self._threads.discard(threading.current_thread())
            return True

    def _serve(self, connection: HTTPConnection) -> None:
        try:
            if connection.communicate():  # type: ignore[no-untyped-call]
                self._server.put_conn(connection)
            else:
                connection.close()
        except Exception:
            # No error of a request may end the thread, which serves the next one.
            log.exception("a connection failed")
            connection.close()
