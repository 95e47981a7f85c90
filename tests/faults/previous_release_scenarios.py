"""Loops at the moments when a row of the previous release holds each of its old attributes.

Events are those of the previous release (``source: hand``, ``park``, ``down``), so that both
releases derive the same names from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from documents import ENDPOINT, HOUR, JOB, serving_document
from fake_client import client_error
from sageloop_runtime.previous_release import ATTRIBUTES
from sageloop_runtime.times import iso
from world import World

CHAMPION, LOOP, SWITCH = f"champion#{ENDPOINT}", f"loop#{JOB}", f"switch#{ENDPOINT}"
QUOTA = client_error("ResourceLimitExceeded", "quota of ml.m5.large")
DOWN = client_error("InternalError", "SNS is down", 500)


def event(world: World, request_id: str, **more: Any) -> dict[str, Any]:
    """A manual event of the previous release."""
    return {"source": "hand", "id": request_id, "time": iso(world.now), **more}


def promote(world: World, action: str, version: int = 0) -> Any:
    world.now += 60
    more = {"action": action, "by": "arn:aws:iam::123456789012:user/ann"}
    if version:
        more["package"] = world.packages[version - 1]["ModelPackageArn"]
    return world.run("promote", event(world, f"{action}-{world.now}", **more))


def train(world: World, request_id: str, metric: float = 5.0) -> str:
    """Train a challenger until its rollout begins."""
    world.deliver("start_training", event(world, request_id))
    name = world.only_job()
    world.finish(name, metric=metric)
    world.drain()
    return name


def settle(world: World, outcome: str = "ok") -> None:
    for _ in range(4):
        world.drain()
        world.move_endpoint(outcome)
    world.drain()


def two_champions() -> World:
    world = World().with_champion()
    train(world, "second")
    settle(world)
    return world


def rollback_requested() -> World:
    """A rollback is requested while a rollout is in progress."""
    world = World().with_champion()
    train(world, "second")
    promote(world, "promote", 1)
    return world


def rolled_back_manually() -> World:
    world = two_champions()
    promote(world, "promote", 1)
    settle(world)
    return world


def stopped() -> World:
    world = two_champions()
    promote(world, "park")
    settle(world)
    return world


def starting() -> World:
    """A stopped endpoint is started; its creation is in progress."""
    world = stopped()
    promote(world, "unpark")
    world.drain()
    return world


def starting_while_deleting() -> World:
    """A start is requested while the endpoint is being deleted."""
    world = two_champions()
    promote(world, "park")
    promote(world, "unpark")
    return world


def alert_not_sent() -> World:
    """A rollback was detected, and SNS does not accept the alert."""
    world = World().with_champion()
    train(world, "second")
    world.failures["sns:Publish"] = [DOWN] * 50
    world.move_endpoint("rollback", reason="an alarm fired")
    world.drain()
    world.failures.clear()
    return world


def instance_type_changing() -> World:
    """The scalable target is deregistered for a rollout in progress."""
    world = World().with_champion()
    document = serving_document()
    document["config"]["ProductionVariants"][0]["InstanceType"] = "ml.c5.large"
    properties = {"EndpointName": ENDPOINT, "Document": json.dumps(document)}
    world.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)
    return world


def creation_failed_once() -> World:
    world = World().with_data()
    train(world, "first", metric=8.0)
    world.move_endpoint("failed", reason="did not pass the ping health check")
    world.drain()
    return world


def manual_job_in_progress() -> World:
    """A manual job is in progress, and another manual request is pending."""
    world = World().with_champion()
    world.deliver("start_training", event(world, "one"))
    world.now += HOUR
    world.deliver("start_training", event(world, "two"))
    return world


def retries_exhausted() -> World:
    world = World().with_champion()
    world.set_alarm("ALARM", notify=True)
    world.drain()
    for _ in range(60):
        for name in world.running_jobs():
            world.finish(name, status="Failed", reason="AlgorithmError: , exit code: 1")
        world.drain()
        world.now += HOUR
        world.reconcile()
    return world


def waiting_for_quota() -> World:
    """Quota refuses a job; the alert is not sent yet."""
    world = World().with_champion()
    world.failures["sagemaker:CreateTrainingJob"] = [QUOTA]
    world.deliver("start_training", event(world, "one"))
    return world


def job_stopped() -> World:
    """A standalone job was stopped on request."""
    world = World(standalone=True)
    world.deliver_days("2013-01-01", "2013-02-28")
    world.deploy()
    world.deliver("start_training", event(world, "one"))
    world.finish(world.only_job(), status="Stopped", secondary="Stopped")
    world.drain()
    return world


def capacity_missing() -> World:
    """A job found no instances; the loop retries it later."""
    world = World().with_champion()
    world.deliver("start_training", event(world, "one"))
    world.finish(world.only_job(), status="Failed", reason="CapacityError: none", metric=None)
    world.drain()
    return world


def registration_lost() -> World:
    """The result is recorded; the function died before it registered the model."""
    world = World().with_champion()
    world.deliver("start_training", event(world, "one"))
    world.failures["sagemaker:CreateModelPackage"] = [DOWN] * 50
    world.finish(world.only_job(), metric=5.0)
    world.drain()
    world.failures.clear()
    return world


def rollout_overdue() -> World:
    world = World().with_champion()
    train(world, "second")
    world.now += 11 * HOUR
    world.reconcile()
    return world


def own_endpoint_stopped() -> World:
    """An endpoint that is no champion endpoint was stopped by its schedule."""
    world = World().with_champion()
    world.run("endpoint_schedule", {"source": "schedule", "action": "down", "id": "1",
                                    "time": iso(world.now)})  # fmt: skip
    world.move_endpoint()
    return world


def own_endpoint_starting() -> World:
    world = own_endpoint_stopped()
    world.now += HOUR
    world.run("endpoint_schedule", {"source": "schedule", "action": "up", "id": "2",
                                    "time": iso(world.now)})  # fmt: skip
    world.move_endpoint("failed")
    world.run("endpoint_schedule", {"source": "aws.sagemaker", "time": iso(world.now)})
    return world


SCENARIOS: dict[str, Callable[[], World]] = {
    scenario.__name__: scenario
    for scenario in (
        rollback_requested, rolled_back_manually, stopped, starting, starting_while_deleting,
        alert_not_sent, instance_type_changing, creation_failed_once, manual_job_in_progress,
        retries_exhausted, waiting_for_quota, job_stopped, capacity_missing, registration_lost,
        rollout_overdue, own_endpoint_stopped, own_endpoint_starting,
    )
}  # fmt: skip

ROWS: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "previous_release_rows.json").read_text()
)


def replace_rows(world: World, scenario: str) -> World:
    """Put the rows of the previous release in place of the present ones."""
    for row_id, row in ROWS[scenario].items():
        world.rows[row_id] = {"id": {"S": row_id}, **row}
    return world


def deployed(scenario: str) -> World:
    return replace_rows(SCENARIOS[scenario](), scenario)


def previous_attributes(world: World) -> set[str]:
    """The attributes with previous names in the rows of a world."""
    return {
        f"{row_id}: {name}"
        for row_id, row in world.rows.items()
        for name in ATTRIBUTES.get(row_id.partition("#")[0], {}).values()
        if name in row
    }


def schedule(world: World, action: str | None = None, **more: Any) -> str:
    world.now += HOUR
    request = {"source": "schedule", "id": f"{world.now}", "time": iso(world.now), **more}
    if action is not None:
        request["action"] = action
    return str(world.run("endpoint_schedule", request)["step"])
