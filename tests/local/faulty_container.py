"""The built-in algorithm with faults that files in a folder switch on.

Called with the folder and ``train`` or ``serve``. ``exits-3``: training writes a failure reason and
exits with 3; ``sick``: the model responds 500 to each request; ``silent``: it never responds to a
ping.
"""

from __future__ import annotations

import json
import os
import runpy
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_ALGORITHM = "sageloop.local_cloud.images.xgboost"


class Sick(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(500)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def serve(folder: Path) -> None:
    address = ("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    if (folder / "silent").exists():
        taken = socket.create_server(address)
        sys.stdout.write(f"bound to {taken.getsockname()}, not responding\n")
        sys.stdout.flush()
        threading.Event().wait()
    if (folder / "sick").exists():
        ThreadingHTTPServer(address, Sick).serve_forever()
    runpy.run_module(f"{_ALGORITHM}.serve", run_name="__main__")


def train(folder: Path) -> None:
    if (folder / "environment").exists():
        (folder / "environment").write_text(json.dumps(dict(os.environ)))
    if (folder / "exits-3").exists():
        failure = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "output" / "failure"
        failure.write_text("the column 'distance' is not there")
        sys.exit(3)
    runpy.run_module(f"{_ALGORITHM}.train", run_name="__main__")


if __name__ == "__main__":
    {"train": train, "serve": serve}[sys.argv[2]](Path(sys.argv[1]))
