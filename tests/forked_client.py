"""Requests a fork that runs a program on this process's streams, and ends as it does.

``python -I -S forked_client.py SOCKET sageloop|python WORD...``: what ``tests/forked.py`` puts on
a shell's ``PATH``. It imports next to nothing, because a shell starts it again and again.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from array import array
from collections.abc import Sequence

MESSAGE = 1 << 20
STREAMS = 3
_LIMIT = 600  # seconds


def request_fork(
    address: str, words: Sequence[str], *, cwd: str, env: dict[str, str], streams: Sequence[int]
) -> int:
    """Have a program run on three streams, and return its exit code as ``subprocess`` would."""
    message = json.dumps({"words": list(words), "cwd": cwd, "env": env}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
        link.settimeout(_LIMIT)
        link.connect(address)
        link.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", streams))])
        return int(link.recv(MESSAGE))


if __name__ == "__main__":
    folder = os.getcwd()  # noqa: PTH109 - pathlib takes longer than all of this
    environment = dict(os.environ)
    code = request_fork(
        sys.argv[1], sys.argv[2:], cwd=folder, env=environment, streams=range(STREAMS)
    )
    sys.exit(code if code >= 0 else 128 - code)
