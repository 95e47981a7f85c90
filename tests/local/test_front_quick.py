"""InvokeEndpoint's short way through the front answers as the long one does."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from hosting_stage import IMAGE, ROLE

from sageloop.local_cloud import images
from sageloop.local_cloud.core.cloud import CloudConfig
from sageloop.local_cloud.server import LocalCloudServer

SIGNED = (
    "Authorization: AWS4-HMAC-SHA256 Credential=LKIALOCALCLOUDUSER00/20260101/us-east-1/sagemaker/"
    "aws4_request, SignedHeaders=host, Signature=0"
)
HEAD = (
    f"POST /endpoints/e/invocations HTTP/1.1\r\nHost: x\r\n{SIGNED}\r\nContent-Type: text/csv\r\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalCloudServer]:
    program = [sys.executable, "-IS", str(Path(__file__).with_name("hosting_server.py"))]
    images.register(IMAGE, serving=program)
    made = LocalCloudServer(CloudConfig())
    made.start()
    sagemaker = made.cloud.client("sagemaker", principal="tester")
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    sagemaker.create_endpoint_config(
        EndpointConfigName="c",
        ProductionVariants=[{"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1,
                             "InstanceType": "ml.m5.large"}],
    )  # fmt: skip
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    made.cloud.service("sagemaker").hosting.wait_endpoint("e")
    yield made
    made.stop()
    images.unregister(IMAGE)


@pytest.fixture
def line(server: LocalCloudServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.cloud.port), 10) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield made


def answer(line: socket.socket) -> tuple[int, str, bytes]:
    """Status, headers and body of one answer, and not a byte more."""
    read = line.makefile("rb", buffering=0)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = read.read(1)
        assert part, f"closed after {head!r}"
        head += part
    text = head.decode().lower()
    length, body = int(text.split("content-length:")[1].split("\r\n")[0]), b""
    while len(body) < length:
        body += read.read(length - len(body)) or b""
    return int(text.split()[1]), text, body


def test_request_in_one_piece_and_in_several_is_answered_alike(line: socket.socket) -> None:
    line.sendall(f"{HEAD}Content-Length: 5\r\n\r\nhello".encode())
    assert answer(line)[::2] == (200, b"echo hello")

    line.sendall(f"{HEAD}Content-Length: 5\r\n\r\n".encode())
    line.sendall(b"he")
    line.sendall(b"llo")
    assert answer(line)[::2] == (200, b"echo hello")


def test_head_that_comes_in_pieces_is_answered_the_long_way(line: socket.socket) -> None:
    line.sendall(HEAD[:20].encode())
    line.sendall(f"{HEAD[20:]}Content-Length: 5\r\n\r\nhello".encode())

    assert answer(line)[::2] == (200, b"echo hello")


def test_body_in_chunks_and_one_that_expects_leave_are_answered(line: socket.socket) -> None:
    line.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".encode())
    assert answer(line)[::2] == (200, b"echo hello")

    line.sendall(f"{HEAD}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode())
    assert line.recv(100).startswith(b"HTTP/1.1 100")
    line.sendall(b"hello")
    assert answer(line)[::2] == (200, b"echo hello")


def test_requests_for_other_services_share_the_connection(line: socket.socket) -> None:
    line.sendall(f"{HEAD}Content-Length: 5\r\n\r\nhello".encode())
    assert answer(line)[0] == 200

    query = b"Action=GetCallerIdentity&Version=2011-06-15"
    line.sendall(
        f"POST / HTTP/1.1\r\nHost: x\r\n{SIGNED.replace('/sagemaker/', '/sts/')}\r\nContent-Type: "
        f"application/x-www-form-urlencoded\r\nContent-Length: {len(query)}\r\n\r\n".encode()
        + query
    )
    assert b"GetCallerIdentityResult" in answer(line)[2]
    line.sendall(f"{HEAD}Content-Length: 5\r\n\r\nhello".encode())
    assert answer(line)[::2] == (200, b"echo hello")


def test_two_requests_sent_at_once_are_answered_in_turn(line: socket.socket) -> None:
    one = f"{HEAD}Content-Length: 3\r\n\r\none".encode()
    line.sendall(one + one.replace(b"\r\n\r\none", b"\r\n\r\ntwo"))

    assert answer(line)[2] == b"echo one"
    assert answer(line)[2] == b"echo two"


def test_connection_is_closed_when_the_client_says_so(line: socket.socket) -> None:
    line.sendall(f"{HEAD}Connection: close\r\nContent-Length: 5\r\n\r\nhello".encode())

    status, text, _ = answer(line)
    assert (status, "connection: close" in text) == (200, True)
    assert line.recv(10) == b""


def test_calls_are_recorded_with_principal_and_meet_ordered_faults(
    server: LocalCloudServer,
) -> None:
    cloud = server.cloud
    keys = cloud.credentials_of("arn:aws:iam::123456789012:role/caller", "s")
    runtime = boto3.client(
        "sagemaker-runtime", endpoint_url=cloud.endpoint_url, region_name="us-east-1",
        aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
    )  # fmt: skip
    cloud.faults.order(kind="call", match="sagemaker:InvokeEndpoint", code="ServiceUnavailable",
                       status=503, principal="*/caller/s")  # fmt: skip

    found = runtime.invoke_endpoint(EndpointName="e", Body="id", InferenceId="n-1", Accept="a/b")

    assert found["Body"].read() == b"n-1"  # boto3 has tried again
    seen = cloud.recorder.calls(action="sagemaker:InvokeEndpoint")[-2:]
    assert [call.outcome for call in seen] == ["ServiceUnavailable", "OK"]
    assert seen[-1].principal.endswith("assumed-role/caller/s")
    assert seen[-1].params == {
        "EndpointName": "e", "InferenceId": "n-1", "Accept": "a/b",
    }  # fmt: skip
    assert seen[-1].resource == "e"


def test_unknown_endpoint_and_wrong_signature_read_as_ever(
    server: LocalCloudServer, line: socket.socket
) -> None:
    other = HEAD.replace("/endpoints/e/", "/endpoints/none/")
    line.sendall(f"{other}Content-Length: 5\r\n\r\nhello".encode())
    status, text, body = answer(line)
    assert (status, "x-amzn-errortype: validationerror" in text) == (400, True)
    assert b"Endpoint none of account 123456789012 not found." in body

    line.sendall(f"{HEAD.replace(SIGNED, 'X: y')}Content-Length: 5\r\n\r\nhello".encode())
    assert answer(line)[0] >= 400
