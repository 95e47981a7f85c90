"""Another instance type for a scaled variant of a champion: one deploy, whatever dies in it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from documents import ENDPOINT, HOUR, POLICY, serving_document
from fake_client import client_error
from world import World

TARGET = f"endpoint/{ENDPOINT}/variant/AllTraffic"
SECOND = f"endpoint/{ENDPOINT}/variant/Second"


def champion(world: World) -> dict[str, Any]:
    return world.row(f"champion#{ENDPOINT}")


def with_instance_type(instance_type: str = "ml.c5.large", **changes: Any) -> dict[str, Any]:
    """The serving document with another instance type."""
    document = serving_document(**changes)
    document["config"]["ProductionVariants"][0]["InstanceType"] = instance_type
    return document


def two_variants() -> dict[str, Any]:
    document = serving_document()
    first = document["config"]["ProductionVariants"][0]
    document["config"]["ProductionVariants"].append({**first, "VariantName": "Second"})
    document["scaling"].append({**document["scaling"][0], "VariantName": "Second"})
    return document


def deploy(world: World, document: dict[str, Any]) -> Any:
    properties = {"EndpointName": ENDPOINT, "Document": json.dumps(document)}
    return world.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)


def settle(world: World, outcome: str = "ok") -> None:
    world.drain()
    world.move_endpoint(outcome)
    world.drain()


def served_type(world: World) -> str:
    config = world.configs[world.endpoint["EndpointConfigName"]]
    return str(config["ProductionVariants"][0]["InstanceType"])


@pytest.mark.feature("scaling: another instance type of a champion in one deploy")
def test_instance_type_of_a_scaled_variant_changes_in_one_deployment(world: World) -> None:
    world._put_scheduled_action(TARGET, "evening", Schedule="cron(0 20 * * ? *)")
    world.scale_to(4)

    answer = deploy(world, with_instance_type())
    assert answer["Status"] == "SUCCESS"
    assert world.targets == {}
    settle(world)

    assert served_type(world) == "ml.c5.large"
    assert champion(world)["state"] == "live"
    assert champion(world).get("unscaled") is None
    assert list(world.targets[TARGET]["policies"]) == [POLICY["PolicyName"]]
    assert world.instances() == {"AllTraffic": 4}


def test_unchanged_variants_keep_their_targets_during_a_rollout(world: World) -> None:
    world._put_scheduled_action(TARGET, "evening", Schedule="cron(0 20 * * ? *)")
    before = copy.deepcopy(world.targets)

    deploy(world, serving_document(keep_configs=2))

    assert world.targets == before


@pytest.mark.feature("scaling: a rollback restores the scalable target of a champion")
def test_rollback_restores_target_policies_and_scheduled_actions(world: World) -> None:
    world._put_scheduled_action(TARGET, "evening", Schedule="cron(0 20 * * ? *)")
    before = copy.deepcopy(world.targets)

    deploy(world, with_instance_type(scaling=[]))
    settle(world, "rollback")

    assert served_type(world) == "ml.m5.large"
    assert world.targets == before
    assert champion(world)["state"] == "rolled_back"
    assert champion(world).get("unscaled") is None


def test_removed_variant_is_deregistered_first(world: World) -> None:
    deploy(world, two_variants())
    settle(world)
    assert sorted(world.targets) == [TARGET, SECOND]

    deploy(world, serving_document())
    settle(world)

    assert sorted(world.targets) == [TARGET]
    assert champion(world)["state"] == "live"


@pytest.mark.feature("rollout: variants of a champion that come or go")
def test_rollout_has_guardrails_unless_variants_are_added_or_removed(world: World) -> None:
    for document in (with_instance_type(), two_variants(), serving_document()):
        deploy(world, document)
        settle(world)
        assert champion(world)["state"] == "live"

    assert world.guarded[-3:] == [True, False, False]


def test_busy_endpoint_is_updated_later_without_its_target(world: World) -> None:
    world.in_progress_calls = 1

    deploy(world, with_instance_type())
    world.reconcile()
    settle(world)

    assert served_type(world) == "ml.c5.large"
    assert sorted(world.targets) == [TARGET]


def test_target_registered_again_by_another_is_deregistered_again(world: World) -> None:
    world.failures["sagemaker:UpdateEndpoint"] = [client_error("InternalFailure", "again", 500)]
    deploy(world, with_instance_type())
    assert world.targets == {}
    world._register_scalable_target(TARGET, ScalableDimension="sagemaker:variant:x", MinCapacity=9)

    world.reconcile()
    settle(world)

    assert served_type(world) == "ml.c5.large"
    assert world.targets[TARGET]["MinCapacity"] == 2


@pytest.mark.feature("faults: killed while an instance type changes")
@pytest.mark.parametrize("outcome", ["ok", "rollback"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 21))
def test_change_killed_at_any_call_converges_when_repeated(
    world: World, call: int, after: bool, outcome: str
) -> None:
    before = copy.deepcopy(world.targets)
    answered = len(world.answers)
    world.kill_at = (call, after)
    _surviving(world, lambda: deploy(world, with_instance_type()))
    world.kill_at = None
    if len(world.answers) == answered:
        deploy(world, with_instance_type())  # CloudFormation sends the event again
    world.reconcile()
    world.kill_at, world.killed = (call, after), {"promote"}
    settle(world, outcome)
    world.kill_at = None
    for _ in range(3):
        world.now += 7 * HOUR
        world.reconcile()
        settle(world, outcome)

    row = champion(world)
    assert row["state"] == ("live" if outcome == "ok" else "rolled_back")
    assert served_type(world) == ("ml.c5.large" if outcome == "ok" else "ml.m5.large")
    assert world.targets == before
    assert row.get("unscaled") is None


def _surviving(world: World, act: Any) -> None:
    try:
        act()
    except BaseException as error:
        if type(error).__name__ != "Killed":
            raise
