"""Models of several containers through boto3."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_stage import ROLE, Stage, fresh, open_stage, refusal
from roles import USER

from sageloop.local_cloud import images
from sageloop.local_cloud.sagemaker.hosting.timing import Timing

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/pipeline-test:1"


@pytest.fixture(scope="module")
def opened() -> Iterator[Stage]:
    program = [sys.executable, "-IS", str(Path(__file__).with_name("pipeline_server.py"))]
    images.register(IMAGE, serving=program)
    with open_stage() as stage:
        yield stage
    images.unregister(IMAGE)


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    with fresh(opened) as stage:
        yield stage


def _container(name: str | None = None, **environment: str) -> dict[str, Any]:
    named = {} if name is None else {"ContainerHostname": name, "Environment": {"NAME": name}}
    container: dict[str, Any] = {"Image": IMAGE, "Environment": {}} | named
    container["Environment"] = container["Environment"] | environment
    return container


def _serve(stage: Stage, *parts: dict[str, Any], mode: str | None = None) -> dict[str, Any]:
    execution = {} if mode is None else {"InferenceExecutionConfig": {"Mode": mode}}
    stage.sagemaker.create_model(
        ModelName="chain", ExecutionRoleArn=ROLE, Containers=list(parts), **execution
    )
    stage.config("chain", "chain")
    return stage.endpoint("chain")


@pytest.mark.feature("serving: pipeline of containers")
def test_response_of_a_container_is_the_request_of_the_next(stage: Stage) -> None:
    described = _serve(stage, _container("clean"), _container("score"))

    response = stage.runtime.invoke_endpoint(
        EndpointName=stage.name, Body="x", ContentType="text/csv", Accept="application/json",
        InferenceId="i-1",
    )  # fmt: skip
    *headers, before = json.loads(response["Body"].read())
    assert headers == ["score", "text/x-clean", "application/json", "i-1"]
    assert json.loads(before) == ["clean", "text/csv", "-", "i-1", "x"]
    assert response["ContentType"] == "text/x-score"
    images = described["ProductionVariants"][0]["DeployedImages"]
    assert [image["SpecifiedImage"] for image in images] == [IMAGE, IMAGE]


def test_each_container_has_a_process_and_a_log_stream(stage: Stage) -> None:
    _serve(stage, _container("clean"), _container("score"))

    running = [label for label in stage.cloud.processes.running().values() if stage.name in label]
    assert len(running) == 2
    assert stage.cloud.settle(180) == []
    logs = stage.cloud.client("logs", principal=USER)
    group = f"/aws/sagemaker/Endpoints/{stage.name}"
    listed = logs.describe_log_streams(logGroupName=group)["logStreams"]
    streams = [stream["logStreamName"] for stream in listed]
    assert sorted(stream.split("/")[2] for stream in streams) == ["clean", "score"]
    assert len({stream.split("/")[1] for stream in streams}) == 1


def test_container_failure_is_a_model_error_with_its_name(stage: Stage) -> None:
    _serve(stage, _container("clean"), _container("middle", DO="status 500"), _container("score"))

    with pytest.raises(ClientError) as caught:
        stage.invoke("x")
    response = caught.value.response
    report = response["Error"]["Message"]
    assert report.startswith('Received server error (500) from middle with message "middle fails"')
    assert response["OriginalStatusCode"] == 500
    assert response["LogStreamArn"].endswith("/middle")


def test_unnamed_containers_are_numbered_in_errors(stage: Stage) -> None:
    _serve(stage, _container(), _container(DO="status 415"))

    with pytest.raises(ClientError, match=r"client error \(415\) from container-2"):
        stage.invoke("x")


def test_exited_container_is_restarted_and_named_in_the_error(stage: Stage) -> None:
    _serve(stage, _container("clean"), _container("score"))

    stage.runtime.invoke_endpoint(EndpointName=stage.name, Body="x")
    with pytest.raises(ClientError, match=r"\(503\) from clean"):
        stage.invoke("die")
    assert stage.cloud.settle(180) == []
    assert json.loads(stage.invoke("x"))[0] == "score"


def test_timeout_error_names_the_container(stage: Stage) -> None:
    stage.hosting.timing = Timing(startup_cap=120, flush=0.05, terminate=2, invocation=0.4)
    _serve(stage, _container("clean"), _container("score", DO="sleep 5"))

    with pytest.raises(ClientError, match="response from container score"):
        stage.invoke("x")


def test_failed_ping_names_the_container_in_failure_reason(stage: Stage) -> None:
    stage.hosting.timing = Timing(startup_cap=1.5, flush=0.05, terminate=2)
    described = _serve(stage, _container("clean"), _container("score", PING="broken"))

    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith(
        "The score container for production variant AllTraffic did not pass the ping health check"
    )


@pytest.mark.feature("serving: containers invoked directly")
def test_direct_invocation_is_served_by_the_target_container(stage: Stage) -> None:
    _serve(stage, _container("one"), _container("two"), mode="Direct")

    for name in ("one", "two"):
        report = json.loads(stage.invoke("x", TargetContainerHostname=name))
        assert (report[0], report[4]) == (name, "x")


@pytest.mark.parametrize("target", [{}, {"TargetContainerHostname": "three"}])
def test_direct_invocation_of_unknown_container_is_refused(
    stage: Stage, target: dict[str, str]
) -> None:
    _serve(stage, _container("one"), _container("two"), mode="Direct")

    code, message = refusal(
        stage.runtime.invoke_endpoint, EndpointName=stage.name, Body="x", **target
    )
    assert code == "ValidationError"
    assert "one of one, two" in message


def test_target_container_of_a_serial_pipeline_is_refused(stage: Stage) -> None:
    _serve(stage, _container("one"), _container("two"))

    code, message = refusal(
        stage.runtime.invoke_endpoint, EndpointName=stage.name, Body="x",
        TargetContainerHostname="one",
    )  # fmt: skip
    assert code == "ValidationError"
    assert "mode Direct" in message


def test_repeated_container_name_is_refused(stage: Stage) -> None:
    code, message = refusal(
        stage.sagemaker.create_model, ModelName="m", ExecutionRoleArn=ROLE,
        Containers=[_container("one"), _container("one")],
    )  # fmt: skip
    assert (code, "unique" in message) == ("ValidationException", True)


def test_direct_mode_without_container_names_is_refused(stage: Stage) -> None:
    code, message = refusal(
        stage.sagemaker.create_model, ModelName="m", ExecutionRoleArn=ROLE,
        Containers=[_container("one"), _container()],
        InferenceExecutionConfig={"Mode": "Direct"},
    )  # fmt: skip
    assert (code, "ContainerHostname" in message) == ("ValidationException", True)


def test_latency_of_each_container_is_published(stage: Stage) -> None:
    _serve(stage, _container("clean"), _container("score"))
    stage.invoke("x")

    assert stage.total("ContainerLatency", ContainerName="clean") > 0
    assert stage.total("ContainerLatency", ContainerName="score") > 0
