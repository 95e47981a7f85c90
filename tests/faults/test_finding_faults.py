"""What others change in a loop: each change is repaired, or reported once; none is silent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError
from documents import (
    ALARM,
    BUCKET,
    DAY,
    ENDPOINT,
    HOUR,
    JOB,
    KEY,
    ROLLBACK_ALARM,
    RULES,
    serving_document,
)
from fake_client import client_error
from world import World

ROW = f"findings#{JOB}"
VARIANT = f"endpoint/{ENDPOINT}/variant/AllTraffic"
Change = Callable[[World], Any]


def variants(world: World, **values: float) -> None:
    assert world.endpoint is not None
    world.endpoint["ProductionVariants"] = [{"VariantName": "AllTraffic", **values}]


def capture(world: World, status: str) -> None:
    assert world.endpoint is not None
    world.endpoint["DataCaptureConfig"] = {"EnableCapture": True, "CaptureStatus": status}


def edit(world: World, row_id: str, attribute: str, value: str) -> None:
    world.rows[row_id][attribute] = {"S": value}


def remove_artifact(world: World) -> bytes:
    (key,) = [key for bucket, key in world.objects if key.endswith("model.tar.gz")]
    return world.objects.pop((BUCKET, key))


REPORTED: dict[str, tuple[Change, str]] = {
    "retraining alarm deleted": (lambda w: w.alarms.pop(ALARM), f"alarm {ALARM} is deleted"),
    "rollback alarm deleted": (
        lambda w: w.alarms.pop(ROLLBACK_ALARM), f"alarm {ROLLBACK_ALARM} is deleted",
    ),
    "actions off": (
        lambda w: w.alarms[ALARM].update(ActionsEnabled=False),
        f"The actions of the alarm {ALARM} are disabled",
    ),
    "rule disabled": (
        lambda w: w.event_rules.update({RULES[0]: "DISABLED"}),
        f"event rule {RULES[0]} is disabled",
    ),
    "rule deleted": (lambda w: w.event_rules.pop(RULES[1]), f"event rule {RULES[1]} is deleted"),
    "key disabled": (lambda w: w.keys.update({KEY: "Disabled"}), f"KMS key {KEY} is Disabled"),
    "key in deletion": (
        lambda w: w.keys.update({KEY: "PendingDeletion"}), f"KMS key {KEY} is PendingDeletion",
    ),
    "package deleted": (lambda w: w.packages.clear(), "is deleted: the endpoint cannot be created"),
    "artifact deleted": (remove_artifact, "model.tar.gz of the champion's package"),
    "weight": (
        lambda w: variants(w, DesiredWeight=0.5), "the weight of variant AllTraffic is 0.5",
    ),
    "scaling suspended": (
        lambda w: w.targets[VARIANT].update(SuspendedState={"DynamicScalingInSuspended": True}),
        "is suspended (DynamicScalingInSuspended)",
    ),
    "scaling limits": (
        lambda w: w.targets[VARIANT].update(MaxCapacity=9), "limited to 2 to 9 instances",
    ),
    "state edited": (
        lambda w: edit(w, f"champion#{ENDPOINT}", "state", "fine"), "its state is 'fine'",
    ),
    "pending edited": (
        lambda w: edit(w, f"loop#{JOB}", "pending", "{"), "its pending is no trigger: '{'",
    ),
}  # fmt: skip


@pytest.fixture
def weighted() -> World:
    """A world whose settings have a weight and data capture."""
    world = World()
    variant = {
        "VariantName": "AllTraffic", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2,
        "InitialVariantWeight": 1,
    }  # fmt: skip
    captured = {
        "EnableCapture": True, "InitialSamplingPercentage": 100, "DestinationS3Uri": "s3://data/c",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }  # fmt: skip
    config = {"ProductionVariants": [variant], "DataCaptureConfig": captured}
    world.with_champion()
    world.resource(
        "champion_endpoint_resource", "Update",
        {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document(config=config))},
        physical=ENDPOINT,
    )  # fmt: skip
    for _ in range(3):
        world.move_endpoint()
        world.drain()
    assert world.row(f"champion#{ENDPOINT}")["state"] == "live"
    world.alerts_sent.clear()
    return world


@pytest.mark.feature("reconciliation: what others change is repaired or reported")
@pytest.mark.parametrize("name", REPORTED)
def test_change_is_reported_once(weighted: World, name: str) -> None:
    change, text = REPORTED[name]
    change(weighted)
    for _ in range(3):
        weighted.reconcile()
        weighted.now += HOUR
    reported = [alert for alert in weighted.alerts_sent if text in alert]
    assert len(reported) == 1, weighted.alerts_sent


def test_loop_without_changes_reports_nothing(weighted: World) -> None:
    weighted.reconcile()
    assert weighted.alerts_sent == []
    assert "findings" not in weighted.row(ROW)
    assert weighted.row(ROW)["checked_at"] == weighted.now


def test_finding_has_the_time_of_its_first_appearance(weighted: World) -> None:
    first = weighted.now
    weighted.event_rules[RULES[0]] = "DISABLED"
    weighted.reconcile()
    weighted.now += DAY
    weighted.reconcile()
    (finding,) = weighted.row(ROW)["findings"].values()
    assert finding["since"] == first
    assert finding["text"] == weighted.alerts_sent[0]


def test_two_simultaneous_comparisons_report_once(weighted: World) -> None:
    weighted.event_rules[RULES[0]] = "DISABLED"
    original, ran = weighted._update_item, []

    def interleave(**request: Any) -> Any:
        if request["Key"]["id"]["S"] == ROW and not ran:
            ran.append(True)
            weighted.reconcile()
        return original(**request)

    weighted._update_item = interleave  # type: ignore[method-assign]
    weighted.reconcile()
    weighted.now += HOUR
    weighted.reconcile()
    assert len(weighted.alerts_sent) == 1


def test_finding_that_ended_is_reported_again_when_it_returns(weighted: World) -> None:
    for state in ("DISABLED", "ENABLED", "DISABLED"):
        weighted.event_rules[RULES[0]] = state
        weighted.reconcile()
        weighted.now += HOUR
    assert len(weighted.alerts_sent) == 2


def test_several_findings_are_one_alert(weighted: World) -> None:
    weighted.event_rules[RULES[0]] = "DISABLED"
    weighted.keys[KEY] = "Disabled"
    weighted.reconcile()
    (alert,) = weighted.alerts_sent
    assert RULES[0] in alert
    assert KEY in alert


def test_findings_of_the_last_time_stay_while_a_comparison_fails(weighted: World) -> None:
    weighted.event_rules[RULES[0]] = "DISABLED"
    weighted.reconcile()
    before = weighted.row(ROW)
    weighted.failures["kms:DescribeKey"] = [client_error("AccessDeniedException", "no")] * 3
    weighted.event_rules[RULES[0]] = "ENABLED"
    weighted.reconcile()
    assert weighted.row(ROW) == before
    assert len(weighted.dead) == 1


def test_stopped_capture_is_reported(weighted: World) -> None:
    capture(weighted, "Started")
    weighted.reconcile()
    assert weighted.alerts_sent == []
    capture(weighted, "Stopped")
    weighted.reconcile()
    (alert,) = weighted.alerts_sent
    assert "data capture is stopped" in alert


def test_number_of_instances_is_reported_where_no_scaling_sets_it(world: World) -> None:
    variants(world, DesiredInstanceCount=7)
    world.reconcile()
    assert world.alerts_sent == []
    document = serving_document(scaling=[])
    world.rows[f"serving#{ENDPOINT}"]["document"] = {"S": json.dumps(document)}
    for _ in range(3):
        world.reconcile()
        world.move_endpoint()
        world.drain()
    variants(world, DesiredInstanceCount=7)
    world.reconcile()
    (alert,) = world.alerts_sent
    assert "the number of instances of variant AllTraffic is 7, and 2 in the settings" in alert


@pytest.mark.parametrize("error", [
    ConnectTimeoutError(endpoint_url="https://events"),
    EndpointConnectionError(endpoint_url="https://events"),
])  # fmt: skip
def test_network_without_a_route_to_eventbridge_is_reported_once(
    weighted: World, error: Exception
) -> None:  # fmt: skip
    weighted.failures["events:DescribeRule"] = [error] * 3
    for _ in range(3):
        weighted.reconcile()
    (alert,) = weighted.alerts_sent
    assert "Add the interface endpoint `events` to the VPC" in alert
    assert weighted.counts["events:DescribeRule"] == 3


@pytest.mark.parametrize("lost", ["target", "policy"])
def test_missing_scaling_is_registered_again_and_reported(world: World, lost: str) -> None:
    if lost == "target":
        world.targets.clear()
    else:
        world.targets[VARIANT]["policies"].clear()
    world.reconcile()
    assert set(world.targets[VARIANT]["policies"]) == {"by-requests"}
    (alert,) = world.alerts_sent
    assert "variant AllTraffic was deleted. It is registered again." in alert
    world.reconcile()
    assert len(world.alerts_sent) == 1


def test_limits_that_a_scheduled_action_sets_are_not_reported(world: World) -> None:
    world.targets[VARIANT] |= {"MaxCapacity": 9, "actions": {"peak": {"Schedule": "rate(1 day)"}}}
    world.reconcile()
    assert world.alerts_sent == []


def test_deleted_configuration_is_created_again_and_reported(world: World) -> None:
    config = world.row(f"champion#{ENDPOINT}")["config_name"]
    before = world.configs.pop(config)
    world.reconcile()
    assert world.configs[config] == before
    (alert,) = world.alerts_sent
    assert f"The configuration {config}, which endpoint {ENDPOINT} serves, was deleted" in alert


def test_endpoint_in_a_rollout_is_not_compared(world: World) -> None:
    world.challenge(metric=4.0)
    variants(world, DesiredWeight=0.5)
    world.targets.clear()
    world.reconcile()
    assert world.alerts_sent == []


def test_job_that_cannot_be_created_is_reported_after_half_an_hour(world: World) -> None:
    error = client_error("ValidationException", "Could not assume role arn:aws:iam::1:role/gone")
    world.failures["sagemaker:CreateTrainingJob"] = [error] * 100
    world.deliver("start_training", world.data_event("v9"))
    world.now += 1799
    world.reconcile()
    assert world.alerts_sent == []
    world.now += 1
    world.reconcile()
    world.now += HOUR
    world.reconcile()
    (alert,) = world.alerts_sent
    assert "could not be created since its trigger, 30 minutes ago" in alert


def test_composite_retraining_alarm_with_a_lost_event_starts_a_job(world: World) -> None:
    world.set_alarm("ALARM")
    world.alarms[ALARM]["AlarmRule"] = "ALARM(a) OR ALARM(b)"
    world.now += DAY
    world.reconcile()
    assert len(world.running_jobs()) == 1
