"""Faults of deployments and lost events, numbered as in the project's list of faults."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import (
    ALARM,
    BUCKET,
    ENDPOINT,
    HOUR,
    JOB,
    MAX_ATTEMPTS,
    job_document,
    serving_document,
)  # fmt: skip
from fake_client import client_error
from world import World


def champion(world: World) -> dict[str, Any]:
    return world.row(f"champion#{ENDPOINT}")


def loop(world: World) -> dict[str, Any]:
    return world.row(f"loop#{JOB}")


def test_39_malformed_document_fails_in_one_line(fresh: World) -> None:
    properties = {"Job": JOB, "Document": "{", "StateTable": "s"}
    answer = fresh.resource("job_resource", "Update", properties, physical=JOB)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == "the job document is not JSON"
    assert answer["PhysicalResourceId"] == JOB


def test_41_deletion_of_a_resource_that_was_never_created_succeeds(fresh: World) -> None:
    rows = dict(fresh.rows)
    for function, name, properties in (
        ("job_resource", "Logical", {"Job": "x", "Document": "?"}),
        ("champion_endpoint_resource", "other", {"EndpointName": "other", "Document": "?"}),
    ):
        answer = fresh.resource(function, "Delete", properties, physical=name)
        assert answer["Status"] == "SUCCESS"
        assert answer["PhysicalResourceId"] == name
    assert fresh.rows == rows


def test_42_rollback_update_stops_what_the_failed_update_started(fresh: World) -> None:
    old = {"Job": JOB, "Document": json.dumps(job_document())}
    new = {"Job": JOB, "Document": json.dumps(job_document(start_on_deploy=True))}
    assert fresh.resource("job_resource", "Update", new)["Status"] == "SUCCESS"
    name = fresh.only_job()
    assert fresh.resource("job_resource", "Update", new)["Status"] == "SUCCESS"
    assert fresh.resource("job_resource", "Update", old)["Status"] == "SUCCESS"
    fresh.drain()
    assert fresh.jobs[name]["TrainingJobStatus"] == "Stopped"
    assert len(fresh.jobs) == 1
    assert len(fresh.packages) == 0


@pytest.mark.parametrize("busy", [False, True])
def test_43_deletion_waits_for_a_busy_endpoint_and_leaves_nothing(world: World, busy: bool) -> None:
    if busy:
        world.challenge()
        assert world.endpoint["EndpointStatus"] == "Updating"
    properties = {"EndpointName": ENDPOINT, "Document": "{}"}
    world.resource("champion_endpoint_resource", "Delete", properties, physical=ENDPOINT)
    world.drain()
    assert world.answers[-1]["Status"] == "SUCCESS"
    assert (world.endpoint, world.models, world.configs) == (None, {}, {})
    assert world.targets == {}
    world.reconcile()
    assert world.endpoint is None
    assert len(world.packages) == 1 + busy


def test_43_deletion_continues_while_interfaces_are_left(world: World) -> None:
    world.interfaces = [{"NetworkInterfaceId": "eni-1"}]
    properties = {"EndpointName": ENDPOINT, "Document": "{}"}
    before = len(world.answers)
    world.resource("champion_endpoint_resource", "Delete", properties, physical=ENDPOINT)
    assert len(world.answers) == before
    assert len([f for f, _ in world.queue if f == "champion_endpoint_resource"]) == 1
    world.interfaces = []
    world.drain()
    assert world.answers[-1]["Status"] == "SUCCESS"


def test_43_deletion_that_does_not_end_names_the_resources_left(world: World) -> None:
    world.interfaces = [{"NetworkInterfaceId": "eni-1"}]
    properties = {"EndpointName": ENDPOINT, "Document": "{}"}
    world.resource("champion_endpoint_resource", "Delete", properties, physical=ENDPOINT)
    world.drain(limit=400)
    assert world.answers[-1]["Status"] == "FAILED"
    assert "eni-1" in world.answers[-1]["Reason"]


def test_43_no_promotion_follows_the_tombstone(world: World) -> None:
    original = world._create_endpoint_config

    def deleted_meanwhile(**request: Any) -> Any:
        original(**request)
        world.rows[f"serving#{ENDPOINT}"]["tombstone"] = {"BOOL": True}

    world._create_endpoint_config = deleted_meanwhile
    world.challenge()
    world.move_endpoint()
    for function, event, _ in world.dead:
        world.deliver(function, event)
    world.reconcile()
    world.move_endpoint()
    assert world.endpoint is None


def test_44_unknown_request_type_fails_with_its_name(fresh: World) -> None:
    answer = fresh.resource("job_resource", "Import", {"Job": JOB})
    assert answer["Status"] == "FAILED"
    assert "'Import'" in answer["Reason"]


def test_44_members_that_documents_lack_or_have_besides_are_accepted(world: World) -> None:
    job = {k: v for k, v in job_document().items() if k in {"job", "request"}}
    serving = {
        k: v for k, v in serving_document().items() if k in {"endpoint_name", "model", "config"}
    }
    more = {"ServiceToken": "arn", "ServiceTimeout": "3600", "Later": ["x"]}
    for function, name, properties, document in (
        ("job_resource", JOB, {"Job": JOB}, job),
        ("champion_endpoint_resource", ENDPOINT, {"EndpointName": ENDPOINT}, serving),
    ):
        text = json.dumps({**document, "later": {"member": 1}})
        event = {**properties, **more, "Document": text}
        answer = world.resource(function, "Update", event, physical=name)
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", name)
    world.move_endpoint()
    world.drain()
    row = champion(world)
    assert (row["state"], row["config_name"]) == ("live", world.endpoint["EndpointConfigName"])
    world.deliver("start_training", world.data_event("v2"))
    assert len(world.running_jobs()) == 1


def test_45_deployment_without_changes_starts_no_rollout(world: World) -> None:
    before = champion(world)
    properties = {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document())}
    world.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)
    world.reconcile()
    assert world.counts["sagemaker:UpdateEndpoint"] == 0
    assert champion(world) == before


def test_45_deployment_with_another_document_rolls_the_same_model_out(world: World) -> None:
    before = champion(world)["config_name"]
    text = json.dumps(serving_document(keep_configs=2))
    properties = {"EndpointName": ENDPOINT, "Document": text}
    world.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)
    world.move_endpoint()
    world.drain()
    row = champion(world)
    assert row["state"] == "live"
    assert row["config_name"] != before
    assert world.served_artifacts[0] == world.served_artifacts[-1]
    assert len(world.models) == 1


def test_45_rolled_back_document_is_not_rolled_out_again(world: World) -> None:
    before = champion(world)["config_name"]
    text = json.dumps(serving_document(keep_configs=2))
    properties = {"EndpointName": ENDPOINT, "Document": text}
    world.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)
    world.move_endpoint("rollback")
    world.drain()
    world.reconcile()
    row = champion(world)
    assert (row["state"], row["config_name"]) == ("rolled_back", before)
    assert "quarantined" not in row
    assert world.counts["sagemaker:UpdateEndpoint"] == 1


def test_46_second_deployment_serves_the_champion_of_the_registry(world: World) -> None:
    properties = {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document())}
    world.resource("champion_endpoint_resource", "Delete", properties, physical=ENDPOINT)
    world.drain()
    world.resource("champion_endpoint_resource", "Create", properties)
    world.reconcile()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"


def test_47_first_deployment_without_data_only_records(fresh: World) -> None:
    assert fresh.endpoint is None
    assert fresh.jobs == {}


def test_47_start_on_deploy_refuses_an_empty_channel_in_one_line() -> None:
    world = World()
    properties = {"Job": JOB, "Document": json.dumps(job_document(start_on_deploy=True))}
    answer = world.resource("job_resource", "Create", properties)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == f"no daily partition in s3://{BUCKET}/sets/"
    assert f"job#{JOB}" not in world.rows


def test_51_redriven_dead_letters_change_nothing(world: World) -> None:
    error = client_error("Throttling", "slow")
    world.failures["dynamodb:GetItem"] = [error] * 3
    world.deliver("start_training", world.data_event("v2"))
    ((function, event, _),) = world.dead
    for _ in range(3):
        world.deliver(function, event)
    assert len(world.running_jobs()) == 1
    assert len(world.metric("TriggersSuppressed", Reason="duplicate")) == 2
    assert "pending" not in loop(world)


def test_lost_alarm_event_is_repaired(world: World) -> None:
    world.set_alarm("ALARM")
    world.reconcile()
    assert len(world.running_jobs()) == 1


def test_lost_package_and_endpoint_events_are_repaired(world: World) -> None:
    world.deliver("start_training", world.data_event("v2"))
    world.lose_events = True
    world.finish(world.only_job(), metric=5.0)
    world.reconcile()
    world.reconcile()
    world.move_endpoint()
    world.reconcile()
    assert champion(world)["state"] == "live"
    assert champion(world)["package_arn"] == world.packages[1]["ModelPackageArn"]


def test_alarm_that_training_does_not_end_alerts(world: World) -> None:
    world.set_alarm("ALARM", notify=True)
    for _ in range(100):
        world.drain()
        for name in world.running_jobs():
            world.finish(name, metric=5.0)
        world.drain()
        world.move_endpoint()
        world.now += HOUR
        world.reconcile()
    assert len(world.jobs) == 1 + MAX_ATTEMPTS
    assert len(world.alerts_sent) == 1
    world.set_alarm("OK")
    world.reconcile()
    assert loop(world)["attempts"] == 0
    assert world.alarms[ALARM]["StateValue"] == "OK"


def test_rollout_that_does_not_end_alerts_once(world: World) -> None:
    world.challenge()
    for _ in range(15):
        world.now += HOUR
        world.reconcile()
    assert len(world.alerts_sent) == 1
    assert "Updating" in world.alerts_sent[0]
