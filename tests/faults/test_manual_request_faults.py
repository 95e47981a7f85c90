"""What a person asks of the endpoint, and what may come between."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import ENDPOINT, HOUR
from fake_client import client_error
from sageloop_runtime.times import iso
from world import World


def champion(world: World) -> dict[str, Any]:
    return world.row(f"champion#{ENDPOINT}")


def arn_of(world: World, version: int) -> str:
    return str(world.packages[version - 1]["ModelPackageArn"])


def ask(world: World, action: str, version: int = 0, **changes: Any) -> dict[str, str]:
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
def test_a_former_champion_serves_again_and_stays_until_a_newer_package(two: World) -> None:
    assert ask(two, "promote", 1) == {"status": "accepted", "reason": "", "step": "waiting"}
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


def test_a_wish_during_a_rollout_is_granted_after_it(world: World) -> None:
    world.challenge()
    assert champion(world)["state"] == "promoting"
    before = champion(world)["former"]["package_arn"]
    assert ask(world, "promote", 1)["status"] == "accepted"
    assert champion(world)["package_arn"] != before
    settle(world)
    assert champion(world)["package_arn"] == before
    assert champion(world)["state"] == "live"


def test_a_rollback_by_hand_goes_on_though_the_rollback_alarm_is_red(two: World) -> None:
    two.alarms["latency"] = {"AlarmName": "latency", "StateValue": "ALARM"}
    seen: list[dict[str, Any]] = []
    original = two._update_endpoint

    def watch(**request: Any) -> Any:
        seen.append(request)
        return original(**request)

    two._update_endpoint = watch
    assert ask(two, "promote", 1)["step"] == "waiting"
    assert "AutoRollbackConfiguration" not in seen[0].get("DeploymentConfig", {})
    settle(two)
    assert champion(two)["package_arn"] == arn_of(two, 1)


def test_the_same_wish_twice_is_granted_once(two: World) -> None:
    ask(two, "promote", 1, id="one")
    settle(two)
    generation = champion(two)["generation"]
    answer = ask(two, "promote", 1, id="one")
    assert (answer["status"], champion(two)["generation"]) == ("ignored", generation)


def test_an_older_wish_does_not_undo_a_later_one(two: World) -> None:
    late = iso(two.now - HOUR)
    ask(two, "promote", 1)
    settle(two)
    answer = ask(two, "promote", 2, time=late)
    assert answer["reason"] == "a later request was handled before"
    assert champion(two)["package_arn"] == arn_of(two, 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ModelApprovalStatus": "Rejected"}, "is Rejected, not Approved"),
        ({"ModelPackageGroupName": "others"}, "is of group 'others'"),
    ],
)
def test_what_is_no_approved_package_of_the_group_is_refused(
    two: World, change: dict[str, str], told: str
) -> None:
    two.packages[0] |= change
    answer = ask(two, "promote", 1)
    assert answer["status"] == "refused"
    assert told in answer["reason"]
    assert champion(two)["package_arn"] == arn_of(two, 2)


def test_the_champion_there_is_and_a_frozen_endpoint_are_refused(two: World) -> None:
    assert "is the champion already" in ask(two, "promote", 2)["reason"]
    ask(two, "promote", 1)
    two.drain()
    two.move_endpoint("stuck")
    two.drain()
    assert "promotions are frozen" in ask(two, "promote", 2)["reason"]


def test_a_chosen_package_that_does_not_come_up_is_barred_and_the_other_serves_on(
    two: World,
) -> None:
    ask(two, "promote", 1)
    two.drain()
    two.move_endpoint("rollback", reason="the container did not pass its ping")
    settle(two)
    row = champion(two)
    assert (row["state"], row["package_arn"]) == ("rolled_back", arn_of(two, 2))
    assert row["quarantined"] == [arn_of(two, 1)]


def test_a_package_that_vanished_is_told_of_and_stops_nothing(world: World) -> None:
    world.challenge()
    ask(world, "promote", 1)
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
def test_a_death_at_any_call_of_a_wish_is_made_good(two: World, call: int, after: bool) -> None:
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


@pytest.mark.feature("operations: cost switch")
def test_a_parked_endpoint_is_away_and_comes_back_with_the_same_champion(two: World) -> None:
    before = champion(two)
    assert ask(two, "stop")["status"] == "accepted"
    settle(two)
    two.reconcile()
    assert two.endpoint is None
    assert champion(two)["package_arn"] == before["package_arn"]
    assert "stopped" in ask(two, "promote", 1)["reason"]

    assert ask(two, "start")["status"] == "accepted"
    settle(two)
    assert two.endpoint["EndpointConfigName"] == before["config_name"]
    assert champion(two)["state"] == "live"
    assert "stopped" not in champion(two)


def test_a_model_finished_while_parked_waits_for_its_gate(two: World) -> None:
    ask(two, "stop")
    settle(two)
    two.now += 7 * HOUR
    name = two.challenge(metric=0.5)
    two.reconcile()
    assert two.row(f"result#{name}").get("outcome") is None

    ask(two, "start")
    settle(two)
    two.reconcile()
    settle(two)
    assert two.row(f"result#{name}")["outcome"] == "promoted"
    assert champion(two)["package_arn"] == arn_of(two, 3)


def test_parking_waits_for_a_rollout_under_way(world: World) -> None:
    world.challenge()
    ask(world, "stop")
    assert world.endpoint["EndpointStatus"] == "Updating"
    settle(world)
    assert world.endpoint is None
    ask(world, "start")
    settle(world)
    assert champion(world)["package_arn"] == arn_of(world, 2)


def test_a_deployment_while_parked_starts_nothing_and_counts_at_the_return(two: World) -> None:
    from documents import serving_document

    ask(two, "stop")
    settle(two)
    text = json.dumps(serving_document(keep_configs=2))
    answer = two.resource(
        "champion_endpoint_resource", "Update", {"EndpointName": ENDPOINT, "Document": text},
        physical=ENDPOINT,
    )  # fmt: skip
    assert answer["Status"] == "SUCCESS"
    settle(two)
    assert two.endpoint is None
    ask(two, "start")
    settle(two)
    assert two.endpoint["EndpointConfigName"] == champion(two)["config_name"]
    assert champion(two)["state"] == "live"


@pytest.mark.feature("promotion: approval by a person")
def test_what_passed_a_gate_with_manual_approval_waits_for_a_person() -> None:
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
