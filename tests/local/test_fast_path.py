"""The fast path of InvokeEndpoint gives the same responses as the regular path."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from hosting_stage import IMAGE, ROLE
from roles import LAMBDA, USER, hosting_role, make_role, trust

from sageloop.local_cloud import images
from sageloop.local_cloud.access.signing import signed_headers
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.server import LocalCloudServer

PATH = "/endpoints/e/invocations"
CSV = "text/csv"


@pytest.fixture(scope="module")
def server() -> Iterator[LocalCloudServer]:
    program = [sys.executable, "-IS", str(Path(__file__).with_name("hosting_server.py"))]
    images.register(IMAGE, serving=program)
    made = LocalCloudServer(CloudConfig())
    made.start()
    sagemaker = made.cloud.client("sagemaker", principal=USER)
    iam = made.cloud.client("iam", principal=USER)
    hosting_role(iam, "model")
    make_role(iam, "caller", trust(LAMBDA), "sagemaker:InvokeEndpoint")
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


class Line:
    """One connection to the server, with requests signed by the user."""

    def __init__(self, cloud: Cloud, connection: socket.socket) -> None:
        self.access, self.connection = cloud.access, connection

    def head(self, body: bytes, *more: str, path: str = PATH) -> bytes:
        """The head of a signed InvokeEndpoint, to which lines can be added."""
        return self._head("sagemaker", path, {"Content-Type": CSV}, body, more)

    def query(self, body: bytes) -> bytes:
        """A whole call of STS."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._head("sts", "/", headers, body, [f"Content-Length: {len(body)}"]) + body

    def whole(self, body: bytes, *more: str, path: str = PATH) -> bytes:
        """A whole InvokeEndpoint."""
        return self.head(body, *more, f"Content-Length: {len(body)}", path=path) + body

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def _head(
        self, service: str, path: str, headers: dict[str, str], body: bytes, more: Sequence[str]
    ) -> bytes:
        url = self.access.endpoint_url + path
        signed = signed_headers(self.access, service=service, url=url, headers=headers, body=body)
        lines = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
        lines += [f"{name}: {value}" for name, value in signed.items()]
        return "\r\n".join([*lines, *more, "", ""]).encode()


@pytest.fixture
def line(server: LocalCloudServer) -> Iterator[Line]:
    with socket.create_connection(("127.0.0.1", server.cloud.port), 10) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Line(server.cloud, made)


def answer(line: Line) -> tuple[int, str, bytes]:
    """Status, headers and body of one response, without reading beyond it."""
    read = line.connection.makefile("rb", buffering=0)
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


def test_request_in_one_and_in_several_segments_has_the_same_response(line: Line) -> None:
    line.send(line.whole(b"hello"))
    assert answer(line)[::2] == (200, b"echo hello")

    line.send(line.head(b"hello", "Content-Length: 5"))
    line.send(b"he")
    line.send(b"llo")
    assert answer(line)[::2] == (200, b"echo hello")


def test_head_in_several_segments_is_answered_by_cheroot(line: Line) -> None:
    whole = line.whole(b"hello")
    line.send(whole[:20])
    line.send(whole[20:])

    assert answer(line)[::2] == (200, b"echo hello")


def test_chunked_body_and_expect_continue_are_answered(line: Line) -> None:
    line.send(line.head(b"hello", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n")
    assert answer(line)[::2] == (200, b"echo hello")

    line.send(line.head(b"hello", "Content-Length: 5", "Expect: 100-continue"))
    assert line.connection.recv(100).startswith(b"HTTP/1.1 100")
    line.send(b"hello")
    assert answer(line)[::2] == (200, b"echo hello")


def test_other_services_are_answered_on_the_same_connection(line: Line) -> None:
    line.send(line.whole(b"hello"))
    assert answer(line)[0] == 200

    line.send(line.query(b"Action=GetCallerIdentity&Version=2011-06-15"))
    assert b"GetCallerIdentityResult" in answer(line)[2]
    line.send(line.whole(b"hello"))
    assert answer(line)[::2] == (200, b"echo hello")


def test_pipelined_requests_are_answered_in_order(line: Line) -> None:
    line.send(line.whole(b"one") + line.whole(b"two"))

    assert answer(line)[2] == b"echo one"
    assert answer(line)[2] == b"echo two"


def test_connection_is_closed_on_request(line: Line) -> None:
    line.send(line.whole(b"hello", "Connection: close"))

    status, text, _ = answer(line)
    assert (status, "connection: close" in text) == (200, True)
    assert line.connection.recv(10) == b""


def test_calls_are_recorded_and_subject_to_injected_faults(
    server: LocalCloudServer,
) -> None:
    cloud = server.cloud
    keys = cloud.credentials_of("arn:aws:iam::123456789012:role/caller", "s")
    runtime = boto3.client(
        "sagemaker-runtime", endpoint_url=cloud.endpoint_url, region_name="us-east-1",
        aws_access_key_id=keys.access_key, aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
    )  # fmt: skip
    cloud.faults.inject(kind="call", match="sagemaker:InvokeEndpoint", code="ServiceUnavailable",
                       status=503, principal="*/caller/s")  # fmt: skip

    actual = runtime.invoke_endpoint(EndpointName="e", Body="id", InferenceId="n-1", Accept="a/b")

    assert actual["Body"].read() == b"n-1"  # boto3 has retried
    recorded = cloud.recorder.calls(action="sagemaker:InvokeEndpoint")[-2:]
    assert [call.outcome for call in recorded] == ["ServiceUnavailable", "OK"]
    assert recorded[-1].principal.endswith("assumed-role/caller/s")
    assert recorded[-1].params == {
        "EndpointName": "e", "InferenceId": "n-1", "Accept": "a/b",
    }  # fmt: skip
    assert recorded[-1].resource == "e"


def test_unknown_endpoint_has_the_regular_error(line: Line) -> None:
    line.send(line.whole(b"hello", path=PATH.replace("/e/", "/none/")))

    status, text, body = answer(line)
    assert (status, "x-amzn-errortype: validationerror" in text) == (400, True)
    assert b"Endpoint none of account 123456789012 not found." in body


@pytest.mark.parametrize(
    ("part", "other", "code"),
    [
        (b"hello", b"hallo", "invalidsignatureexception"),
        (b"Credential=LKIA", b"Credential=AKIA", "unrecognizedclientexception"),
        (b"/us-east-1/", b"/us-east-2/", "invalidsignatureexception"),
        (b"text/csv", b"text/tsv", "invalidsignatureexception"),
    ],
)
def test_changed_request_is_refused_on_the_fast_path(
    server: LocalCloudServer, line: Line, part: bytes, other: bytes, code: str
) -> None:
    before = len(server.cloud.recorder.calls())

    line.send(line.whole(b"hello").replace(part, other))

    status, text, _ = answer(line)
    assert (status, f"x-amzn-errortype: {code}" in text) == (403, True)
    invoked = "sagemaker:InvokeEndpoint"  # calls of the endpoint itself are recorded too
    (call,) = [c for c in server.cloud.recorder.calls()[before:] if c.action == invoked]
    assert (call.principal, call.action) == ("anonymous", "sagemaker:InvokeEndpoint")


@pytest.mark.parametrize(
    "header", ["Origin: http://evil.example", "Referer: http://localhost:1/", "Host: evil.example"]
)
def test_request_of_a_web_page_is_refused_on_the_fast_path(line: Line, header: str) -> None:
    whole = line.whole(b"hello")
    name = header.split(":", maxsplit=1)[0].encode()
    kept = [part for part in whole.split(b"\r\n") if not part.startswith(name + b":")]
    kept.insert(1, header.encode())

    line.send(b"\r\n".join(kept))

    assert answer(line)[0] == 403
