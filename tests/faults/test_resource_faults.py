"""Custom resources whose requests are refused, fail half-way, end without response or are doubled.

CloudFormation rolls a failed Create back with a Delete, and a failed Update with an Update.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from documents import DOCUMENTS, ENDPOINT, JOB, job_document, serving_document, tuning_document
from fake_client import client_error
from world import World

CALLS = range(1, 16)
INVENTED = "stack-Logical-1ABCDEF"
SCALING = {
    "endpoint_name": ENDPOINT,
    "scaling": [{"VariantName": "AllTraffic", "InstanceTypes": [], "MinCapacity": 1,
                 "MaxCapacity": 2}],
}  # fmt: skip
RESOURCES = {
    "job_resource": ({"Job": JOB, "Document": json.dumps(job_document())}, JOB),
    "champion_endpoint_resource": (
        {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document())}, ENDPOINT,
    ),
    "scaling_resource": (
        {"Place": "AfterEndpoint", "Document": json.dumps(SCALING)},
        f"{ENDPOINT}/scaling/AfterEndpoint",
    ),
    "default_security_group_resource": ({"SecurityGroupId": "sg-1"}, "sg-1"),
}  # fmt: skip
MALFORMED = [
    None,
    [],
    "text",
    {},
    {"Job": "", "EndpointName": 3, "Document": "{"},
    {"Job": "a" * 999},
]


def event(
    kind: str, properties: Any, *, physical: str | None = None, **more: Any
) -> dict[str, Any]:
    result = {
        "RequestType": kind, "ResponseURL": "https://answer", "StackId": "stack",
        "RequestId": "r", "LogicalResourceId": "Logical", "ResourceProperties": properties, **more,
    }  # fmt: skip
    return result if physical is None else {**result, "PhysicalResourceId": physical}


def job_properties(**changes: Any) -> dict[str, Any]:
    return {"Job": JOB, "Document": json.dumps(job_document(**changes))}


def world_of(kind: str) -> World:
    world = World(kind=kind, standalone=True)
    world.deliver_days("2013-01-01", "2013-02-28")
    return world


def killed(world: World, function: str, request: dict[str, Any]) -> None:
    try:
        world.run(function, request)
    except BaseException as error:
        if type(error).__name__ != "Killed":
            raise


def assert_nothing_is_left(world: World) -> None:
    assert world.running_jobs() == []
    assert [row for row in world.rows if not row.startswith("trigger#")] == []


# physical ids


@pytest.mark.parametrize("function", sorted(RESOURCES))
def test_failed_request_has_the_physical_id_of_its_properties(function: str) -> None:
    properties, expected = RESOURCES[function]
    for kind, physical in (("Create", None), ("Update", expected), ("Delete", expected)):
        world = World()
        world.fail_at = (1, False)
        more = {"OldResourceProperties": properties}
        answer = world.run(function, event(kind, properties, physical=physical, **more))
        assert answer["PhysicalResourceId"] == expected
        assert answer["Status"] == "FAILED" or not world.calls


@pytest.mark.parametrize("function", sorted(RESOURCES))
@pytest.mark.parametrize("properties", MALFORMED, ids=lambda value: repr(value)[:20])
def test_refused_creation_is_rolled_back_without_a_call(function: str, properties: Any) -> None:
    world = World()
    answer = world.run(function, event("Create", properties))
    assert answer["Status"] == "FAILED"
    physical = answer["PhysicalResourceId"]
    if function != "default_security_group_resource":
        world.calls.clear()
    assert 0 < len(physical) <= 255
    answer = world.run(function, event("Delete", properties, physical=physical))
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", physical)
    assert {action for _, action in world.calls} <= {"dynamodb:GetItem"}


@pytest.mark.parametrize("function", sorted(RESOURCES))
def test_request_without_time_left_fails_before_its_first_call(function: str) -> None:
    properties, expected = RESOURCES[function]
    world = World()
    world.context.seconds = 15.0
    answer = world.run(function, event("Create", properties))
    assert (answer["Status"], answer["Reason"]) == ("FAILED", "Create ran out of time")
    assert answer["PhysicalResourceId"] == expected
    assert world.calls == []


# a Create that fails after its effect


@pytest.mark.feature("lifecycle: a failed Create is undone")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_job_creation_that_fails_at_any_call_is_undone(kind: str, call: int, after: bool) -> None:
    world = world_of(kind)
    world.fail_at = (call, after)
    answer = world.put_job(start_on_deploy=True)
    world.fail_at = None
    properties = {"Job": JOB, "Document": json.dumps(world.document(start_on_deploy=True))}
    assert answer["PhysicalResourceId"] == JOB
    answer = world.run("job_resource", event("Delete", properties, physical=JOB))
    assert answer["Status"] == "SUCCESS"
    assert_nothing_is_left(world)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_job_creation_that_ends_without_response_is_undone(call: int, after: bool) -> None:
    world = world_of("training")
    world.kill_at = (call, after)
    properties = job_properties(start_on_deploy=True)
    killed(world, "job_resource", event("Create", properties))
    world.kill_at = None
    # CloudFormation, which has no physical id, invents one.
    answer = world.run("job_resource", event("Delete", properties, physical=INVENTED))
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", INVENTED)
    assert_nothing_is_left(world)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_job_creation_that_is_killed_and_repeated_starts_one_job(call: int, after: bool) -> None:
    world = world_of("training")
    request = event("Create", job_properties(start_on_deploy=True))
    world.kill_at = (call, after)
    killed(world, "job_resource", request)
    world.kill_at = None
    for _ in range(2):
        assert world.run("job_resource", request)["Status"] == "SUCCESS"
    assert len(world.jobs) == 1
    assert world.row(f"loop#{JOB}")["in_flight"] == world.only_job()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_job_deletion_that_is_killed_and_repeated_leaves_nothing(call: int, after: bool) -> None:
    world = world_of("training")
    properties = job_properties(start_on_deploy=True)
    world.run("job_resource", event("Create", properties))
    request = event("Delete", properties, physical=JOB)
    world.kill_at = (call, after)
    killed(world, "job_resource", request)
    world.kill_at = None
    assert world.run("job_resource", request)["Status"] == "SUCCESS"
    assert_nothing_is_left(world)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_job_update_that_fails_at_any_call_is_repaired(call: int, after: bool) -> None:
    world = world_of("training")
    old, new = job_properties(), job_properties(start_on_deploy=True)
    world.run("job_resource", event("Create", old))
    world.fail_at = (call, after)
    more = {"OldResourceProperties": old}
    world.run("job_resource", event("Update", new, physical=JOB, **more))
    world.fail_at = None
    more = {"OldResourceProperties": new}
    answer = world.run("job_resource", event("Update", old, physical=JOB, **more))
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", JOB)
    world.drain()
    assert world.running_jobs() == []
    assert world.row(f"job#{JOB}")["document"] == old["Document"]
    assert "in_flight" not in world.row(f"loop#{JOB}")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_endpoint_creation_that_fails_at_any_call_is_undone(call: int, after: bool) -> None:
    world = World()
    properties, _ = RESOURCES["champion_endpoint_resource"]
    world.fail_at = (call, after)
    answer = world.run("champion_endpoint_resource", event("Create", properties))
    world.fail_at = None
    physical = answer["PhysicalResourceId"]
    deletion = event("Delete", properties, physical=physical)
    assert world.run("champion_endpoint_resource", deletion)["Status"] == "SUCCESS"
    assert f"champion#{ENDPOINT}" not in world.rows
    assert world.row(f"serving#{ENDPOINT}").get("tombstone", True)


@pytest.mark.parametrize("call", CALLS)
def test_endpoint_update_that_fails_at_any_call_is_repaired(world: World, call: int) -> None:
    served = world.endpoint["EndpointConfigName"]
    old = {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document())}
    new = {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document(keep_configs=2))}
    for properties in (new, old):
        world.fail_at = (call, False) if properties is new else None
        request = event("Update", properties, physical=ENDPOINT)
        world.run("champion_endpoint_resource", request)
    for _ in range(3):
        world.move_endpoint()
        world.drain()
        world.reconcile()
    assert world.endpoint["EndpointConfigName"] == served
    assert world.row(f"champion#{ENDPOINT}")["state"] == "live"


# what another resource owns


@pytest.mark.feature("lifecycle: Delete of what was never made")
def test_deletion_of_a_refused_job_leaves_jobs_of_that_name_running() -> None:
    world = world_of("training")
    world.run("job_resource", event("Create", job_properties(start_on_deploy=True)))
    before = copy.deepcopy(world.rows)
    other = {"StackId": "other", "physical": JOB}
    for document in ("{", json.dumps(job_document()), json.dumps(tuning_document())):
        world.kind = "tuning" if "Hyper" in document else "training"
        properties = {"Job": JOB, "Document": document}
        answer = world.run("job_resource", event("Delete", properties, **other))
        assert answer["Status"] == "SUCCESS"
    assert len(world.running_jobs()) == 1
    assert world.rows == before


def test_deletion_of_a_job_without_lock_stops_no_job_of_another_table() -> None:
    world = world_of("training")
    properties = job_properties(start_on_deploy=True)
    world.run("job_resource", event("Create", properties))
    world.rows.clear()
    world.run("job_resource", event("Create", job_properties(), StackId="other"))
    gone = event("Delete", job_properties(), physical=JOB, StackId="other")
    assert world.run("job_resource", gone)["Status"] == "SUCCESS"
    assert len(world.running_jobs()) == 1


def test_rolled_back_successor_stops_the_job_that_it_started() -> None:
    world = world_of("training")
    world.run("job_resource", event("Create", job_properties()))
    new = job_properties(start_on_deploy=True)
    world.run("job_resource", event("Create", new, LogicalResourceId="New"))
    name = world.only_job()
    gone = event("Delete", new, physical=JOB, LogicalResourceId="New")
    assert world.run("job_resource", gone)["Status"] == "SUCCESS"
    assert world.jobs[name]["TrainingJobStatus"] == "Stopped"
    assert json.loads(world.row(f"job#{JOB}")["document"]) == job_document()


def test_rolled_back_successor_leaves_a_job_that_a_trigger_started() -> None:
    world = World().with_data()
    world.run("start_training", world.data_event())
    new = job_properties(fallback_instance_types=["ml.m5.xlarge"])
    world.run("job_resource", event("Create", new, LogicalResourceId="New"))
    world.run("job_resource", event("Delete", new, physical=JOB, LogicalResourceId="New"))
    assert len(world.running_jobs()) == 1


def test_deletion_of_a_refused_endpoint_leaves_that_of_another_stack(world: World) -> None:
    before = copy.deepcopy((world.rows, world.endpoint, world.configs, world.models, world.targets))
    for document in ("{", json.dumps(serving_document())):
        properties = {"EndpointName": ENDPOINT, "Document": document}
        gone = event("Delete", properties, physical=ENDPOINT, StackId="other")
        answer = world.run("champion_endpoint_resource", gone)
        assert answer["Status"] == "SUCCESS"
    now = (world.rows, world.endpoint, world.configs, world.models, world.targets)
    assert now == before


def test_endpoint_without_champion_is_deleted_without_a_call_of_sagemaker(world: World) -> None:
    for row in list(world.rows):
        del world.rows[row]
    properties, _ = RESOURCES["champion_endpoint_resource"]
    world.run("champion_endpoint_resource", event("Create", properties, StackId="other"))
    world.calls.clear()
    gone = event("Delete", properties, physical=ENDPOINT, StackId="other")
    assert world.run("champion_endpoint_resource", gone)["Status"] == "SUCCESS"
    assert {action.partition(":")[0] for _, action in world.calls} == {"dynamodb"}
    assert world.endpoint["EndpointStatus"] == "InService"


@pytest.mark.feature("lifecycle: an endpoint that is moved within its template")
def test_endpoint_of_a_moved_construct_stays_in_service(world: World) -> None:
    properties, _ = RESOURCES["champion_endpoint_resource"]
    updates = world.counts["sagemaker:UpdateEndpoint"]
    for kind, logical in (("Create", "New"), ("Delete", "Logical")):
        request = event(kind, properties, physical=ENDPOINT, LogicalResourceId=logical)
        assert world.run("champion_endpoint_resource", request)["Status"] == "SUCCESS"
    world.reconcile()
    assert world.endpoint["EndpointStatus"] == "InService"
    assert world.counts["sagemaker:UpdateEndpoint"] == updates
    gone = event("Delete", properties, physical=ENDPOINT, LogicalResourceId="New")
    world.run("champion_endpoint_resource", gone)
    world.drain()
    assert (world.endpoint, world.configs, world.models) == (None, {}, {})


def test_rollback_of_a_moved_endpoint_restores_its_document(world: World) -> None:
    served = world.endpoint["EndpointConfigName"]
    new = {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document(keep_configs=2))}
    for kind in ("Create", "Delete", "Delete"):
        request = event(kind, new, physical=ENDPOINT, LogicalResourceId="New")
        assert world.run("champion_endpoint_resource", request)["Status"] == "SUCCESS"
    for _ in range(3):
        world.move_endpoint()
        world.drain()
        world.reconcile()
    assert json.loads(world.row(f"serving#{ENDPOINT}")["document"]) == serving_document()
    assert world.endpoint["EndpointConfigName"] == served


def test_endpoint_is_created_again_after_its_deletion(world: World) -> None:
    properties, _ = RESOURCES["champion_endpoint_resource"]
    world.run("champion_endpoint_resource", event("Delete", properties, physical=ENDPOINT))
    world.drain()
    world.run("champion_endpoint_resource", event("Create", properties, StackId="second"))
    world.reconcile()
    world.move_endpoint()
    world.drain()
    gone = event("Delete", properties, physical=ENDPOINT, StackId="second")
    world.run("champion_endpoint_resource", gone)
    world.drain()
    assert world.endpoint is None


def test_scaling_that_was_registered_in_part_is_deregistered() -> None:
    world = World()
    document = copy.deepcopy(SCALING)
    document["scaling"].append({**document["scaling"][0], "VariantName": "Second"})
    properties = {"Place": "AfterEndpoint", "Document": json.dumps(document)}
    error = client_error("ValidationException", "no such variant")
    original = world._register_scalable_target

    def only_first(ResourceId: str, **request: Any) -> Any:
        if ResourceId.endswith("Second"):
            raise error
        return original(ResourceId, **request)

    world._register_scalable_target = only_first
    answer = world.run("scaling_resource", event("Create", properties))
    assert (answer["Status"], len(world.targets)) == ("FAILED", 1)
    physical = answer["PhysicalResourceId"]
    answer = world.run("scaling_resource", event("Delete", properties, physical=physical))
    assert (answer["Status"], world.targets) == ("SUCCESS", {})
