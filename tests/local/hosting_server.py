"""A small serving program; its environment, model and input determine what it does."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])
MODEL = BASE / "model" / "name.txt"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        # The inherited method resolves the host name by DNS.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if os.environ.get("PING") == "hangs" or mute.is_set():
            time.sleep(3600)
        is_failing = os.environ.get("PING") == "broken"
        self.respond(503 if is_failing else 200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"die":
            os._exit(9)
        if body == b"mute":
            mute.set()
        time.sleep(float(os.environ.get("SLOW", "0")))
        if "FAILS" in os.environ:
            self.respond(int(os.environ["FAILS"]), b"never")
            return
        if body.startswith(b"status "):
            self.respond(int(body.split()[1]), b"the model failed")
            return
        if body in (b"chunks", b"until closed", b"cut short"):
            self.misbehave(body)
            return
        if body.startswith(b"sleep "):
            time.sleep(float(body.split()[1]))
        values = {
            b"model": MODEL.read_text() if MODEL.exists() else "",
            b"role": os.environ.get("AWS_ACCESS_KEY_ID", ""),
            b"opt": ",".join(p.name for p in Path("/opt/ml").glob("*")),
            b"env": os.environ.get("GREETING", ""),
            b"id": self.headers.get("X-Amzn-SageMaker-Inference-Id", ""),
            b"big": "x" * 6_291_457,
            b"pid": str(os.getpid()),
        }
        self.respond(200, values[body].encode() if body in values else b"echo " + body)

    def misbehave(self, how: bytes) -> None:
        self.send_response_only(200)
        if how == b"chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one,", b"two,", b"three", b""):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            return
        self.close_connection = True
        if how == b"cut short":
            self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"to the end")

    def respond(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "text/csv; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name in ("X-Amzn-SageMaker-Custom-Attributes",):
            if name in self.headers:
                self.send_header(name, self.headers[name])
        self.end_headers()
        self.wfile.write(body)


mute = threading.Event()
if os.environ.get("START") == "exit" or Path(os.environ.get("EXITS_IF", "/none")).exists():
    sys.exit(3)
if Path(os.environ.get("HANGS_IF", "/none")).exists():
    time.sleep(3600)
time.sleep(float(os.environ.get("LATE", "0")))
sys.stdout.write("listening\n")
sys.stdout.flush()
Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
