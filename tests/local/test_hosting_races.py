"""Concurrent changes of an instance: stop, restart and requests."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_stage import Stage, opened, stage

from sageloop.local_cloud.sagemaker.hosting.instances.instance import Instance
from sageloop.local_cloud.sagemaker.hosting.timing import Timing
from sageloop.waiting import until

__all__ = ["opened", "stage"]

_SHORT: dict[str, Any] = {"startup_cap": 20, "flush": 0.05, "terminate": 2}


class _Gated(Instance):
    """An instance that starts its next process when the gate is opened."""

    gate: threading.Event
    reached: threading.Event

    def _prepare(self) -> None:
        self.reached.set()
        self.gate.wait(180)
        super()._prepare()


def _pids(stage: Stage) -> list[int]:
    running = stage.cloud.processes.running().items()
    return [pid for pid, label in running if label.startswith("endpoint:")]


def _only(stage: Stage) -> Instance:
    live = stage.hosting._lifecycle.live(stage.name)
    (instance,) = live.fleet.variants["AllTraffic"].instances
    only: Instance = instance
    return only


def _frail(stage: Stage, tmp_path: Path) -> Path:
    """An endpoint whose container hangs at its next start once the path exists."""
    hangs = tmp_path / "hangs"
    stage.model("frail", HANGS_IF=str(hangs))
    stage.config("frail", "frail")
    stage.endpoint("frail")
    return hangs


def _kill(stage: Stage) -> None:
    """Kill the only process and wait until another one is started."""
    (before,) = _pids(stage)
    os.kill(before, signal.SIGKILL)
    until("a restart", lambda: [pid for pid in _pids(stage) if pid != before], seconds=180)


def _ended(instance: Instance) -> None:
    """Wait for the threads of an instance."""
    for thread in threading.enumerate():
        if thread.name in (f"instance {instance.id}", f"restart {instance.id}"):
            thread.join(20)
            assert not thread.is_alive()


def test_instance_stopped_during_its_restart_stays_stopped(stage: Stage, tmp_path: Path) -> None:
    _frail(stage, tmp_path).touch()
    instance = _only(stage)
    _kill(stage)

    instance.stop()

    _ended(instance)
    assert stage.cloud.settle(180) == []
    assert (_pids(stage), instance.folder.exists()) == ([], False)
    instance.check()
    assert (instance.restart_if_down(), instance.start(), instance.starting_or_serving) == (
        False,
        False,
        False,
    )
    _ended(instance)
    assert _pids(stage) == []


def test_endpoint_deleted_during_a_restart_leaves_no_process(stage: Stage, tmp_path: Path) -> None:
    _frail(stage, tmp_path).touch()
    instance = _only(stage)
    _kill(stage)

    stage.sagemaker.delete_endpoint(EndpointName=stage.name)

    assert stage.wait_until_stable()["EndpointStatus"] == "Deleted"
    _ended(instance)
    assert stage.cloud.settle(180) == []
    assert _pids(stage) == []


@pytest.mark.parametrize("stopped_first", [True, False])
def test_concurrent_stop_and_start_leave_no_process(stage: Stage, *, stopped_first: bool) -> None:
    stage.endpoint()
    blueprint, timing = _only(stage).blueprint, Timing(**_SHORT)
    instance = _Gated(stage.cloud, blueprint, timing, lambda: None)
    instance.gate, instance.reached = threading.Event(), threading.Event()
    before = _pids(stage)

    with ThreadPoolExecutor(2) as threads:
        if stopped_first:
            instance.stop()
            instance.gate.set()
            assert threads.submit(instance.start).result(180) is False
            assert not instance.reached.is_set()
        else:
            starting = threads.submit(instance.start)
            assert instance.reached.wait(180)
            stopping = threads.submit(instance.stop)
            instance.gate.set()
            stopping.result(180)
            starting.result(180)

    _ended(instance)
    assert stage.cloud.settle(180) == []
    assert (_pids(stage), instance.healthy, instance.folder.exists()) == (before, False, False)


def test_request_waits_for_an_instance_at_most_its_admission_time(
    stage: Stage, tmp_path: Path
) -> None:
    stage.hosting.timing = Timing(**_SHORT, admission=0.3)
    _frail(stage, tmp_path).touch()
    _kill(stage)

    with pytest.raises(ClientError) as caught:
        stage.invoke()

    error = caught.value.response["Error"]
    assert error["Code"] == "ModelNotReadyException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert _only(
        stage
    ).starting_or_serving  # it is still being restarted: the request did not wait for that


def test_request_admitted_in_time_is_served_by_the_new_process(
    stage: Stage, tmp_path: Path
) -> None:
    hangs = _frail(stage, tmp_path)
    hangs.touch()
    first = stage.invoke("pid")
    _kill(stage)

    with ThreadPoolExecutor(1) as threads:
        pending = threads.submit(stage.invoke, "pid")
        hangs.unlink()
        os.kill(_pids(stage)[0], signal.SIGKILL)  # the process that hangs; the next one does not
        response = pending.result(180)

    assert response not in (first, "")


def test_request_over_the_drain_limit_fails_with_aws_error(stage: Stage) -> None:
    stage.hosting.timing = Timing(**_SHORT, drain=0.2)
    stage.endpoint()
    stage.model("summer")
    stage.config("green", "summer")

    with ThreadPoolExecutor(1) as threads:
        pending = threads.submit(stage.invoke, "sleep 600")
        outstanding = stage.hosting.outstanding
        until("it", lambda: outstanding(stage.name, "AllTraffic") == [1] or None, seconds=180)
        stage.sagemaker.update_endpoint(EndpointName=stage.name, EndpointConfigName="green")
        assert stage.wait_until_stable()["EndpointConfigName"] == "green"
        with pytest.raises(ClientError) as caught:
            pending.result(180)

    assert caught.value.response["Error"]["Code"] == "ModelError"
    assert caught.value.response["OriginalStatusCode"] == 503
    assert stage.invoke("model") == "summer"
    assert len(_pids(stage)) == 1


def test_request_within_the_drain_limit_is_completed(stage: Stage) -> None:
    stage.endpoint()
    stage.model("summer")
    stage.config("green", "summer")

    with ThreadPoolExecutor(1) as threads:
        pending = threads.submit(stage.invoke, "sleep 1")
        outstanding = stage.hosting.outstanding
        until("it", lambda: outstanding(stage.name, "AllTraffic") == [1] or None, seconds=180)
        stage.sagemaker.update_endpoint(EndpointName=stage.name, EndpointConfigName="green")
        assert pending.result(180) == "echo sleep 1"

    assert stage.wait_until_stable()["EndpointConfigName"] == "green"
