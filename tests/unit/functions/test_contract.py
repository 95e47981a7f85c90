"""What the functions promise to those who deploy them."""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
import test_capacity_faults
import test_deployment_faults
import test_evaluate_memory
import test_instance_type_faults
import test_promotion_faults
import test_trigger_faults
from documents import BUCKET, ENDPOINT, JOB, job_document, serving_document
from fake_client import client_error
from moto import mock_aws
from sageloop_runtime.aws.state_table import StateTable
from sageloop_runtime.previous_release import ATTRIBUTES
from sageloop_runtime.times import iso, moment
from standalone_job import manual_event, standalone
from world import PERMISSIONS, World

LAMBDA = Path(__file__).parents[3] / "lambda"
PROMOTING = {"promote", "reconcile", "champion_endpoint_resource"}
"""All three move the endpoint by the same code, so that what one of them uses all may need."""


def _killed_while_registering(world: World) -> None:
    for call in range(14, 18):
        world.kill_at, world.killed = (call, True), {"on_job_change"}
        world.now += 86400.0
        world.challenge(metric=1.0)
        world.kill_at = None
        world.reconcile()
        world.move_endpoint("rollback")
        world.drain()


def _scaling_ends(world: World) -> None:
    text = json.dumps(serving_document(scaling=[]))
    properties = {"EndpointName": ENDPOINT, "Document": text}
    world.resource("champion_endpoint_resource", "Update", properties)
    world.move_endpoint()
    world.drain()


def _active_alarm(world: World) -> None:
    test_promotion_faults.test_33_rollback_alarm_in_alarm_state_blocks_the_promotion(world, {})


def _default_group(world: World) -> None:
    rule = {"IpProtocol": "-1"}
    world.groups["sg"] = {"IpPermissions": [rule], "IpPermissionsEgress": [rule]}
    world.resource("default_security_group_resource", "Create", {"SecurityGroupId": "sg"})


def _evaluation(world: World) -> None:
    world.objects[BUCKET, f"ground-truth/{moment(world.now):%Y/%m/%d/%H}/a.jsonl"] = b"{}"
    world.run("evaluate", {"time": iso(world.now)})


def _many_champions(world: World) -> None:
    for metric in (5.0, 4.0, 3.0, 2.0):
        world.now += 86400.0
        world.challenge(metric=metric)
        world.move_endpoint()
        world.drain()


def _no_partitions(world: World) -> None:
    """A document without daily partitions reads its channels as they are."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/sets/dt=2013-02"}
    channel = {"ChannelName": "validation", "DataSource": {"S3DataSource": source}}
    document = job_document(data=None)
    document["request"]["InputDataConfig"] = [channel]
    properties = {"Job": JOB, "Document": json.dumps(document)}
    world.resource("job_resource", "Update", properties)
    world.challenge()
    assert world.row(f"champion#{ENDPOINT}")["state"] == "promoting"


def _job_resource(world: World) -> None:
    properties = {"Job": JOB, "Document": json.dumps(world.document(start_on_deploy=True))}
    world.resource("job_resource", "Update", properties)
    world.resource("job_resource", "Delete", properties, physical=JOB)


def _every_kind(world: World) -> None:
    """Jobs of the other kinds, standalone and (tuning) in a loop."""
    for kind in ("tuning", "processing", "transform"):
        apart = standalone(kind)
        for request_id in ("1", "2"):
            apart.deliver("start_training", manual_event(apart, request_id))
        apart.finish(apart.only_job(), status="Failed", reason="AlgorithmError")
        apart.drain()
        deployed = standalone(kind)
        _job_resource(deployed)
        world.calls += apart.calls + deployed.calls
    for kind in ("processing", "transform"):
        _reconciled(world, kind)
    world.calls += _refused().calls
    tuned = World(kind="tuning").with_champion()
    _reconciled(world, "tuning")
    world.calls += tuned.calls


def _reconciled(world: World, kind: str) -> None:
    lost = World(kind=kind).with_data()
    lost.deliver("start_training", manual_event(lost))
    lost.reconcile()
    world.calls += lost.calls


def _refused() -> World:
    world = standalone()
    world.failures["sagemaker:CreateTrainingJob"] = [client_error("ValidationException", "no")]
    world.deliver("start_training", manual_event(world))
    return world


SCENARIOS = [
    (test_trigger_faults.test_04_alarm_during_training_starts_at_most_one_more_job, True),
    (test_promotion_faults.test_26_challenger_that_is_not_better_is_rejected, True),
    (test_promotion_faults.test_31_rollback_is_detected_and_the_challenger_quarantined, True),
    (_active_alarm, True),
    (test_promotion_faults.test_34_failed_endpoint_is_deleted_and_created_again, False),
    (test_instance_type_faults.test_rollback_restores_target_policies_and_scheduled_actions, True),
    (test_capacity_faults.test_count_of_an_unscaled_variant_beside_a_scaled_one_changes, True),
    (test_deployment_faults.test_43_deletion_continues_while_interfaces_are_left, True),
    (_many_champions, True), (_scaling_ends, True), (_default_group, None), (_evaluation, True),
    (test_evaluate_memory.test_evaluation_continues_in_the_next_invocation, True),
    (_job_resource, False), (_every_kind, None), (_no_partitions, True),
    (_killed_while_registering, True),
]  # fmt: skip
_TESTED_ELSEWHERE = {"endpoint_schedule", "invoke_proxy", "scaling_resource"}
"""In tests/local, with a real endpoint and real policies."""
IMPLIED = {"iam:PassRole", "sagemaker:AddTags"}


@pytest.mark.parametrize("name", sorted(PERMISSIONS))
def test_handler_is_thin_and_importable(name: str) -> None:
    path = LAMBDA / name / "index.py"
    (handler,) = [
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    ]
    assert handler.name == "handler"
    assert handler.end_lineno - handler.lineno < 15
    spec = importlib.util.spec_from_file_location(f"index_{name}", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_layer_imports_the_standard_library_and_boto3_only() -> None:
    allowed = {*sys.stdlib_module_names, "boto3", "botocore", "sageloop_runtime"}
    for path in LAMBDA.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            assert {str(name).split(".")[0] for name in names} <= allowed, path


def test_layer_never_reads_the_clock_of_the_host() -> None:
    forbidden = {"now", "utcnow", "today", "time_ns", "monotonic"}
    for path in LAMBDA.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in forbidden, f"{path}:{node.lineno}"


def test_every_permission_is_used() -> None:
    """The worlds refuse what a function may not do; here, that nothing is spare."""
    used: set[tuple[str, str]] = set()
    for scenario, with_champion in SCENARIOS:
        world = World()
        if with_champion is not None:
            world = world.with_champion() if with_champion else world.with_data()
        scenario(world)
        used |= {call for call in world.calls if call[0]}
    rollout = {action for function, action in used if function in PROMOTING}
    spare = {
        (function, action)
        for function, actions in PERMISSIONS.items()
        if function not in _TESTED_ELSEWHERE
        for action in _all(actions) - IMPLIED
        if (function, action) not in used
        and not (function in PROMOTING and action in rollout & set(PERMISSIONS["promote"]))
    }
    assert spare == set()


def _all(actions: Any) -> set[str]:
    """The actions of a function, whatever it serves."""
    parts = [actions] if isinstance(actions, list) else actions.values()
    return {action for part in parts for action in part}


def _table() -> tuple[StateTable, Any]:
    """A state table in moto's DynamoDB, which evaluates expressions as AWS does."""
    dynamodb = boto3.client(
        "dynamodb", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    dynamodb.create_table(
        TableName="t", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )  # fmt: skip
    return StateTable(dynamodb, "t"), dynamodb


@mock_aws
def test_conditional_writes_exclude_each_other_in_dynamodb() -> None:
    table, _ = _table()
    value = {"n": 1, "f": 1.5, "s": "x", "b": True, "l": ["a"], "m": {"k": None}}
    assert table.get("r") is None
    assert table.put_new("r", value)
    assert not table.put_new("r", {})
    assert table.get("r") == value
    assert not table.swap("r", change={"n": 2}, expect={"s": "other"})
    assert not table.swap("r", change={"n": 2}, expect={"s": None})
    assert table.swap("r", change={"n": 2, "s": None, "name": "y"}, expect={"s": "x", "z": None})
    assert table.swap("r", change={"b": None})
    assert table.get("r") == {"n": 2, "f": 1.5, "l": ["a"], "m": {"k": None}, "name": "y"}
    table.delete("r")
    table.delete("r")
    assert table.get("r") is None


@mock_aws
def test_previous_names_are_read_and_replaced_in_dynamodb() -> None:
    table, dynamodb = _table()
    previous = ATTRIBUTES["switch"]
    row = {
        previous["desired_state"]: {"S": "down"}, previous["requested_at"]: {"N": "1.5"},
        "tries": {"N": "1"},
    }  # fmt: skip
    dynamodb.put_item(TableName="t", Item={"id": {"S": "switch#e"}, **row})
    assert table.get("switch#e") == {"desired_state": "stopped", "requested_at": 1.5, "tries": 1}
    change = {"desired_state": "started", "requested_at": 2.5, "tries": None}
    assert not table.swap("switch#e", change=change, expect={"requested_at": None})
    assert not table.swap("switch#e", change=change, expect={"requested_at": 2.5})
    assert not table.swap("switch#e", change=change, expect={"desired_state": "started"})
    expect = {"requested_at": 1.5, "desired_state": "stopped", "requested_by": None, "tries": 1}
    assert table.swap("switch#e", change=change, expect=expect)
    assert not table.swap("switch#e", change=change, expect=expect)
    assert table.swap("switch#e", change={"tries": 2}, expect={"requested_at": 2.5})
    item = dynamodb.get_item(TableName="t", Key={"id": {"S": "switch#e"}})["Item"]
    assert set(item) == {"id", "desired_state", "requested_at", "tries"}
