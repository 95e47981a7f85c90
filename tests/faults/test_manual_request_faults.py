"""Manual requests for an endpoint, with concurrent events and failures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import ENDPOINT, HOUR, serving_document
from fake_client import client_error
from sageloop_runtime.times import iso
from world import World


def champion(world: World) -> dict[str, Any]:
    return world.row(f"champion#{ENDPOINT}")


def arn_of(world: World, version: int) -> str:
    return str(world.packages[version - 1]["ModelPackageArn"])


def send(world: World, action: str, version: int = 0, **changes: Any) -> dict[str, str]:
    world.now += 60
    event = {
        "source": "manual", "action": action, "id": f"{action}-{world.now}", "time": iso(world.now),
        "by": "arn:aws:iam::123456789012:user/ann", **changes,
    }  # fmt: skip
    if version:
        event["package"] = arn_of(world, version)
    answer: dict[str, str] = world.run("promote", event)
    return answer


def settle(world: World, outcome: str = "ok") -> None:
    for _ in range(4):
        world.drain()
        world.move_endpoint(outcome)
    world.drain()


@pytest.fixture
def two(world: World) -> World:
    """A world whose second package is the champion."""
    world.challenge()
    settle(world)
    assert champion(world)["package_arn"] == arn_of(world, 2)
    return world


@pytest.mark.feature("promotion: sageloop rollback")
def test_requested_former_champion_serves_until_a_newer_package(two: World) -> None:
    assert send(two, "promote", 1) == {"status": "accepted", "reason": "", "step": "waiting"}
    settle(two)
    two.reconcile()

    row = champion(two)
    assert (row["state"], row["package_arn"]) == ("live", arn_of(two, 1))
    assert [entry["package_arn"] for entry in row["served"]] == [
        arn_of(two, version) for version in (1, 2, 1)
    ]
    assert row["served"][-1]["by"].endswith("user/ann")
    assert "manual_request" not in row
    assert "quarantined" not in row or row["quarantined"] == []

    two.now += 7 * HOUR
    two.challenge(metric=1.0)
    settle(two)
    assert champion(two)["package_arn"] == arn_of(two, 3)


def test_list_without_the_champion_does_not_undo_the_rollback_from_it(two: World) -> None:
    complete = two._list_model_packages

    def stale(**request: Any) -> Any:
        listed = complete(**request)["ModelPackageSummaryList"]
        return {"ModelPackageSummaryList": listed[1:]}

    two._list_model_packages = stale
    assert send(two, "promote", 1)["status"] == "accepted"
    two._list_model_packages = complete
    settle(two)
    two.reconcile()
    settle(two)
    assert champion(two)["package_arn"] == arn_of(two, 1)


def test_request_during_a_rollout_is_carried_out_after_it(world: World) -> None:
    world.challenge()
    assert champion(world)["state"] == "promoting"
    before = champion(world)["former"]["package_arn"]
    assert send(world, "promote", 1)["status"] == "accepted"
    assert champion(world)["package_arn"] != before
    settle(world)
    assert champion(world)["package_arn"] == before
    assert champion(world)["state"] == "live"


def test_manual_rollback_is_not_blocked_by_a_rollback_alarm(two: World) -> None:
    deployment = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "endpoint-errors"}]}}
    deployment |= serving_document()["deployment"]
    properties = {"EndpointName": ENDPOINT}
    properties["Document"] = json.dumps(serving_document(deployment=deployment))
    two.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)
    settle(two)
    two.alarms["endpoint-errors"] = {"AlarmName": "endpoint-errors", "StateValue": "ALARM"}
    updates: list[dict[str, Any]] = []
    original = two._update_endpoint

    def watch(**request: Any) -> Any:
        updates.append(request)
        return original(**request)

    two._update_endpoint = watch
    assert send(two, "promote", 1)["step"] == "waiting"
    assert set(updates[0]["DeploymentConfig"]) == {"BlueGreenUpdatePolicy"}
    settle(two)
    assert champion(two)["package_arn"] == arn_of(two, 1)


def test_repeated_rollback_request_is_applied_once(two: World) -> None:
    send(two, "promote", 1, id="one")
    settle(two)
    generation = champion(two)["generation"]
    answer = send(two, "promote", 1, id="one")
    assert (answer["status"], champion(two)["generation"]) == ("ignored", generation)


def test_older_request_does_not_replace_a_later_one(two: World) -> None:
    late = iso(two.now - HOUR)
    send(two, "promote", 1)
    settle(two)
    answer = send(two, "promote", 2, time=late)
    assert answer["reason"] == "a later request was handled before"
    assert champion(two)["package_arn"] == arn_of(two, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ModelApprovalStatus": "Rejected"}, "is Rejected, not Approved"),
        ({"ModelPackageGroupName": "others"}, "is of group 'others'"),
    ],
)
def test_package_that_is_not_approved_or_of_another_group_is_refused(
    two: World, change: dict[str, str], reason: str
) -> None:
    two.packages[0] |= change
    answer = send(two, "promote", 1)
    assert answer["status"] == "refused"
    assert reason in answer["reason"]
    assert champion(two)["package_arn"] == arn_of(two, 2)


def test_request_for_the_present_champion_or_a_frozen_endpoint_is_refused(two: World) -> None:
    assert "is the champion already" in send(two, "promote", 2)["reason"]
    send(two, "promote", 1)
    two.drain()
    two.move_endpoint("stuck")
    two.drain()
    assert "promotions are frozen" in send(two, "promote", 2)["reason"]


def test_requested_package_that_fails_is_quarantined_and_the_champion_stays(
    two: World,
) -> None:
    send(two, "promote", 1)
    two.drain()
    two.move_endpoint("rollback", reason="the container did not pass its ping")
    settle(two)
    row = champion(two)
    assert (row["state"], row["package_arn"]) == ("rolled_back", arn_of(two, 2))
    assert row["quarantined"] == [arn_of(two, 1)]


def test_request_for_a_deleted_package_alerts_and_is_closed(world: World) -> None:
    world.challenge()
    send(world, "promote", 1)
    gone = client_error("ValidationException", "ModelPackage does not exist.")
    original = world._describe_model_package

    def describe(ModelPackageName: str) -> Any:
        if ModelPackageName == arn_of(world, 1):
            raise gone
        return original(ModelPackageName=ModelPackageName)

    world._describe_model_package = describe
    settle(world)
    assert "manual_request" not in champion(world)
    assert champion(world)["package_arn"] == arn_of(world, 2)


@pytest.mark.parametrize("call", range(1, 14))
@pytest.mark.parametrize("after", [False, True])
def test_request_killed_at_any_call_is_applied_when_repeated(
    two: World, call: int, after: bool
) -> None:
    event = {
        "source": "manual", "action": "promote", "id": "w", "time": iso(two.now),
        "package": arn_of(two, 1),
    }  # fmt: skip
    two.kill_at = (call, after)
    two.deliver("promote", event)
    two.kill_at = None
    two.deliver("promote", event)
    settle(two)
    two.reconcile()
    settle(two)
    assert champion(two)["package_arn"] == arn_of(two, 1)
    assert champion(two)["state"] == "live"


@pytest.mark.feature("operations: endpoint schedule")
def test_stopped_endpoint_is_deleted_and_starts_with_the_same_champion(two: World) -> None:
    before = champion(two)
    assert send(two, "stop")["status"] == "accepted"
    settle(two)
    two.reconcile()
    assert two.endpoint is None
    assert champion(two)["package_arn"] == before["package_arn"]
    assert "stopped" in send(two, "promote", 1)["reason"]

    assert send(two, "start")["status"] == "accepted"
    settle(two)
    assert two.endpoint["EndpointConfigName"] == before["config_name"]
    assert champion(two)["state"] == "live"
    assert "stopped" not in champion(two)


def test_model_of_a_stopped_endpoint_waits_for_the_gate(two: World) -> None:
    send(two, "stop")
    settle(two)
    two.now += 7 * HOUR
    name = two.challenge(metric=0.5)
    two.reconcile()
    assert two.row(f"result#{name}").get("outcome") is None

    send(two, "start")
    settle(two)
    two.reconcile()
    settle(two)
    assert two.row(f"result#{name}")["outcome"] == "promoted"
    assert champion(two)["package_arn"] == arn_of(two, 3)


def test_stop_waits_for_a_rollout_in_progress(world: World) -> None:
    world.challenge()
    send(world, "stop")
    assert world.endpoint["EndpointStatus"] == "Updating"
    settle(world)
    assert world.endpoint is None
    send(world, "start")
    settle(world)
    assert champion(world)["package_arn"] == arn_of(world, 2)


def test_deployment_of_a_stopped_endpoint_takes_effect_at_its_start(two: World) -> None:
    send(two, "stop")
    settle(two)
    text = json.dumps(serving_document(keep_configs=2))
    answer = two.resource(
        "champion_endpoint_resource", "Update", {"EndpointName": ENDPOINT, "Document": text},
        physical=ENDPOINT,
    )  # fmt: skip
    assert answer["Status"] == "SUCCESS"
    settle(two)
    assert two.endpoint is None
    send(two, "start")
    settle(two)
    assert two.endpoint["EndpointConfigName"] == champion(two)["config_name"]
    assert champion(two)["state"] == "live"


@pytest.mark.feature("promotion: approval by a person")
def test_model_that_passes_a_gate_with_manual_approval_waits_for_approval() -> None:
    gate = {"metric": "validation:mae", "objective": "Minimize", "threshold": 12.0,
            "improvement": 0.0, "approval": "Manual"}  # fmt: skip
    world = World(gate=gate).with_data()
    world.deliver("start_training", world.data_event())
    world.finish(world.only_job())
    world.drain()
    world.reconcile()
    (package,) = world.packages
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert world.endpoint is None

    package["ModelApprovalStatus"] = "Approved"
    world.deliver("promote", {"time": iso(world.now), "source": "aws.sagemaker", "detail": {}})
    settle(world)
    assert champion(world)["package_arn"] == package["ModelPackageArn"]
