"""Faults of gate and promotion, numbered as in the project's list of faults."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import (
    BUCKET,
    DAY,
    ENDPOINT,
    HOUR,
    JOB,
    serving_document,
)  # fmt: skip
from fake_client import client_error
from sageloop_runtime.times import iso
from world import World


def champion(world: World) -> dict[str, Any]:
    return world.row(f"champion#{ENDPOINT}")


def loop(world: World) -> dict[str, Any]:
    return world.row(f"loop#{JOB}")


def test_26_challenger_that_is_not_better_is_rejected(world: World) -> None:
    world.champion_prediction = lambda row: "105"
    before = champion(world)
    for metric in (5.0, 7.0):
        world.now += DAY
        name = world.challenge(metric=metric)
        assert world.row(f"result#{name}")["outcome"] == "rejected"
        assert "champion 5" in world.row(f"result#{name}")["reason"]
    world.reconcile()
    assert champion(world) == before
    assert [p["ModelApprovalStatus"] for p in world.packages] == ["Approved"] + ["Rejected"] * 2
    assert world.running_jobs() == []


def test_26_of_two_simultaneous_decisions_the_first_is_kept(world: World) -> None:
    world.deliver("start_training", world.data_event("v2"))
    name = world.only_job()
    world.lose_events = True
    world.finish(name, metric=5.0)
    event = {"time": iso(world.now), "detail": {"TrainingJobName": name}}
    original = world._invoke_endpoint

    def interleave(**request: Any) -> Any:
        world._invoke_endpoint = original
        world.run("on_job_change", event)
        world.champion_prediction = lambda row: "100"
        return original(**request)

    world._invoke_endpoint = interleave
    world.run("on_job_change", event)
    assert world.row(f"result#{name}")["outcome"] == "promoted"
    assert [p["ModelApprovalStatus"] for p in world.packages] == ["Approved"] * 2


@pytest.mark.parametrize("broken", ["manifest", "rows", "answers", "refusal"])
def test_27_unreadable_hold_out_rejects_the_challenger(world: World, broken: str) -> None:
    world.deliver("start_training", world.data_event("v2"))
    name = world.only_job()
    if broken == "manifest":
        del world.objects[BUCKET, f"sets/runs/{name}/validation.manifest"]
    if broken == "rows":
        world.objects[BUCKET, "sets/dt=2013-02-28/part.csv"] = b"not,a,number"
    if broken == "answers":
        world.champion_prediction = lambda row: "1,2"
    if broken == "refusal":
        error = client_error("ModelError", "it broke", 424)
        world.failures["sagemaker:InvokeEndpoint"] = [error]
    world.finish(name, metric=1.0)
    world.drain()
    assert world.row(f"result#{name}")["outcome"] == "rejected"


@pytest.mark.parametrize("action", ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"])
def test_28_promotion_continues_after_a_failed_call(world: World, action: str) -> None:
    served = world.endpoint["EndpointConfigName"]
    error = client_error("InternalFailure", "try again", 500)
    world.failures[f"sagemaker:{action}"] = [error] * 3
    world.challenge()
    assert world.endpoint["EndpointConfigName"] == served
    world.reconcile()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"
    assert len(world.models) == 2


def test_29_promotion_waits_for_a_busy_endpoint(world: World) -> None:
    world.in_progress_calls = 1
    world.challenge()
    assert champion(world)["state"] == "promoting"
    world.reconcile()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"


def test_29_endpoint_that_sagemaker_updates_is_not_changed_and_reported_once_overdue(
    world: World,
) -> None:
    served = world.endpoint["EndpointConfigName"]
    world.endpoint["EndpointStatus"] = "SystemUpdating"
    world.challenge()
    for _ in range(12):
        world.now += HOUR
        world.reconcile()
    assert champion(world)["state"] == "promoting"
    assert ["SystemUpdating" in alert for alert in world.alerts_sent] == [True]
    assert world.counts["sagemaker:UpdateEndpoint"] == world.counts["sagemaker:DeleteEndpoint"] == 0
    assert served in world.configs
    world.endpoint["EndpointStatus"] = "InService"
    world.reconcile()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"
    assert world.counts["sagemaker:UpdateEndpoint"] == 1


def test_30_configuration_that_is_not_visible_yet_is_retried(world: World) -> None:
    world.invisible_config_calls = 2
    world.challenge()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"


@pytest.mark.feature("rollout: a silent rollback is detected")
def test_31_rollback_is_detected_and_the_challenger_quarantined(world: World) -> None:
    served = world.endpoint["EndpointConfigName"]
    good = champion(world)["package_arn"]
    world.challenge()
    world.move_endpoint("rollback")
    world.drain()
    world.reconcile()
    row = champion(world)
    assert (row["state"], row["package_arn"], row["config_name"]) == ("rolled_back", good, served)
    assert row["quarantined"] == [world.packages[1]["ModelPackageArn"]]
    assert world.metric("RollbacksDetected") == [1.0]
    assert len(world.alerts_sent) == 1
    assert "rolled back" in world.alerts_sent[0]
    assert world.running_jobs() == []
    assert world.endpoint["EndpointStatus"] == "InService"


def test_31_next_challenger_after_a_rollback_is_promoted(world: World) -> None:
    world.challenge()
    world.move_endpoint("rollback")
    world.drain()
    world.now += DAY
    world.challenge(metric=4.0)
    world.move_endpoint()
    world.drain()
    assert champion(world)["package_arn"] == world.packages[2]["ModelPackageArn"]


def test_32_failed_rollback_alerts_and_freezes_promotions(world: World) -> None:
    world.challenge()
    world.move_endpoint("stuck")
    world.drain()
    world.now += DAY
    world.reconcile()
    updates = world.counts["sagemaker:UpdateEndpoint"]
    assert champion(world)["frozen"] is True
    assert len(world.alerts_sent) == 1
    assert updates == 1
    assert world.counts["sagemaker:DeleteEndpoint"] == 0


@pytest.mark.parametrize("kind", [{}, {"AlarmRule": 'ALARM("any")'}])
def test_33_rollback_alarm_in_alarm_state_blocks_the_promotion(
    world: World, kind: dict[str, str]
) -> None:
    active = {"AlarmName": "endpoint-errors", "StateValue": "ALARM", **kind}
    world.alarms["endpoint-errors"] = active
    world.challenge()
    assert world.counts["sagemaker:UpdateEndpoint"] == 0
    world.alarms["endpoint-errors"]["StateValue"] = "OK"
    world.reconcile()
    assert world.counts["sagemaker:UpdateEndpoint"] == 1


def test_34_failed_endpoint_is_deleted_and_created_again(fresh: World) -> None:
    fresh.challenge()
    fresh.move_endpoint("failed")
    fresh.drain()
    assert fresh.endpoint["EndpointStatus"] == "Deleting"
    fresh.move_endpoint()
    fresh.drain()
    fresh.move_endpoint()
    fresh.drain()
    assert champion(fresh)["state"] == "live"
    assert fresh.counts["sagemaker:UpdateEndpoint"] == 0


def test_34_second_failed_creation_quarantines_the_package_and_alerts(fresh: World) -> None:
    reason = "did not pass the ping health check"
    fresh.challenge()
    for outcome in ("failed", "ok", "failed"):
        fresh.move_endpoint(outcome, reason=reason)
        fresh.drain()
        fresh.reconcile()
    assert champion(fresh)["state"] == "failed"
    assert fresh.endpoint["EndpointStatus"] == "Failed"
    assert ["ping" in alert for alert in fresh.alerts_sent] == [True]
    fresh.now += DAY
    fresh.challenge(metric=4.0)
    for _ in range(3):
        fresh.move_endpoint()
        fresh.drain()
    assert champion(fresh)["package_arn"] == fresh.packages[1]["ModelPackageArn"]
    assert champion(fresh)["state"] == "live"


@pytest.mark.feature("rollout: capacity retained")
def test_35_rollout_keeps_scaled_capacity_and_the_target(world: World) -> None:
    world.scale_to(5)
    world.challenge()
    world.move_endpoint()
    world.drain()
    (target,) = world.targets.values()
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    assert world.instances() == {"AllTraffic": 5}


@pytest.mark.feature("promotion: of two promotions one loses")
def test_36_of_two_concurrent_promotions_one_is_refused(world: World) -> None:
    world.lose_events = True
    name = world.challenge()
    event = {"time": iso(world.now), "detail": {"TrainingJobName": name}}
    world.run("on_job_change", event)
    original = world._describe_alarms
    nested = []

    def interleave(**request: Any) -> Any:
        if not nested:
            nested.append(1)
            world.run("promote", event)
        return original(**request)

    world._describe_alarms = interleave
    world.run("promote", event)
    assert champion(world)["generation"] == 2
    assert world.counts["sagemaker:UpdateEndpoint"] == 1


def test_36_concurrent_promotion_of_an_older_package_is_refused(world: World) -> None:
    world.lose_events = True
    name = world.challenge()
    event = {"time": iso(world.now), "detail": {"TrainingJobName": name}}
    world.run("on_job_change", event)
    original = world._describe_alarms

    def interleave(**request: Any) -> Any:
        world._describe_alarms = original
        newer = dict(world.packages[1])
        world.packages.append({**newer, "ModelPackageArn": newer["ModelPackageArn"][:-1] + "3"})
        world.run("promote", event)
        return original(**request)

    world._describe_alarms = interleave
    world.run("promote", event)
    world.move_endpoint()
    world.reconcile()
    row = champion(world)
    assert row["package_arn"].endswith("/3")
    assert (row["state"], row["config_name"]) == ("live", world.endpoint["EndpointConfigName"])
    assert world.counts["sagemaker:UpdateEndpoint"] == 1


@pytest.mark.parametrize("outcome", ["ok", "rollback"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 21))
def test_37_promotion_killed_at_any_call_converges_when_repeated(
    world: World, call: int, after: bool, outcome: str
) -> None:
    world.kill_at, world.killed = (call, after), {"on_job_change", "promote"}
    previous = world.endpoint["EndpointConfigName"]
    world.challenge()
    world.kill_at = None
    world.reconcile()
    world.kill_at = (call, after)
    world.move_endpoint(outcome)
    world.drain()
    world.kill_at = None
    for _ in range(3):
        world.now += 7 * HOUR
        world.reconcile()
        world.move_endpoint(outcome)
        world.drain()
    row = champion(world)
    assert row["state"] == ("live" if outcome == "ok" else "rolled_back")
    assert world.endpoint["EndpointStatus"] == "InService"
    assert world.endpoint["EndpointConfigName"] == row["config_name"]
    assert previous in world.configs
    assert len(world.packages) == 2
    assert len(world.configs) <= 3


def test_37_list_without_the_newest_configuration_deletes_no_model_in_service(
    world: World,
) -> None:
    complete = world._list_endpoint_configs

    def stale(**request: Any) -> Any:
        return {"EndpointConfigs": complete(**request)["EndpointConfigs"][1:]}

    world._list_endpoint_configs = stale
    for metric in (5.0, 4.0, 3.0):
        world.now += DAY
        world.challenge(metric=metric)
        world.move_endpoint()
        world.drain()
        served = world.configs[world.endpoint["EndpointConfigName"]]
        assert served["ProductionVariants"][0]["ModelName"] in world.models
    assert len(world.configs) < 4


def test_38_deployment_during_a_rollout_is_rolled_out_after_it(world: World) -> None:
    world.challenge()
    text = json.dumps(serving_document(keep_configs=2))
    properties = {"EndpointName": ENDPOINT, "Document": text}
    answer = world.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)
    assert answer["Status"] == "SUCCESS"
    for _ in range(2):
        world.move_endpoint()
        world.drain()
    row = champion(world)
    assert row["state"] == "live"
    assert row["serving_digest"] == world.row(f"serving#{ENDPOINT}")["digest"]
    assert row["package_arn"] == world.packages[1]["ModelPackageArn"]
