"""Fallback instance types: quota and capacity errors, repeated and lost events."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from documents import BACKOFF, DAY, HOUR, JOB, MAX_ATTEMPTS
from sageloop_runtime.times import iso
from standalone_job import (
    FALLBACKS,
    NO_CAPACITY,
    OWN,
    SECOND,
    THIRD,
    loop,
    manual_event,
    standalone,
    types,
)
from world import Killed, World


@pytest.mark.feature("training: fallback instance types when quota is refused")
def test_quota_refusal_tries_the_next_type_in_the_same_invocation(kind: str) -> None:
    world = standalone(kind, fallback_instance_types=FALLBACKS)
    world.scarce = {OWN}
    answer = world.run("start_training", manual_event(world))
    name = world.only_job()
    assert (answer["status"], answer["instance_type"]) == ("started", SECOND)
    assert types(world, name) == SECOND
    assert loop(world)["instance_types"] == [OWN, SECOND]
    world.finish(name)
    world.drain()
    assert world.row(f"result#{name}")["instance_types"] == [OWN, SECOND]
    assert world.alerts_sent == []


def test_quota_refusal_of_every_type_alerts_once_and_starts_when_quota_is_raised(kind: str) -> None:
    world = standalone(kind, fallback_instance_types=FALLBACKS)
    world.scarce = {OWN, *FALLBACKS}
    world.deliver("start_training", manual_event(world))
    for _ in range(20):
        world.now += BACKOFF
        world.deliver("on_job_change", {"source": "aws.events", "time": iso(world.now)})
        world.drain()
    assert world.running_jobs() == []
    assert len(world.alerts_sent) == 1
    assert f"tried: {OWN}, {SECOND}, {THIRD}" in world.alerts_sent[0]
    world.scarce = {OWN}
    world.now += DAY * 3
    world.deliver("on_job_change", {"source": "aws.events", "time": iso(world.now)})
    world.drain()
    assert types(world, world.only_job()) == SECOND


@pytest.mark.feature("training: fallback instance types when capacity is refused")
def test_job_without_capacity_is_started_with_each_type_then_alerts(kind: str) -> None:
    world = standalone(kind, fallback_instance_types=FALLBACKS)
    world.extra = {"MAX_ATTEMPTS": "1"}
    world.deliver("start_training", manual_event(world))
    started = []
    for _ in range(5):
        for name in world.running_jobs():
            started.append(types(world, name))
            world.finish(name, status="Failed", reason=NO_CAPACITY, metric=None)
        world.drain()
    assert started == [OWN, SECOND, THIRD]
    assert len(world.jobs) == 3
    assert len(world.alerts_sent) == 1
    assert "CapacityError" in world.alerts_sent[0]
    assert world.metric("JobsFailed", Job=JOB) == [1.0] * 3
    assert "in_flight" not in loop(world)


def test_infrastructure_failure_is_retried_with_back_off(kind: str) -> None:
    world = standalone(kind)
    world.deliver("start_training", manual_event(world))
    starts = []
    for _ in range(40):
        for name in world.running_jobs():
            starts.append(world.now)
            world.finish(name, status="Failed", reason="InternalServerError: host", metric=None)
        world.drain()
        world.now += BACKOFF / 2
        world.deliver("on_job_change", {"source": "aws.events", "time": iso(world.now)})
        world.drain()
    assert len(starts) == MAX_ATTEMPTS
    assert [b - a >= BACKOFF * n for n, (a, b) in enumerate(pairwise(starts), 1)] == [True, True]
    assert len(world.alerts_sent) == 1
    assert "in_flight" not in loop(world)
    assert "pending" not in loop(world)


def test_tuning_job_whose_trials_lack_capacity_tries_the_next_type() -> None:
    world = standalone("tuning", fallback_instance_types=FALLBACKS)
    world.deliver("start_training", manual_event(world))
    name = world.only_job()
    world.jobs[name]["trials"] = [NO_CAPACITY, NO_CAPACITY]
    world.finish(name, status="Failed", reason="All training jobs failed.")
    world.drain()
    assert types(world, world.only_job()) == SECOND


def test_other_failures_try_no_other_type(kind: str) -> None:
    world = standalone(kind, fallback_instance_types=FALLBACKS)
    world.deliver("start_training", manual_event(world))
    world.finish(world.only_job(), status="Failed", reason="AlgorithmError: , exit code: 1")
    world.drain()
    assert world.running_jobs() == []
    assert len(world.jobs) == 1


def test_repeated_capacity_error_starts_one_further_job(kind: str) -> None:
    world = standalone(kind, fallback_instance_types=FALLBACKS)
    world.deliver("start_training", manual_event(world))
    first = world.only_job()
    world.finish(first, status="Failed", reason=NO_CAPACITY)
    world.queue *= 3
    world.drain()
    world.deliver("on_job_change", {"source": "aws.events", "time": iso(world.now)})
    world.drain()
    assert len(world.jobs) == 2
    assert loop(world)["in_flight"] == world.only_job()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 14))
@pytest.mark.parametrize("function", ["start_training", "on_job_change"])
def test_one_job_follows_if_a_function_is_killed_between_types(
    function: str, call: int, after: bool
) -> None:
    world = standalone(fallback_instance_types=FALLBACKS)
    world.scarce = {SECOND}
    world.deliver("start_training", manual_event(world))
    world.finish(world.only_job(), status="Failed", reason=NO_CAPACITY)
    world.kill_at, world.killed = (call, after), {function}
    for _ in range(8):
        while world.queue:
            target, event = world.queue.pop(0)
            with contextlib.suppress(Killed, Exception):
                world.run(target, event)
    world.kill_at = None
    for _ in range(3):
        world.now += HOUR
        world.deliver("on_job_change", {"source": "aws.events", "time": iso(world.now)})
        world.drain()
    name = world.only_job()
    assert types(world, name) == THIRD
    assert len(world.jobs) == 2
    assert loop(world)["in_flight"] == name


def test_pending_trigger_has_priority_over_the_next_type() -> None:
    world = standalone(fallback_instance_types=FALLBACKS)
    world.deliver("start_training", manual_event(world))
    first = world.only_job()
    world.now += HOUR
    world.deliver("start_training", manual_event(world, "2"))
    world.finish(first, status="Failed", reason=NO_CAPACITY)
    world.drain()
    assert types(world, world.only_job()) == OWN
    assert len(world.jobs) == 2


def test_loop_backs_off_after_the_last_type_without_capacity() -> None:
    world = World().with_data()
    world.put_job("Update", fallback_instance_types=[SECOND])
    world.deliver("start_training", world.data_event())
    started = []
    for _ in range(40):
        for name in world.running_jobs():
            started.append(types(world, name))
            world.finish(name, status="Failed", reason=NO_CAPACITY)
        world.drain()
        world.now += HOUR
        world.reconcile()
    assert started == [OWN, SECOND] * MAX_ATTEMPTS
    assert len(world.alerts_sent) == 1


def test_deployment_stops_a_superseded_job_of_another_type() -> None:
    world = World(standalone=True)
    world.deliver_days("2013-01-01", "2013-02-28")
    world.put_job(start_on_deploy=True, fallback_instance_types=[SECOND])
    world.finish(world.only_job(), status="Failed", reason=NO_CAPACITY)
    world.drain()
    second = world.only_job()
    world.put_job("Update", start_on_deploy=True)
    world.drain()
    assert world.jobs[second]["TrainingJobStatus"] == "Stopped"
    assert world.only_job() != second
