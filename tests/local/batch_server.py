"""A serving container for tests of batch transform: answers by what its environment says.

``MODE``: ``echo`` gives each line back, ``length`` one number a line, ``json`` a JSON object a
line, ``status`` the status in ``STATUS``, ``flaky`` 500 at first, ``dies`` leaves at a request,
``deaf`` never answers a ping, ``slow`` answers when it is stopped. What it was asked is written
to the file ``ASKED``, a JSON line a request.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODE = os.environ.get("MODE", "echo")
_lock = threading.Lock()
_seen: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        offered = os.environ.get("OFFERED", "")
        if self.path == "/ping":
            self.answer(200 if MODE != "deaf" else 503, b"")
        elif self.path == "/execution-parameters" and offered:
            self.answer(200, offered.encode())
        else:
            self.answer(404, b"")

    def do_POST(self) -> None:
        body = self.body()
        with _lock:
            again = body in _seen
            _seen.append(body)
            self.note(body)
        if MODE == "dies":
            os._exit(1)
        if MODE == "slow":
            sys.stdout.write("asked\n")
            sys.stdout.flush()
            threading.Event().wait()
        if MODE == "status" or (MODE == "flaky" and not again) or b"bad" in body:
            self.answer(int(os.environ.get("STATUS", "500")), b"no such column\nat all")
        else:
            self.answer(200, b"".join(answer_to(line) for line in body.splitlines()))

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        pieces: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def note(self, body: bytes) -> None:
        target = os.environ.get("ASKED")
        if target is None:
            return
        told = {
            "body": body.decode(errors="replace"), "headers": dict(self.headers),
            "env": {k: v for k, v in os.environ.items() if k.startswith("SAGEMAKER_")},
        }  # fmt: skip
        with Path(target).open("a") as file:
            file.write(json.dumps(told) + "\n")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def answer_to(line: bytes) -> bytes:
    if MODE == "length":
        return b"%d\n" % len(line)
    if MODE == "json":
        return json.dumps({"length": len(line)}).encode() + b"\n"
    return line + b"\n"


if __name__ == "__main__":
    sys.stdout.write(f"serving as {MODE}\n")
    sys.stdout.flush()
    address = ("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    ThreadingHTTPServer(address, Handler).serve_forever()
