"""A serving container for batch transform tests; environment variables determine its responses.

``MODE``: ``echo`` returns each line, ``length`` returns one number for each line, ``json`` a JSON
object for each line, ``status`` the status in ``STATUS``, ``flaky`` 500 for the first request,
``dies`` exits at a request, ``deaf`` fails all pings, ``slow`` responds when it is stopped. Each
request is written to the file ``REQUESTS_FILE`` as a JSON line.
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
_failed_bodies: list[bytes] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        offered = os.environ.get("OFFERED", "")
        if self.path == "/ping":
            self.respond(200 if MODE != "deaf" else 503, b"")
        elif self.path == "/execution-parameters" and offered:
            self.respond(200, offered.encode())
        else:
            self.respond(404, b"")

    def do_POST(self) -> None:
        body = self.body()
        with _lock:
            is_repeated = body in _failed_bodies
            _failed_bodies.append(body)
            self.record_request(body)
        if MODE == "dies":
            os._exit(1)
        if MODE == "slow":
            sys.stdout.write("requested\n")
            sys.stdout.flush()
            threading.Event().wait()
        if MODE == "status" or (MODE == "flaky" and not is_repeated) or b"bad" in body:
            self.respond(int(os.environ.get("STATUS", "500")), b"no such column\nat all")
        else:
            self.respond(200, b"".join(response_for(line) for line in body.splitlines()))

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        pieces: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def record_request(self, body: bytes) -> None:
        target = os.environ.get("REQUESTS_FILE")
        if target is None:
            return
        record = {
            "body": body.decode(errors="replace"), "headers": dict(self.headers),
            "env": {k: v for k, v in os.environ.items() if k.startswith("SAGEMAKER_")},
        }  # fmt: skip
        with Path(target).open("a") as file:
            file.write(json.dumps(record) + "\n")

    def respond(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def response_for(line: bytes) -> bytes:
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
