"""A small multi-model container with ``MOST`` models that reports its requests."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])
MOST = int(os.environ.get("MOST", "1000"))
loaded: dict[str, Path] = {}
loading = threading.Lock()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        lists = "LISTS" not in os.environ or self.path != "/models"
        self.respond(200 if lists else 404, b'{"models": []}')

    def do_DELETE(self) -> None:
        with loading:  # wait for a model that is being loaded
            removed = loaded.pop(self.path.split("/")[2], None)
        self.respond(404 if removed is None else 200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/models":
            self.load(json.loads(body))
            return
        model = loaded[self.path.split("/")[2]]
        if body == b"die":
            os._exit(9)
        reply = {
            b"models": str(len(loaded)),
            b"target": self.headers.get("X-Amzn-SageMaker-Target-Model", ""),
            b"pid": str(os.getpid()),
            b"flag": os.environ.get("SAGEMAKER_MULTI_MODEL", ""),
        }
        self.respond(200, reply.get(body, (model / "name.txt").read_text()).encode())

    def load(self, request: dict[str, str]) -> None:
        directory = BASE / Path(request["url"]).relative_to("/opt/ml")
        with loading:
            if (directory / "slow").exists():
                time.sleep(1.5)
            if (directory / "broken").exists():
                self.respond(500, b"the model does not load")
            elif len(loaded) >= MOST:
                self.respond(507, b"no memory")
            else:
                loaded[request["model_name"]] = directory
                self.respond(200, b"")

    def respond(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "text/csv; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


sys.stdout.write("listening\n")
sys.stdout.flush()
Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
