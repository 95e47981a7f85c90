"""Faults of triggers, lock and training, numbered as in the project's list of faults."""

from __future__ import annotations

import contextlib
import json
from itertools import pairwise
from typing import Any

import pytest
from documents import (
    BACKOFF,
    COOLDOWN,
    DAY,
    ENDPOINT,
    HOUR,
    JOB,
    MAX_ATTEMPTS,
)  # fmt: skip
from fake_client import client_error
from sageloop_runtime.names import digest_of
from sageloop_runtime.times import iso
from world import Killed, World


def champion(world: World) -> dict[str, Any]:
    return world.row(f"champion#{ENDPOINT}")


def loop(world: World) -> dict[str, Any]:
    return world.row(f"loop#{JOB}")


def suppressed(world: World, reason: str) -> int:
    return len(world.metric("TriggersSuppressed", Reason=reason))


def test_01_same_alarm_event_twice_starts_one_job(world: World) -> None:
    event = world.set_alarm("ALARM")
    world.deliver("start_training", event)
    world.deliver("start_training", event)
    assert len(world.running_jobs()) == 1
    assert suppressed(world, "duplicate") == 1


def test_02_same_event_concurrently_starts_one_job(world: World) -> None:
    event = world.set_alarm("ALARM")
    original = world._describe_alarms
    nested = []

    def interleave(**request: Any) -> Any:
        if not nested:
            nested.append(1)
            calls, world._describe_alarms = world._calls_of_invocation, original
            world.run("start_training", event)
            world._calls_of_invocation = calls
        return original(**request)

    world._describe_alarms = interleave
    world.deliver("start_training", event)
    assert len(world.jobs) == 2
    assert world.counts["sagemaker:CreateTrainingJob"] == 2
    assert suppressed(world, "duplicate") == 1


def test_03_flapping_alarm_starts_one_job_and_counts_suppressed_triggers(world: World) -> None:
    for _ in range(50):
        world.set_alarm("ALARM", notify=True)
        world.drain()
        world.now += 6
        world.set_alarm("OK", notify=True)
        world.drain()
        world.now += 6
    assert len(world.running_jobs()) == 1
    assert suppressed(world, "cooldown") == 49


def test_04_alarm_during_training_starts_at_most_one_more_job(world: World) -> None:
    world.deliver("start_training", {"source": "manual", "id": "1", "time": iso(world.now)})
    first = world.only_job()
    world.now += COOLDOWN + HOUR
    world.set_alarm("ALARM", notify=True)
    world.drain()
    assert world.running_jobs() == [first]
    assert "pending" in loop(world)
    world.finish(first, metric=50.0)
    world.drain()
    world.now += HOUR
    world.reconcile()
    second = world.only_job()
    assert second != first
    world.finish(second, metric=50.0)
    world.drain()
    world.reconcile()
    assert world.running_jobs() == []


def test_05_failed_attempts_back_off_stop_at_the_limit_and_alert_once(world: World) -> None:
    world.set_alarm("ALARM", notify=True)
    world.drain()
    starts = []
    for _ in range(200):
        for name in world.running_jobs():
            starts.append(world.now)
            world.finish(name, status="Failed", reason="AlgorithmError: , exit code: 1")
        world.drain()
        world.now += HOUR
        world.reconcile()
    assert len(starts) == MAX_ATTEMPTS
    assert all(b - a >= COOLDOWN for a, b in pairwise(starts))
    assert len(world.alerts_sent) == 1
    assert "AlgorithmError" in world.alerts_sent[0]


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_06_other_states_of_the_alarm_are_ignored(world: World, state: str) -> None:
    assert world.run("start_training", world.set_alarm(state))["status"] == "ignored"


def test_07_alarm_that_is_ok_again_starts_nothing(world: World) -> None:
    event = world.set_alarm("ALARM")
    world.set_alarm("OK")
    world.deliver("start_training", event)
    assert world.running_jobs() == []
    assert suppressed(world, "stale") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"detail": {"alarmName": "another", "state": {"value": "ALARM", "timestamp": iso(1e9)}}},
        {"detail": {}},
        {"source": "somewhere"},
        {"resources": []},
    ],
)
def test_08_malformed_event_goes_to_the_dead_letter_queue(world: World, change: Any) -> None:
    world.deliver("start_training", {**world.set_alarm("ALARM"), **change})
    assert len(world.dead) == 1
    assert world.running_jobs() == []


def test_09_event_replayed_after_a_day_starts_nothing(world: World) -> None:
    event = world.data_event("v2")
    world.now += DAY + HOUR
    world.reconcile()
    world.deliver("start_training", event)
    assert world.running_jobs() == []
    assert suppressed(world, "stale") == 1


@pytest.mark.parametrize("event", ["alarm", "data", "manual"])
def test_10_event_starts_each_job_of_a_state_table(world: World, event: str) -> None:
    document = json.dumps({**world.document(), "job": "delays"})
    answer = world.resource("job_resource", "Create", {"Job": "delays", "Document": document})
    assert answer["Status"] == "SUCCESS"
    trigger = {
        "alarm": world.set_alarm("ALARM"), "data": world.data_event("v2"),
        "manual": {"source": "manual", "id": "1", "time": iso(world.now)},
    }[event]  # fmt: skip
    for job in (JOB, "delays"):
        world.extra = {"JOB": job}
        for _ in range(2):
            world.deliver("start_training", trigger)
    assert sorted(name.partition("-")[0] for name in world.running_jobs()) == ["delays", JOB]
    assert suppressed(world, "duplicate") == 2


def test_10_alarm_of_the_same_name_in_another_region_has_a_trigger_of_its_own(
    world: World,
) -> None:
    event = world.set_alarm("ALARM")
    other = json.loads(json.dumps(event).replace("eu-west-1", "eu-west-2"))
    for each in (event, other):
        world.deliver("start_training", each)
    assert (suppressed(world, "duplicate"), suppressed(world, "cooldown")) == (0, 1)


def test_10_event_that_the_previous_release_handled_starts_nothing(world: World) -> None:
    handled, former = digest_of("data|data|sets/manifest.json|v2", length=32), set(world.rows)
    world.deliver("start_training", world.data_event("v2"))
    (present,) = {row for row in set(world.rows) - former if row.startswith("trigger#")}
    world.rows[f"trigger#{handled}"] = world.rows.pop(present)
    name = world.only_job()
    world.finish(name, status="Failed", reason="AlgorithmError: exit 1", metric=None)
    world.drain()
    del world.rows[f"result#{name}"]
    world.deliver("start_training", world.data_event("v2"))
    assert suppressed(world, "duplicate") == 1
    assert world.running_jobs() == []


def test_11_unavailable_state_table_sends_the_event_to_the_dead_letter_queue(world: World) -> None:
    error = client_error("ProvisionedThroughputExceededException", "slow down")
    world.failures["dynamodb:UpdateItem"] = [error] * 3
    world.deliver("start_training", world.data_event("v2"))
    assert world.running_jobs() == []
    assert len(world.dead) == 1


@pytest.mark.parametrize("error", [Killed(), client_error("Throttling", "slow")])
def test_12_start_killed_after_the_lock_is_completed_by_the_reconciler_once(
    world: World, error: BaseException
) -> None:
    world.failures["sagemaker:CreateTrainingJob"] = [error] * 3
    world.deliver("start_training", world.data_event("v2"))
    assert "in_flight" in loop(world)
    assert world.running_jobs() == []
    world.reconcile()
    world.reconcile()
    assert world.running_jobs() == [loop(world)["in_flight"]]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 16))
def test_13_start_killed_at_any_call_starts_one_job_when_repeated(
    world: World, call: int, after: bool
) -> None:
    event = world.data_event("v2")
    world.kill_at = (call, after)
    with contextlib.suppress(Killed):
        world.run("start_training", event)
    world.kill_at = None
    world.deliver("start_training", event)
    name = world.only_job()
    assert loop(world)["in_flight"] == name
    assert len(world.jobs) == 2
    assert world.dead == []


def test_14_skewed_clocks_start_no_second_job(world: World) -> None:
    event = world.set_alarm("ALARM")
    world.deliver("start_training", event)
    skewed = json.loads(json.dumps(event))
    for skew in (-300, 300):
        skewed["time"] = iso(world.now + skew)
        world.deliver("start_training", skewed)
    assert len(world.running_jobs()) == 1
    assert suppressed(world, "duplicate") == 2
    assert "pending" not in loop(world)


def test_15_lost_rows_start_no_second_job(world: World) -> None:
    event = world.data_event("v2")
    world.deliver("start_training", event)
    for lost in ({"trigger"}, {"trigger", "loop"}):
        for row_id in [row for row in world.rows if row.partition("#")[0] in lost]:
            del world.rows[row_id]
        world.deliver("start_training", event)
        assert len(world.running_jobs()) == 1


def test_15_lost_rows_start_no_concluded_job_again(world: World) -> None:
    event = world.data_event("v2")
    world.deliver("start_training", event)
    world.finish(world.only_job(), metric=50.0)
    world.drain()
    for row_id in [row for row in world.rows if row.startswith("trigger#")]:
        del world.rows[row_id]
    world.deliver("start_training", event)
    assert suppressed(world, "duplicate") == 1
    assert "in_flight" not in loop(world)


def test_16_throttling_is_retried_without_a_duplicate(world: World) -> None:
    world.failures["sagemaker:CreateTrainingJob"] = [client_error("ThrottlingException", "slow")]
    world.deliver("start_training", world.data_event("v2"))
    assert len(world.running_jobs()) == 1
    assert world.dead == []


def test_17_trigger_refused_by_quota_is_pending_alerts_once_and_starts_later(world: World) -> None:
    error = client_error("ResourceLimitExceeded", "quota of ml.g5.xlarge")
    world.failures["sagemaker:CreateTrainingJob"] = [error] * 3
    world.deliver("start_training", world.data_event("v2"))
    assert world.counts["sagemaker:CreateTrainingJob"] == 2
    before = champion(world)
    for _ in range(30):
        world.now += BACKOFF
        world.reconcile()
    assert len(world.running_jobs()) == 1
    assert world.counts["sagemaker:CreateTrainingJob"] == 5
    assert len(world.alerts_sent) == 1
    assert champion(world) == before


def test_18_refused_request_is_final_and_alerts(world: World) -> None:
    error = client_error("ValidationException", "VolumeKmsKeyId is not supported")
    world.failures["sagemaker:CreateTrainingJob"] = [error]
    event = world.data_event("v2")
    world.deliver("start_training", event)
    world.deliver("start_training", event)
    world.reconcile()
    assert world.running_jobs() == []
    assert world.counts["sagemaker:CreateTrainingJob"] == 2
    assert ["VolumeKmsKeyId" in alert for alert in world.alerts_sent] == [True]
    world.deliver("start_training", world.data_event("v3"))
    assert len(world.running_jobs()) == 1


def test_19_interrupted_spot_job_continues_and_is_concluded_once(world: World) -> None:
    world.deliver("start_training", world.data_event("v2"))
    name = world.only_job()
    world.jobs[name]["SecondaryStatus"] = "Interrupted"
    event = {"time": iso(world.now), "detail": {"TrainingJobName": name}}
    world.deliver("on_job_change", event)
    world.reconcile()
    assert loop(world)["in_flight"] == name
    assert f"result#{name}" not in world.rows
    world.now += 3 * HOUR
    world.finish(name, metric=5.0)
    world.drain()
    assert world.row(f"result#{name}")["seconds"] == 3 * HOUR
    assert (len(world.jobs), len(world.packages)) == (2, 2)


@pytest.mark.parametrize("secondary", ["MaxWaitTimeExceeded", "MaxRuntimeExceeded", "Stopped"])
def test_20_21_stopped_job_with_an_artifact_is_not_promoted(world: World, secondary: str) -> None:
    world.deliver("start_training", world.data_event("v2"))
    name = world.only_job()
    world.finish(name, status="Stopped", secondary=secondary, metric=1.0)
    world.drain()
    assert world.row(f"result#{name}")["outcome"] == "failed"
    assert len(world.packages) == 1
    assert "in_flight" not in loop(world)


def test_22_only_internal_errors_are_retried(world: World) -> None:
    for reason, more in (("InternalServerError: host", 1), ("AlgorithmError: exit 1", 0)):
        world.deliver("start_training", world.data_event(reason))
        world.finish(world.only_job(), status="Failed", reason=reason, metric=None)
        world.drain()
        world.now += BACKOFF
        world.reconcile()
        assert len(world.running_jobs()) == more
        for name in world.running_jobs():
            world.finish(name, metric=99.0)
        world.drain()


def test_23_lost_completion_event_is_repaired_and_three_events_promote_once(world: World) -> None:
    world.deliver("start_training", world.data_event("v2"))
    name = world.only_job()
    world.lose_events = True
    world.finish(name, metric=5.0)
    world.lose_events = False
    world.reconcile()
    event = {"time": iso(world.now), "detail": {"TrainingJobName": name}}
    for _ in range(3):
        world.deliver("on_job_change", event)
    world.drain()
    assert len(world.packages) == 2
    assert world.counts["sagemaker:UpdateEndpoint"] == 1


def test_23_registration_whose_record_was_lost_is_not_repeated(world: World) -> None:
    world.deliver("start_training", world.data_event("v2"))
    world.failures["dynamodb:UpdateItem"] = [client_error("Throttling", "slow")] * 3
    world.lose_events = True
    name = world.only_job()
    world.finish(name, metric=5.0)
    world.deliver("on_job_change", {"time": iso(world.now), "detail": {"TrainingJobName": name}})
    assert (len(world.dead), len(world.packages)) == (1, 2)
    world.now += 2 * DAY
    world.reconcile()
    assert len(world.packages) == 2
    assert world.row(f"result#{name}")["package_arn"] == world.packages[1]["ModelPackageArn"]
    assert "in_flight" not in loop(world)


@pytest.mark.parametrize(
    "outcome",
    [
        {"artifact": b""}, {"artifact": b"plain"}, {"metric": None}, {"metric": float("nan")},
    ],
)  # fmt: skip
def test_24_invalid_output_rejects_the_challenger(world: World, outcome: dict[str, Any]) -> None:
    world.deliver("start_training", world.data_event("v2"))
    world.finish(world.only_job(), **{"metric": 1.0, **outcome})
    world.drain()
    assert world.counts["sagemaker:UpdateEndpoint"] == 0
    assert world.metric("ChallengersRejected", Job=JOB) == [1.0]
    assert "in_flight" not in loop(world)
