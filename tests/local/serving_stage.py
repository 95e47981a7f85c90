"""Test harness for models of framework images with user code (script mode)."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cheroot.wsgi import Server
from hosting_stage import ROLE, Stage
from roles import USER

from sageloop.local_cloud import images
from sageloop.waiting import until

_REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
_FIRST_PARTY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
PYTORCH = f"{_REGISTRY}/pytorch-inference:2.6.0-cpu-py312"
TENSORFLOW = f"{_REGISTRY}/tensorflow-inference:2.19.0-cpu"
SCIKIT_LEARN = f"{_FIRST_PARTY}/sagemaker-scikit-learn:1.4-2"
XGBOOST = f"{_FIRST_PARTY}/sagemaker-xgboost:1.7-1"
# An image with AWS's inference toolkit and without a framework: it serves as PyTorch's image
# does, but has no default functions.
OWN = "own/toolkit:1"


@pytest.fixture(scope="module")
def own_image() -> Iterator[None]:
    """Register :data:`OWN` as such an image."""
    images.register(OWN, script_mode=True)
    yield
    images.unregister(OWN)


@contextmanager
def listening(stage: Stage) -> Iterator[str]:
    """Serve the stage's cloud over HTTP; yields its URL."""
    server = Server(("127.0.0.1", 0), stage.cloud.front)
    server.prepare()

    def serve() -> None:
        with suppress(OSError, ValueError, KeyError):  # its sockets are closed while it runs
            server.serve()

    threading.Thread(target=serve, daemon=True).start()
    stage.cloud.port = server.bind_addr[1]
    yield stage.cloud.endpoint_url
    stage.cloud.port = 0
    server.stop()


def wheel(name: str, source: str) -> bytes:
    """A wheel with one module."""
    content, about = io.BytesIO(), f"{name}-1.0.dist-info"
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{name}.py", source)
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return content.getvalue()


def packed(files: dict[str, str | bytes]) -> bytes:
    """A model archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def serve(
    stage: Stage, image: str, files: dict[str, str | bytes], *, isolated: bool = False,
    **environment: str,
) -> dict[str, Any]:  # fmt: skip
    """Create an endpoint of a model with these files."""
    stage.s3.put_object(Bucket="data", Key="scripted.tar.gz", Body=packed(files))
    stage.sagemaker.create_model(
        ModelName="scripted", ExecutionRoleArn=ROLE, EnableNetworkIsolation=isolated,
        PrimaryContainer={
            "Image": image, "ModelDataUrl": "s3://data/scripted.tar.gz", "Environment": environment,
        },
    )  # fmt: skip
    stage.config("scripted", "scripted")
    return stage.endpoint("scripted")


def invoke(
    stage: Stage, body: str | bytes, kind: str = "application/json", **more: Any
) -> tuple[str, bytes]:
    """The content type and the body of a response."""
    response = stage.runtime.invoke_endpoint(
        EndpointName=stage.name, Body=body, ContentType=kind, **more
    )
    return response["ContentType"], response["Body"].read()


def invoke_json(
    stage: Stage, body: str | bytes, kind: str = "application/json", **more: Any
) -> Any:
    """The JSON of a response."""
    return json.loads(invoke(stage, body, kind, **more)[1])


def error_of(
    stage: Stage, body: str | bytes, kind: str = "application/json", **more: Any
) -> tuple[int, str]:
    """The status and the message of a container's error response."""
    with pytest.raises(ClientError) as caught:
        invoke(stage, body, kind, **more)
    response = caught.value.response
    assert response["Error"]["Code"] == "ModelError"
    return response["OriginalStatusCode"], response["OriginalMessage"]


def log_of(stage: Stage) -> str:
    """All output of the endpoint's containers so far."""
    assert stage.cloud.settle(180) == []
    logs = stage.cloud.client("logs", principal=USER)
    group = f"/aws/sagemaker/Endpoints/{stage.name}"
    events = logs.filter_log_events(logGroupName=group)["events"]
    return "\n".join(event["message"] for event in events)


def is_logged(stage: Stage, words: str) -> bool:
    """Whether the containers print this text; waits until it is in the log."""
    return until(words, lambda: words in log_of(stage), seconds=180)
