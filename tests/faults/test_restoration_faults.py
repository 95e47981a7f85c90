"""Endpoints that others than the promoter deleted, broke or changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from documents import DAY, ENDPOINT, ROLLBACK_ALARM, serving_document
from world import World


def champion(world: World) -> dict[str, Any]:
    return world.row(f"champion#{ENDPOINT}")


def settle(world: World) -> None:
    """Let the endpoint reach the end of what was started."""
    for _ in range(4):
        world.reconcile()
        world.move_endpoint()
        world.drain()


def delete_manually(world: World) -> None:
    world.endpoint = None


def fail(world: World) -> None:
    assert world.endpoint is not None
    world.endpoint |= {"EndpointStatus": "Failed", "FailureReason": "the host failed"}


def configure_manually(world: World, name: str = "manual") -> None:
    assert world.endpoint is not None
    if name not in world.configs:
        world.configs[name] = dict(world.configs[world.endpoint["EndpointConfigName"]])
    world.endpoint |= {
        "EndpointConfigName": name, "LastModifiedTime": datetime.fromtimestamp(world.now, UTC),
    }  # fmt: skip


@pytest.mark.feature("reconciliation: a deleted endpoint is created again")
@pytest.mark.parametrize(("change", "text"), [
    (delete_manually, "was deleted"), (fail, "failed"),
    (configure_manually, "serves configuration manual, which is not the champion's"),
])  # fmt: skip
def test_champion_is_restored_and_reported(world: World, change: Any, text: str) -> None:
    before = champion(world)
    change(world)
    settle(world)
    after = champion(world)
    assert world.endpoint is not None
    assert world.endpoint["EndpointStatus"] == "InService"
    assert world.endpoint["EndpointConfigName"] == before["config_name"]
    assert (after["state"], after["package_arn"]) == ("live", before["package_arn"])
    (alert,) = world.alerts_sent
    assert alert == (
        f"Endpoint {ENDPOINT} {text}. Package {before['package_arn']} is rolled out to it again."
    )


def test_restored_champion_is_scaled_again(world: World) -> None:
    delete_manually(world)
    world.targets.clear()
    settle(world)
    assert set(world.targets) == {f"endpoint/{ENDPOINT}/variant/AllTraffic"}


def test_edited_configuration_of_the_record_is_restored(world: World) -> None:
    before = champion(world)["config_name"]
    world.rows[f"champion#{ENDPOINT}"]["config_name"] = {"S": "other"}
    settle(world)
    assert champion(world)["config_name"] == before
    assert world.counts["sagemaker:UpdateEndpoint"] == 0
    assert len(world.alerts_sent) == 1


def test_event_of_the_deletion_is_enough(world: World) -> None:
    assert world.endpoint is not None
    world.endpoint["EndpointStatus"] = "Deleting"
    world.move_endpoint()
    world.drain()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"
    assert world.endpoint["EndpointStatus"] == "InService"


def test_rollback_alarms_do_not_apply_to_the_restoration() -> None:
    alarms = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": ROLLBACK_ALARM}]}}
    deployment = {**serving_document()["deployment"], **alarms}
    world = World().with_champion(serving={"deployment": deployment})
    requests: list[dict[str, Any]] = []
    original = world._update_endpoint

    def record(**request: Any) -> Any:
        requests.append(request)
        return original(**request)

    world._update_endpoint = record  # type: ignore[method-assign]
    configure_manually(world)
    world.reconcile()
    assert "BlueGreenUpdatePolicy" in requests[0]["DeploymentConfig"]
    assert "AutoRollbackConfiguration" not in requests[0]["DeploymentConfig"]
    assert champion(world)["by"] == "reconciliation"


def test_rolled_back_champion_is_restored_too(world: World) -> None:
    world.challenge(metric=4.0)
    world.move_endpoint("rollback")
    world.drain()
    before = champion(world)
    assert before["state"] == "rolled_back"
    configure_manually(world)
    settle(world)
    assert champion(world)["package_arn"] == before["package_arn"]
    assert world.endpoint is not None
    assert world.endpoint["EndpointConfigName"] == before["config_name"]


def test_alarm_that_blocks_a_new_package_does_not_block_the_restoration(world: World) -> None:
    before = champion(world)
    world.alarms[ROLLBACK_ALARM]["StateValue"] = "ALARM"
    world.now += DAY
    world.challenge(metric=4.0)
    assert champion(world) == before
    configure_manually(world)
    settle(world)
    assert world.endpoint is not None
    assert world.endpoint["EndpointConfigName"] == before["config_name"]
    assert champion(world)["package_arn"] == before["package_arn"]


def test_other_instance_type_of_a_person_is_replaced_although_the_variant_is_scaled(
    world: World,
) -> None:
    assert world.endpoint is not None
    other = json.loads(json.dumps(world.configs[world.endpoint["EndpointConfigName"]]))
    other["ProductionVariants"][0]["InstanceType"] = "ml.m5.4xlarge"
    world.configs["manual"] = other
    before = world.targets[f"endpoint/{ENDPOINT}/variant/AllTraffic"]
    configure_manually(world)
    settle(world)
    assert champion(world)["state"] == "live"
    assert world.targets == {f"endpoint/{ENDPOINT}/variant/AllTraffic": before}


def test_configurations_of_others_are_not_read(world: World) -> None:
    original = world._describe_endpoint_config

    def only_own(EndpointConfigName: str) -> Any:
        assert EndpointConfigName.startswith(ENDPOINT), "the role may not read it"
        return original(EndpointConfigName)

    world._describe_endpoint_config = only_own  # type: ignore[method-assign]
    configure_manually(world)
    settle(world)
    assert world.dead == []
    assert champion(world)["state"] == "live"


def test_configuration_that_is_set_again_is_left_and_reported_once(world: World) -> None:
    configure_manually(world)
    settle(world)
    configure_manually(world)
    settle(world)
    settle(world)
    assert world.endpoint is not None
    assert world.endpoint["EndpointConfigName"] == "manual"
    assert len(world.alerts_sent) == 2
    assert "was restored once before, so it is left as it is" in world.alerts_sent[1]


def test_next_champion_replaces_a_configuration_that_was_left(world: World) -> None:
    for _ in range(2):
        configure_manually(world)
        settle(world)
    world.now += DAY
    world.challenge(metric=4.0)
    settle(world)
    row = champion(world)
    assert world.endpoint is not None
    assert world.endpoint["EndpointConfigName"] == row["config_name"]
    assert row["package_arn"] == world.packages[-1]["ModelPackageArn"]
    assert not {"restored_from", "left_as_is"} & set(row)


@pytest.mark.parametrize("status", ["OutOfService", "UpdateRollbackFailed"])
def test_status_that_only_aws_can_end_is_reported_once(world: World, status: str) -> None:
    assert world.endpoint is not None
    world.endpoint["EndpointStatus"] = status
    settle(world)
    (alert,) = world.alerts_sent
    assert f"is {status}" in alert
    assert world.counts["sagemaker:UpdateEndpoint"] == 0


def test_status_is_reported_again_after_it_was_right(world: World) -> None:
    assert world.endpoint is not None
    for status in ("OutOfService", "InService", "OutOfService"):
        world.endpoint["EndpointStatus"] = status
        world.reconcile()
    assert len(world.alerts_sent) == 2


def test_manual_update_is_not_disturbed(world: World) -> None:
    assert world.endpoint is not None
    world.endpoint["EndpointStatus"] = "Updating"
    before = champion(world)
    world.reconcile()
    assert champion(world) == before


def test_endpoint_that_cannot_be_restored_is_reported_once(world: World) -> None:
    world.packages.clear()
    delete_manually(world)
    settle(world)
    reported = [text for text in world.alerts_sent if text.startswith("Endpoint")]
    assert len(reported) == 1
    assert "is deleted: promote another one" in reported[0]


def test_two_simultaneous_restorations_are_one(world: World) -> None:
    delete_manually(world)
    original, ran = world._describe_model_package, []

    def interleave(**request: Any) -> Any:
        if not ran:
            ran.append(True)
            world.reconcile()
        return original(**request)

    world._describe_model_package = interleave  # type: ignore[method-assign]
    settle(world)
    assert len(world.alerts_sent) == 1
    assert world.counts["sagemaker:CreateEndpoint"] == 2


def test_stopped_endpoint_is_not_restored(world: World) -> None:
    world.rows[f"champion#{ENDPOINT}"]["stopped"] = {"BOOL": True}
    delete_manually(world)
    settle(world)
    assert world.endpoint is None
    assert world.alerts_sent == []


def test_endpoint_without_a_champion_is_not_created() -> None:
    world = World()
    world.with_data()
    world.reconcile()
    assert world.endpoint is None


def test_new_settings_have_priority_over_the_restoration(world: World) -> None:
    configure_manually(world)
    world.lose_events = True
    answer = world.resource(
        "champion_endpoint_resource", "Update",
        {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document(keep_configs=2))},
        physical=ENDPOINT,
    )  # fmt: skip
    assert answer["Status"] == "SUCCESS", answer
    settle(world)
    assert world.endpoint is not None
    assert world.endpoint["EndpointConfigName"] == champion(world)["config_name"]
    assert world.alerts_sent == []
