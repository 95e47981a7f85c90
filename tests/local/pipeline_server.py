"""A serving program for pipelines and streams: reports its requests, or executes a command."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = os.environ.get("NAME", "")
GATE = os.environ.get("GATE")


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
        self.respond(503 if os.environ.get("PING") == "broken" else 200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        command = os.environ.get("DO", body.decode())
        if command.startswith("status "):
            self.respond(int(command.split()[1]), f"{NAME} fails".encode())
        elif command == "die":
            os._exit(9)
        elif command.startswith("sleep "):
            time.sleep(float(command.split()[1]))
            self.respond(200, b"late")
        elif command.startswith("stream"):
            self.stream(command.split()[1])
        else:
            self.respond(200, self.report(body), kind=f"text/x-{NAME or 'plain'}")

    def report(self, body: bytes) -> bytes:
        names = ("Content-Type", "Accept", "X-Amzn-SageMaker-Inference-Id")
        headers = [self.headers.get(name, "-") for name in names]
        return json.dumps([NAME, *headers, body.decode()]).encode()

    def stream(self, how: str) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "k=v")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in self.pieces(how):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def pieces(self, how: str) -> Iterator[bytes]:
        yield b"first"
        if how == "gate":  # continues when its reader has received the first part
            Path(str(GATE)).read_text()
        if how == "die":
            os._exit(9)
        if how == "hang":
            time.sleep(60)
        yield b" and second"

    def respond(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


sys.stdout.write(f"{NAME} listens\n")
sys.stdout.flush()
Server(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
