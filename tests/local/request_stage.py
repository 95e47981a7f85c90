"""A cloud with its server, and requests of clients, browsers and unauthenticated callers."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.server import LocalCloudServer

REGION = "us-east-1"
# Calls of services whose operations all have required members.
_ARGUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "sagemaker-runtime": ("invoke_endpoint", {"EndpointName": "e", "Body": b"x"}),
    "s3control": ("list_access_points", {"AccountId": "123456789012"}),
    "application-autoscaling": ("describe_scalable_targets", {"ServiceNamespace": "sagemaker"}),
}


@contextmanager
def served(**config: Any) -> Iterator[Cloud]:
    """A cloud with all its services in this process, served on loopback."""
    server = LocalCloudServer(CloudConfig(**config))
    server.start()
    try:
        yield server.cloud
    finally:
        server.stop()


@dataclass(frozen=True)
class Sent:
    """A prepared request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def with_headers(self, **headers: str) -> Sent:
        """The request with further or other headers (underscores stand for dashes)."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {k: v for k, v in self.headers.items() if k.lower() not in _lowered(changed)}
        return replace(self, headers=kept | changed)

    def without(self, *names: str) -> Sent:
        """The request without some headers."""
        kept = {k: v for k, v in self.headers.items() if k.lower() not in _lowered(names)}
        return replace(self, headers=kept)


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def send(cloud: Cloud, sent: Sent) -> Answer:
    """Send a request unchanged."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=180)
    try:
        connection.putrequest(sent.method, sent.path, skip_host=True, skip_accept_encoding=True)
        headers = {"Host": f"127.0.0.1:{cloud.port}", "Content-Length": str(len(sent.body))}
        kept = {k: v for k, v in headers.items() if k.lower() not in _lowered(sent.headers)}
        for name, value in (kept | dict(sent.headers)).items():
            connection.putheader(name, value)
        connection.endheaders(sent.body)
        answer = connection.getresponse()
        actual = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, actual, answer.read())
    finally:
        connection.close()


def client(cloud: Cloud, service: str, *keys: str, **config: Any) -> Any:
    """A boto3 client over HTTP, by default with the keys of the cloud's user."""
    key, secret, token = keys if keys else (*user_keys(cloud), None)
    return boto3.client(
        service, endpoint_url=cloud.endpoint_url, region_name=REGION, aws_access_key_id=key,
        aws_secret_access_key=secret, aws_session_token=token,
        config=Config(
            retries={"total_max_attempts": 1}, inject_host_prefix=False, proxies={},
            **({"s3": {"addressing_style": "path"}} | config),
        ),
    )  # fmt: skip


def user_keys(cloud: Cloud) -> tuple[str, str]:
    return cloud.access.access_key_id, cloud.access.secret_access_key


def request_of(cloud: Cloud, service: str) -> Sent:
    """A signed request of the user to a service: a list or describe operation."""
    made = client(cloud, service)
    caught: list[AWSPreparedRequest] = []

    def catch(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        caught.append(request)
        raise ConnectionAbortedError("caught before it is sent")

    made.meta.events.register("before-send", catch)
    operation, arguments = _ARGUMENTS.get(service) or (_listing(made), {})
    with suppress(ConnectionAbortedError):
        getattr(made, operation)(**arguments)
    (request,) = caught
    parts = urlsplit(request.url)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
    body = request.body or b""
    sent = Sent(request.method, path, headers, body if isinstance(body, bytes) else body.encode())
    # Its client signs for a host name that begins with the account's number.
    return signed_at(cloud, service, sent, timedelta()) if service == "s3control" else sent


def signed_at(cloud: Cloud, service: str, sent: Sent, ago: timedelta) -> Sent:
    """The request, signed ``ago`` seconds in the past."""
    dropped = ("authorization", "x-amz-date", "x-amz-content-sha256")
    bare = sent.without(*dropped)
    url = cloud.endpoint_url + bare.path
    request = AWSRequest(bare.method, url, headers=dict(bare.headers), data=bare.body)
    base = S3SigV4Auth if service in ("s3", "s3control") else SigV4Auth
    signer = base(Credentials(*user_keys(cloud)), _signing_name(service), REGION)
    request.context["timestamp"] = (datetime.now(UTC) - ago).strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return replace(bare, headers=dict(request.headers.items()))


def keeping_hash(cloud: Cloud, sent: Sent) -> Sent:
    """The same, signed over the hash that it states instead of its body's."""

    class Stated(S3SigV4Auth):
        def payload(self, request: AWSRequest) -> str:
            return str(sent.headers["x-amz-content-sha256"])

    keys = Credentials(cloud.access.access_key_id, cloud.access.secret_access_key)
    request = AWSRequest(sent.method, cloud.endpoint_url + sent.path, headers=dict(sent.headers))
    Stated(keys, "s3", "us-east-1").add_auth(request)
    return Sent(sent.method, sent.path, dict(request.headers.items()), sent.body)


def _signing_name(service: str) -> str:
    from botocore.session import get_session

    return str(get_session().get_service_model(service).signing_name)


def _listing(made: Any) -> str:
    """The first operation without required members, preferably one that lists or describes."""
    model = made.meta.service_model
    methods = {v: k for k, v in made.meta.method_to_api_mapping.items()}
    free = []
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        if shape is None or not shape.required_members:
            free.append(name)
    # IAM's Get operations return every managed policy, which takes half a minute.
    free.sort(key=lambda name: (not name.startswith(("List", "Describe", "GetC")), name))
    return str(methods[free[0]])


def _lowered(names: Any) -> set[str]:
    return {str(name).lower() for name in names}
