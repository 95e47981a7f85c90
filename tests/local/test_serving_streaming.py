"""InvokeEndpointWithResponseStream through boto3, in process and over a socket."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from hosting_stage import CAPTURE, ROLE, Stage, fresh, open_stage, refusal
from serving_stage import listening

from sageloop.local_cloud import images
from sageloop.local_cloud.sagemaker.hosting.routing import streaming
from sageloop.local_cloud.sagemaker.hosting.timing import Timing

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/streaming-test:1"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Path]]:
    program = [sys.executable, "-IS", str(Path(__file__).with_name("pipeline_server.py"))]
    images.register(IMAGE, serving=program)
    gate = tmp_path_factory.mktemp("gate") / "gate"
    os.mkfifo(gate)
    with open_stage() as stage:
        yield stage, gate
    images.unregister(IMAGE)


@pytest.fixture
def stage(opened: tuple[Stage, Path]) -> Iterator[Stage]:
    with fresh(opened[0]) as stage:
        environment = {"NAME": "talker", "GATE": str(opened[1])}
        stage.sagemaker.create_model(
            ModelName="talker", ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": IMAGE, "Environment": environment},
        )  # fmt: skip
        stage.config("talk", "talker")
        yield stage


@pytest.fixture
def over_http(stage: Stage) -> Iterator[Any]:
    with listening(stage) as url:
        yield boto3.Session(
            aws_access_key_id=stage.cloud.access.access_key_id, region_name="us-east-1",
            aws_secret_access_key=stage.cloud.access.secret_access_key,
        ).client(
            "sagemaker-runtime", endpoint_url=url,
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )  # fmt: skip


def _invoke_stream(stage: Stage, body: str, client: Any = None, **more: Any) -> Any:
    runtime = stage.runtime if client is None else client
    return runtime.invoke_endpoint_with_response_stream(
        EndpointName=stage.name, Body=body, ContentType="text/plain", **more
    )


@pytest.mark.feature("serving: streamed responses")
def test_parts_are_forwarded_as_the_container_sends_them(
    stage: Stage, opened: tuple[Stage, Path], over_http: Any
) -> None:
    stage.endpoint("talk")

    response = _invoke_stream(stage, "stream gate", over_http)
    assert response["ContentType"] == "text/event-stream"
    assert response["InvokedProductionVariant"] == "AllTraffic"
    assert response["CustomAttributes"] == "k=v"
    events = iter(response["Body"])
    assert next(events)["PayloadPart"]["Bytes"] == b"first"
    opened[1].write_text("go on")  # the container waits for this file
    assert [event["PayloadPart"]["Bytes"] for event in events] == [b" and second"]


@pytest.mark.feature("capture: streamed responses")
def test_stream_is_measured_and_captured(stage: Stage) -> None:
    stage.config("kept", "talker", DataCaptureConfig=CAPTURE)
    stage.endpoint("kept")

    text = [
        e["PayloadPart"]["Bytes"]
        for e in _invoke_stream(stage, "stream on", InferenceId="i")["Body"]
    ]

    assert b"".join(text) == b"first and second"
    assert stage.total("Invocations") == 1
    assert 0 < stage.total("FirstChunkModelLatency") <= stage.total("ModelLatency")
    assert stage.cloud.settle(180) == []
    kept = stage.s3.list_objects_v2(Bucket="data", Prefix=f"captured/{stage.name}/")["Contents"]
    assert len(kept) == 1
    actions = [c.action for c in stage.cloud.recorder.calls()]
    assert "sagemaker:InvokeEndpointWithResponseStream" in actions


@pytest.mark.feature("bad input: an incomplete stream")
@pytest.mark.parametrize(("how", "text"), [("die", "was closed"), ("hang", "in the allotted time")])
def test_incomplete_stream_ends_with_an_error(
    stage: Stage, how: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sageloop.local_cloud.sagemaker.runtime.STREAM_SECONDS", 1.0)
    stage.endpoint("talk")

    events = iter(_invoke_stream(stage, f"stream {how}")["Body"])
    assert next(events)["PayloadPart"]["Bytes"] == b"first"
    with pytest.raises(EventStreamError) as caught:
        next(events)

    response = caught.value.response
    assert response["Error"]["Code"] == "ModelStreamError"
    assert text in response["Error"]["Message"]
    assert stage.total("InvocationModelErrors") == 1


def test_error_status_of_a_stream_is_a_model_error(stage: Stage) -> None:
    stage.endpoint("talk")

    with pytest.raises(ClientError) as caught:
        _invoke_stream(stage, "status 500")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 500
    assert caught.value.response["OriginalMessage"] == "talker fails"


def test_unchunked_response_is_one_event(stage: Stage) -> None:
    stage.endpoint("talk")

    events = list(_invoke_stream(stage, "whole")["Body"])
    assert len(events) == 1
    assert b"whole" in events[0]["PayloadPart"]["Bytes"]


def test_last_container_of_a_pipeline_is_streamed(stage: Stage) -> None:
    parts = [{"Image": IMAGE, "Environment": {"NAME": "a"}},
             {"Image": IMAGE, "Environment": {"NAME": "b", "DO": "stream on"}}]  # fmt: skip
    stage.sagemaker.create_model(ModelName="chain", ExecutionRoleArn=ROLE, Containers=parts)
    stage.config("chain", "chain")
    stage.endpoint("chain")

    text = [event["PayloadPart"]["Bytes"] for event in _invoke_stream(stage, "x")["Body"]]
    assert text == [b"first", b" and second"]


def test_instance_is_busy_until_its_stream_is_closed(stage: Stage) -> None:
    stage.hosting.timing = Timing(startup_cap=120, flush=0.05, terminate=2)
    stage.endpoint("talk")
    response = _invoke_stream(stage, "stream hang")
    next(iter(response["Body"]))

    assert stage.hosting.outstanding(stage.name, "AllTraffic") == [1]
    response["Body"].close()
    assert stage.hosting.outstanding(stage.name, "AllTraffic") == [0]


def test_unknown_endpoint_is_refused(stage: Stage) -> None:
    code, message = refusal(
        stage.runtime.invoke_endpoint_with_response_stream, EndpointName="missing", Body="x"
    )
    assert (code, "not found" in message) == ("ValidationError", True)


def test_message_of_the_event_stream_has_lengths_and_checksums() -> None:
    message = _read(streaming.payload_part(b"\x00abc"))

    assert message.payload == b"\x00abc"
    assert message.headers[":event-type"] == "PayloadPart"


def test_stream_error_event_has_its_code() -> None:
    message = _read(streaming.model_stream_error("StreamBroken", "gone"))

    assert message.headers[":exception-type"] == "ModelStreamError"
    assert json.loads(message.payload) == {"Message": "gone", "ErrorCode": "StreamBroken"}


def _read(data: bytes) -> Any:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return next(iter(buffer))
