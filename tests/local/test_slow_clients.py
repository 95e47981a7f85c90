"""Waiting callers do not block the calls of their functions; slow clients block no other."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from process_stage import create_function, create_role

from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.cloud import CloudConfig
from sageloop.local_cloud.core.http_server import HttpServer
from sageloop.local_cloud.server import LocalCloudServer
from sageloop.waiting import until

CALLERS = 150
# Waits, at its end of a pipe, for the test; then calls the cloud.
WAITING = """
import os, boto3
def handler(event, _):
    open(f"{event['folder']}/{os.getpid()}", "w").close()
    open(event["pipe"]).read()
    return len(boto3.client("s3").list_buckets()["Buckets"])
"""


INVOCATION = (
    b"POST /endpoints/e/invocations HTTP/1.1\r\nAuthorization: x\r\nContent-Length: %d\r\n\r\nhalf"
)


def client(cloud: LocalCloud, service: str) -> Any:
    return boto3.client(
        service, endpoint_url=cloud.endpoint_url, region_name="us-east-1",
        aws_access_key_id=cloud.environment()["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=cloud.environment()["AWS_SECRET_ACCESS_KEY"],
        config=Config(max_pool_connections=CALLERS, read_timeout=200, proxies={},
                      retries={"total_max_attempts": 1}),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.feature("load: calls of functions do not wait for their callers")
def test_calls_of_functions_are_not_blocked_by_their_callers(tmp_path: Path) -> None:
    pipe, started = tmp_path / "pipe", tmp_path / "started"
    os.mkfifo(pipe)
    started.mkdir()
    event = json.dumps({"pipe": str(pipe), "folder": str(started)})
    with LocalCloud.start() as cloud, ThreadPoolExecutor(CALLERS) as pool:
        create_role(cloud, "s3:ListAllMyBuckets")
        create_function(cloud, "waiting", WAITING)
        client(cloud, "s3").create_bucket(Bucket="one")
        invoke = client(cloud, "lambda").invoke
        answers = [
            pool.submit(invoke, FunctionName="waiting", Payload=event) for _ in range(CALLERS)
        ]
        until("all", lambda: len(list(started.iterdir())) == CALLERS, seconds=200)

        # All wait, and none of them has a response.
        assert len(client(cloud, "s3").list_buckets()["Buckets"]) == 1
        assert not any(answer.done() for answer in answers)
        pipe.open("w").close()

        assert [a.result()["Payload"].read() for a in answers] == [b"1"] * CALLERS


@pytest.fixture(scope="module")
def server() -> Iterator[LocalCloudServer]:
    made = LocalCloudServer(CloudConfig())
    made.start()
    yield made
    made.stop()


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    read = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(read)))])
    return [read]


@pytest.fixture
def two_threads() -> Iterator[int]:
    """The port of a server with two threads and long time-outs."""
    made = HttpServer("127.0.0.1", 0, application, threads=2, head_seconds=600, body_seconds=600)
    made.prepare()
    threading.Thread(target=made.serve, daemon=True).start()
    yield made.bind_addr[1]
    made.stop()


@pytest.mark.feature("load: slow clients occupy no thread and are disconnected in time")
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Am",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf",
        INVOCATION % 9,
    ],
    ids=["silent", "head", "body", "invocation"],
)
def test_slow_clients_occupy_no_thread(two_threads: int, sent: bytes) -> None:
    with ExitStack() as opened:
        for _ in range(200):
            line = opened.enter_context(socket.create_connection(("127.0.0.1", two_threads), 30))
            line.sendall(sent)
        with socket.create_connection(("127.0.0.1", two_threads), 30) as line:
            line.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

            assert line.makefile("rb").read().startswith(b"HTTP/1.1 200 OK")


def test_slow_request_within_the_time_limit_is_answered(server: LocalCloudServer) -> None:
    whole = b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.cloud.port), 30) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(len(whole)):
            line.sendall(whole[number : number + 1])

        assert line.makefile("rb").read().startswith(b"HTTP/1.1 ")


def test_connection_with_a_truncated_request_is_closed(server: LocalCloudServer) -> None:
    for sent in (b"POST / HT", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"):
        with socket.create_connection(("127.0.0.1", server.cloud.port), 30) as line:
            line.sendall(sent)
            line.shutdown(socket.SHUT_WR)

            line.makefile("rb").read()  # returns when the server closes


@pytest.fixture(scope="module")
def short_time_outs() -> Iterator[int]:
    """The port of a server with short time-outs."""
    made = HttpServer("127.0.0.1", 0, application, head_seconds=0.3, body_seconds=0.3)
    made.prepare()
    threading.Thread(target=made.serve, daemon=True).start()
    yield made.bind_addr[1]
    made.stop()


@pytest.mark.feature("load: slow clients occupy no thread and are disconnected in time")
@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost:",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
        INVOCATION % 50_000,
    ],
    ids=["head", "body", "long body", "chunks", "invocation"],
)
def test_connection_of_a_stalled_client_is_closed(short_time_outs: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", short_time_outs), 30) as line:
        line.sendall(sent)

        assert b"200 OK" not in line.makefile("rb").read()


def send_slowly(line: socket.socket) -> None:
    """Send a byte at intervals until the connection closes."""
    never = threading.Event()
    while not never.wait(0.01):
        line.sendall(b"x")


@pytest.mark.feature("load: slow clients occupy no thread and are disconnected in time")
def test_connection_of_a_slow_client_is_closed(short_time_outs: int) -> None:
    with socket.create_connection(("127.0.0.1", short_time_outs), 30) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            send_slowly(line)


def test_long_body_is_answered(short_time_outs: int) -> None:
    body = os.urandom(3_000_000)
    with socket.create_connection(("127.0.0.1", short_time_outs), 30) as line:
        head = f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        threading.Thread(target=line.sendall, args=(head + body,), daemon=True).start()
        read = line.makefile("rb")
        while read.readline() != b"\r\n":
            pass

        assert read.read(len(body)) == body
