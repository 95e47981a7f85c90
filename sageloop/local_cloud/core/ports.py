"""Ports for processes that bind some time after they receive the number."""

from __future__ import annotations

import random
import socket
import threading
from collections import deque

# Below the range of outgoing connections (Linux: from 32768): between the choice of a port and its
# use, which may be seconds apart, no outgoing connection can occupy it.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 1000
_random = random.SystemRandom()  # two clouds must not choose the same sequence
_recent: deque[int] = deque(maxlen=512)
_lock = threading.Lock()


def free_port() -> int:
    """A port on which no process listens and that was not returned recently.

    Raises:
        OSError: No port is free.

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
