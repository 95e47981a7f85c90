"""Cleanup after endpoints, and isolation of failures."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from component_stage import Components
from hosting_stage import CAPTURE, Stage, opened, stage

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
from sageloop.waiting import until

__all__ = ["opened", "stage"]

_CANARY = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY", "WaitIntervalInSeconds": 600,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        }
    }
}  # fmt: skip


def _folders(stage: Stage) -> list[Path]:
    return list((stage.cloud.work_dir / "sagemaker" / "endpoints").rglob("*"))


def _threads(stage: Stage) -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("instance i-", "log AllTraffic"))]


def _processes(stage: Stage) -> list[int]:
    running = stage.cloud.processes.running().items()
    return [pid for pid, label in running if label.startswith("endpoint:")]


def _instance(stage: Stage) -> Instance:
    live = stage.hosting._lifecycle.live(stage.name)
    (instance,) = live.fleet.variants["AllTraffic"].instances
    only: Instance = instance
    return only


def test_deleted_endpoint_leaves_no_process_thread_or_folder(stage: Stage) -> None:
    stage.config("two", "winter", count=2)
    stage.endpoint("two")
    stage.invoke()
    stage.hosting.set_instance_count(stage.name, "AllTraffic", 1)
    stage.wait_until_stable()
    assert len(_processes(stage)) == 1
    stage.sagemaker.update_endpoint(EndpointName=stage.name, EndpointConfigName="one")
    stage.wait_until_stable()
    (dying,) = _processes(stage)
    os.kill(dying, signal.SIGKILL)
    until("the exit to be detected", lambda: dying not in _processes(stage), seconds=180)
    assert stage.cloud.settle(180) == []

    stage.sagemaker.delete_endpoint(EndpointName=stage.name)
    assert stage.wait_until_stable()["EndpointStatus"] == "Deleted"

    assert stage.cloud.settle(180) == []
    for thread in threading.enumerate():
        if thread.name.startswith(("instance i-", "log AllTraffic")):
            thread.join(5)
    assert (_processes(stage), _threads(stage), _folders(stage)) == ([], [], [])


def test_queue_of_a_deleted_endpoint_is_removed(stage: Stage) -> None:
    stage.config("queued", "winter", AsyncInferenceConfig={
        "OutputConfig": {"S3OutputPath": "s3://data/out"}})  # fmt: skip
    stage.endpoint("queued")
    stage.runtime.invoke_endpoint_async(EndpointName=stage.name, Body=b"hello")
    assert stage.cloud.settle(180) == []
    assert stage.name in stage.hosting.asynchronous._backlogs

    stage.sagemaker.delete_endpoint(EndpointName=stage.name)
    stage.wait_until_stable()

    assert stage.name not in stage.hosting.asynchronous._backlogs


def test_process_that_cannot_be_started_fails_the_endpoint(stage: Stage) -> None:
    stage.model("impossible", GREETING="a\0b")
    variants = [
        {"VariantName": name, "ModelName": model, "InitialInstanceCount": 1,
         "InstanceType": "ml.m5.large"}
        for name, model in (("good", "winter"), ("bad", "impossible"))
    ]  # fmt: skip
    stage.sagemaker.create_endpoint_config(EndpointConfigName="both", ProductionVariants=variants)

    described = stage.endpoint("both")

    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith("InternalServerError: ")
    assert _processes(stage) == []


def test_failed_restart_is_repeated_at_the_next_health_check(stage: Stage) -> None:
    stage.endpoint()
    instance, folder = _instance(stage), _instance(stage).folder
    shutil.rmtree(folder)
    folder.write_text("in the way")
    os.kill(_processes(stage)[0], signal.SIGKILL)
    until("the exit to be detected", lambda: not instance.healthy, seconds=180)
    assert stage.cloud.settle(180) == []
    with pytest.raises(stage.runtime.exceptions.ModelNotReadyException):
        stage.invoke()

    folder.unlink()
    # The cloud's health check may run at the same time and fail because of the file.
    until("it to serve", lambda: instance.check() or instance.healthy, seconds=180)

    assert stage.invoke() == "echo hello"


def test_failed_capture_does_not_affect_other_endpoints(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    lost = f"s3://no-such-bucket-{stage.name}"
    kept = f"s3://data/kept-{stage.name}"
    other = f"{stage.name}-other"
    stage.config("lost", "winter", DataCaptureConfig={**CAPTURE, "DestinationS3Uri": lost})
    stage.config("kept", "winter", DataCaptureConfig={**CAPTURE, "DestinationS3Uri": kept})
    stage.endpoint("lost")
    stage.sagemaker.create_endpoint(EndpointName=other, EndpointConfigName="kept")
    stage.hosting.wait_endpoint(other)

    with caplog.at_level(logging.WARNING):
        stage.invoke()
        stage.runtime.invoke_endpoint(EndpointName=other, Body="hello", ContentType="text/csv")
        assert stage.cloud.settle(180) == []

    stage.sagemaker.delete_endpoint(EndpointName=other)
    stage.hosting.wait_endpoint(other)
    listing = stage.s3.list_objects_v2(Bucket="data", Prefix=f"kept-{stage.name}/")
    assert listing["KeyCount"] == 1
    assert f"captured requests of {stage.name}/AllTraffic" in caplog.text


def test_damaged_archive_fails_the_endpoint_with_aws_message(stage: Stage) -> None:
    whole = stage.s3.get_object(Bucket="data", Key="winter.tar.gz")["Body"].read()
    damaged = whole[:12] + b"\xff" * 20 + whole[32:]
    stage.s3.put_object(Bucket="data", Key="winter.tar.gz", Body=damaged)

    described = stage.endpoint()

    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith("Failed to extract model data archive from URL")


@pytest.mark.feature("rollout: no guardrails on ml.inf1")
def test_canary_on_inf1_is_deployed_all_at_once(stage: Stage) -> None:
    def config(name: str) -> None:
        variant: dict[str, Any] = {
            "VariantName": "AllTraffic", "ModelName": "winter", "InitialInstanceCount": 1,
            "InstanceType": "ml.inf1.xlarge",
        }  # fmt: skip
        stage.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant]
        )

    config("old")
    config("new")
    stage.endpoint("old")

    stage.sagemaker.update_endpoint(
        EndpointName=stage.name, EndpointConfigName="new", DeploymentConfig=_CANARY
    )

    # It is neither refused for its single instance nor baked for ten minutes.
    assert stage.wait_until_stable()["EndpointConfigName"] == "new"


@pytest.fixture
def components(stage: Stage) -> Iterator[Components]:
    harness = Components(stage)
    yield harness
    harness.clear()


def test_requests_in_progress_are_reported_by_copy(components: Components) -> None:
    components.endpoint()
    components.create(copies=2)

    assert components.hosting.outstanding_copies(components.first) == [0, 0]
    assert components.hosting.outstanding_copies("no-such-component") == []


def test_no_copy_stays_on_a_removed_instance(components: Components) -> None:
    components.endpoint(2)
    components.create(copies=2, cores=3)
    for name in ("left", "right"):
        components.create(name)

    components.hosting.set_instance_count(components.stage.name, "AllTraffic", 1)
    described = components.stage.wait_until_stable()

    # One instance has resources for half of the copies; the others are stopped.
    assert "not enough hardware resources" in described["FailureReason"]
    assert (components.hosts(), components.processes()) == (1, 2)
