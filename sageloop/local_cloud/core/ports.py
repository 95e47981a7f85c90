"""Ports for processes that bind later than they are told where."""

from __future__ import annotations

import random
import socket
import threading
from collections import deque

# Below what systems give to outgoing connections (Linux: from 32768 on): between the moment a
# port is told and the one it is bound, which may be seconds, no connection may happen to take it.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 1000
_random = random.SystemRandom()  # two clouds must not draw alike
_recent: deque[int] = deque(maxlen=512)
_lock = threading.Lock()


def free_port() -> int:
    """A port nobody listens on and that was not given out a moment ago.

    Raises:
        OSError: if none is found.

    """
    with _lock:
        for _ in range(_TRIES):
            port = _random.randrange(_FIRST, _LAST)
            if port not in _recent and _is_free(port):
                _recent.append(port)
                return port
    raise OSError(f"no free port was found on 127.0.0.1 from {_FIRST} to {_LAST - 1}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
