"""Deployments that fail between their steps, and rollbacks that fail."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hosting_stage import Stage, refusal
from rollout_stage import (  # noqa: F401 - fixtures are found by name
    CANARY,
    ROLLING,
    alarm,
    opened,
    reporting,
    serve_blue,
    stage,
    traffic,
    trigger_alarm,
    update,
)


@pytest.fixture
def gone(stage: Stage, tmp_path: Path) -> Path:
    """Two instances serve; once the path exists, no further instance can start."""
    path = tmp_path / "gone"
    stage.model("frail", EXITS_IF=str(path))
    serve_blue(stage, 2, model="frail")
    return path


def old(stage: Stage) -> list[Any]:
    live = stage.hosting._lifecycle.live(stage.name)
    instances: list[Any] = live.fleet.variants["AllTraffic"].instances
    return instances


def kill_old(stage: Stage) -> None:
    """Kill the processes of the old fleet and wait until no restart is attempted."""
    killed = [(instance, instance.process) for instance in old(stage)]
    for _, child in killed:
        os.kill(child.pid, signal.SIGKILL)
    for instance, child in killed:
        child.wait(180)
        instance._mark_dead(child)  # the watcher may notice it after the rollback has begun
    variant = stage.hosting._lifecycle.live(stage.name).fleet.variants["AllTraffic"]
    variant.await_instance(20)


def break_rollback(stage: Stage, gone: Path, policy: dict[str, Any]) -> dict[str, Any]:
    """Make a rollback fail during a deployment of ``green``: its old fleet has exited."""
    update(stage, policy)
    stage.until(reporting("Baking for 600 seconds"))
    gone.touch()
    kill_old(stage)
    trigger_alarm(stage)
    described = stage.wait_until_stable()
    alarm(stage, "OK")
    return described


@pytest.mark.feature("rollout: rollback that fails")
@pytest.mark.parametrize("policy", [CANARY, ROLLING], ids=["canary", "rolling"])
def test_rollback_fails_if_the_old_fleet_has_exited(
    stage: Stage, gone: Path, policy: dict[str, Any]
) -> None:
    described = break_rollback(stage, gone, policy)

    assert described["EndpointStatus"] == "UpdateRollbackFailed"
    assert described["EndpointConfigName"] == "blue"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert "PendingDeploymentSummary" not in described
    assert stage.events.statuses()[-2:] == ["ROLLING_BACK", "UPDATE_ROLLBACK_FAILED"]
    # The instances of the new fleet get all traffic.
    assert {stage.invoke("model") for _ in range(20)} == {"summer"}


def test_update_after_failed_rollback_succeeds(stage: Stage, gone: Path) -> None:
    break_rollback(stage, gone, CANARY)

    update(stage)

    described = stage.wait_until_stable()
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "green")
    assert "FailureReason" not in described
    assert stage.cloud.settle(180) == []
    assert len(stage.cloud.processes.running()) == 2
    assert stage.invoke("model") == "summer"


@pytest.mark.slow
def test_failed_update_after_failed_rollback_keeps_serving(stage: Stage, gone: Path) -> None:
    break_rollback(stage, gone, CANARY)
    stage.model("never", START="exit")
    stage.config("never", "never", count=2)

    for _ in range(2):
        update(stage, EndpointConfigName="never")
        described = stage.wait_until_stable()
        assert described["EndpointStatus"] == "UpdateRollbackFailed"
        assert {stage.invoke("model") for _ in range(20)} == {"summer"}

    stage.sagemaker.delete_endpoint(EndpointName=stage.name)
    assert stage.wait_until_stable()["EndpointStatus"] == "Deleted"
    assert stage.cloud.settle(180) == []
    assert stage.cloud.processes.running() == {}


def test_unbuildable_update_after_failed_rollback_keeps_serving(stage: Stage, gone: Path) -> None:
    break_rollback(stage, gone, CANARY)
    stage.model("lost")
    stage.config("lost", "lost", count=2)
    stage.s3.delete_object(Bucket="data", Key="lost.tar.gz")

    update(stage, EndpointConfigName="lost")

    assert stage.wait_until_stable()["EndpointStatus"] == "UpdateRollbackFailed"
    assert {stage.invoke("model") for _ in range(20)} == {"summer"}


def test_rollback_restarts_exited_instances(stage: Stage, gone: Path) -> None:
    update(stage, CANARY)
    stage.until(reporting("Baking for 600 seconds"))
    gone.touch()
    kill_old(stage)
    gone.unlink()

    trigger_alarm(stage)

    described = stage.wait_until_stable()
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "blue")
    assert stage.invoke("model") == "frail"


def test_alarm_between_batches_starts_no_further_batch(stage: Stage, gone: Path) -> None:
    stage.events.emitted.clear()
    update(stage, ROLLING)
    stage.until(reporting("Baking for 600 seconds"))
    # The first old instance has a request in progress, which delays the next batch.
    with traffic(stage) as sent:
        instance = old(stage)[-1]
        assert instance.begin()
        stage.cloud.clock.advance(600)
        stage.until(reporting("Terminating 1 instance(s)."))
        trigger_alarm(stage)
        instance.finish()
        described = stage.wait_until_stable()

    assert sent.failures == []
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", "blue")
    assert "FailureReason" not in described
    details = [d for kind, d in stage.events.emitted if "Deployment" in kind]
    messages = [
        each["VariantStatus"][0]["StatusMessage"]
        for detail in details
        for each in detail["PendingDeploymentSummary"]["ProductionVariants"]
        if each.get("VariantStatus")
    ]
    assert [m for m in messages if "Launching" in m] == ["Launching 1 instance(s)."]
    assert stage.invoke("model") == "frail"
    assert len(stage.cloud.processes.running()) == 2


def variants(stage: Stage, config: str, *names: str) -> None:
    production = [
        {"VariantName": name, "ModelName": "winter", "InitialInstanceCount": 1,
         "InstanceType": "ml.m5.large"}
        for name in names
    ]  # fmt: skip
    stage.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=production)


_AT_ONCE: dict[str, Any] = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    }
}


@pytest.mark.feature("rollout: variants keep their names")
def test_update_with_guardrails_cannot_change_variant_names(stage: Stage) -> None:
    variants(stage, "old", "Champion", "Challenger")
    variants(stage, "new", "Champion")
    stage.endpoint("old")

    code, message = refusal(lambda: update(stage, _AT_ONCE, EndpointConfigName="new"))

    assert code == "ValidationException"
    assert "the endpoint has Challenger, Champion, the new endpoint configuration has" in message
    assert stage.wait_until_stable()["EndpointConfigName"] == "old"
    update(stage, EndpointConfigName="new")
    described = stage.wait_until_stable()
    assert described["EndpointConfigName"] == "new"
    assert [v["VariantName"] for v in described["ProductionVariants"]] == ["Champion"]


def test_retained_deployment_configuration_requires_the_same_names(stage: Stage) -> None:
    variants(stage, "old", "Champion")
    variants(stage, "new", "Champion", "Challenger")
    stage.endpoint("old", DeploymentConfig=_AT_ONCE)

    code, _ = refusal(lambda: update(stage, EndpointConfigName="new", RetainDeploymentConfig=True))

    assert code == "ValidationException"
    update(stage, EndpointConfigName="new")
    assert stage.wait_until_stable()["EndpointConfigName"] == "new"


def test_variant_names_may_change_without_guardrails(stage: Stage) -> None:
    for config, name in (("old", "first"), ("new", "second")):
        stage.sagemaker.create_endpoint_config(
            EndpointConfigName=config,
            ProductionVariants=[{
                "VariantName": name, "ModelName": "winter", "InitialInstanceCount": 1,
                "InstanceType": "ml.inf1.xlarge",
            }],
        )  # fmt: skip
    stage.endpoint("old")

    update(stage, _AT_ONCE, EndpointConfigName="new")

    assert stage.wait_until_stable()["EndpointConfigName"] == "new"
