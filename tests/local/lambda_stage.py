"""Functions through boto3, run in separate processes."""

from __future__ import annotations

import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cheroot.wsgi import Server
from roles import LAMBDA, USER, function_role, trust

from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.functions.service import LambdaService

TRUST = trust(LAMBDA)
RULE = "arn:aws:events:us-east-1:123456789012:rule/nightly"

Create = Callable[..., str]


def package(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def shared_cloud() -> Iterator[Cloud]:
    cloud = Cloud(CloudConfig())
    cloud.add([LambdaService(cloud), CloudWatchService(cloud)])
    server = Server(("127.0.0.1", 0), cloud.front, numthreads=16)
    server.prepare()
    cloud.port = server.bind_addr[1]
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    cloud.start()
    function_role(cloud.client("iam", principal=USER), "runner")
    yield cloud
    cloud.stop()
    server.stop()
    thread.join(5)


@pytest.fixture
def cloud(shared_cloud: Cloud) -> Iterator[Cloud]:
    yield shared_cloud
    shared_cloud.faults.clear()


@pytest.fixture
def client(cloud: Cloud) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=cloud.access.access_key_id,
        aws_secret_access_key=cloud.access.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def create(client: Any, request: pytest.FixtureRequest) -> Iterator[Create]:
    made: list[str] = []

    def make(source: str, **members: Any) -> str:
        name = re.sub(r"\W+", "-", f"f{len(made)}-{request.node.name}")[:60].rstrip("-")
        defaults: dict[str, Any] = {
            "FunctionName": name,
            "Runtime": "python3.14",
            "Handler": "index.handler",
            "Role": "arn:aws:iam::123456789012:role/runner",
            "Code": {"ZipFile": package({"index.py": source})},
            "Timeout": 10,
        }
        client.create_function(**{**defaults, **members})
        made.append(name)
        return name

    yield make
    for name in made:
        try:
            client.delete_function(FunctionName=name)
        except client.exceptions.ResourceNotFoundException:
            continue


def invoke(client: Any, name: str, event: Any = None, **members: Any) -> tuple[Any, dict[str, Any]]:
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), **members)
    text = answer["Payload"].read()
    return (json.loads(text) if text else None), answer


def log_of(cloud: Cloud, group: str) -> list[str]:
    assert cloud.settle() == []
    events = cloud.client("logs", principal=USER).filter_log_events(logGroupName=group)
    return [e["message"] for e in events["events"]]


ECHO = "def handler(event, context):\n    return event\n"
RAISE = "def handler(event, context):\n    raise ValueError('no luck')\n"
