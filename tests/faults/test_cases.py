"""The named fault cases; numbers are those of the list in docs/faults.md."""

from __future__ import annotations

import contextlib
import json
from itertools import pairwise
from typing import Any

import pytest
from sageloop_runtime.times import iso
from world import (
    ALARM,
    BACKOFF,
    BUCKET,
    COOLDOWN,
    DAY,
    ENDPOINT,
    HOUR,
    JOB,
    MAX_ATTEMPTS,
    Killed,
    World,
    client_error,
    job_document,
    serving_document,
)


@pytest.fixture
def world() -> World:
    return World().with_champion()


@pytest.fixture
def fresh() -> World:
    return World().with_data()


def champion(world: World) -> dict[str, Any]:
    return world.row(f"champion#{ENDPOINT}")


def loop(world: World) -> dict[str, Any]:
    return world.row(f"loop#{JOB}")


def suppressed(world: World, reason: str) -> int:
    return len(world.metric("TriggersSuppressed", Reason=reason))


# triggers


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
    assert world.counts["sagemaker:CreateTrainingJob"] <= 3


def test_03_flapping_alarm_starts_one_job_and_counts_the_rest(world: World) -> None:
    for _ in range(50):
        world.set_alarm("ALARM", notify=True)
        world.drain()
        world.now += 6
        world.set_alarm("OK", notify=True)
        world.drain()
        world.now += 6
    assert len(world.running_jobs()) == 1
    assert suppressed(world, "cooldown") == 49


def test_04_alarm_while_training_is_pending_and_starts_at_most_one_more(world: World) -> None:
    world.deliver("start_training", {"source": "hand", "id": "1", "time": iso(world.now)})
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


def test_05_failed_attempts_back_off_stop_at_the_limit_and_page_once(world: World) -> None:
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
    assert len(world.pages) == 1
    assert "AlgorithmError" in world.pages[0]


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
def test_08_malformed_event_ends_in_the_dead_letters(world: World, change: Any) -> None:
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


# lock


def test_11_state_table_down_starts_nothing_and_ends_in_the_dead_letters(world: World) -> None:
    error = client_error("ProvisionedThroughputExceededException", "slow down")
    world.failures["dynamodb:UpdateItem"] = [error] * 3
    world.deliver("start_training", world.data_event("v2"))
    assert world.running_jobs() == []
    assert len(world.dead) == 1


def test_12_killed_after_the_lock_the_reconciler_starts_exactly_one(world: World) -> None:
    world.failures["sagemaker:CreateTrainingJob"] = [client_error("Throttling", "slow")] * 3
    world.deliver("start_training", world.data_event("v2"))
    assert "in_flight" in loop(world)
    assert world.running_jobs() == []
    world.reconcile()
    world.reconcile()
    assert world.running_jobs() == [loop(world)["in_flight"]]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 16))
def test_13_killed_at_any_call_of_the_start_a_replay_starts_one(
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


def test_14_skewed_clocks_start_no_second_job(world: World) -> None:
    event = world.set_alarm("ALARM")
    world.deliver("start_training", event)
    skewed = json.loads(json.dumps(event))
    for skew in (-300, 300):
        skewed["time"] = iso(world.now + skew)
        world.deliver("start_training", skewed)
    assert len(world.running_jobs()) == 1


def test_15_lost_rows_start_no_second_job(world: World) -> None:
    event = world.data_event("v2")
    world.deliver("start_training", event)
    for row_id in [row for row in world.rows if row.startswith("trigger#")]:
        del world.rows[row_id]
    world.deliver("start_training", event)
    assert len(world.running_jobs()) == 1
    del world.rows[f"loop#{JOB}"]
    world.deliver("start_training", event)
    assert len(world.running_jobs()) == 1


# training


def test_16_throttling_is_retried_without_a_duplicate(world: World) -> None:
    world.failures["sagemaker:CreateTrainingJob"] = [client_error("ThrottlingException", "slow")]
    world.deliver("start_training", world.data_event("v2"))
    assert len(world.running_jobs()) == 1
    assert world.dead == []


def test_17_quota_keeps_the_trigger_pages_once_and_starts_later(world: World) -> None:
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
    assert len(world.pages) == 1
    assert champion(world) == before


def test_18_refused_request_is_final_and_pages(world: World) -> None:
    error = client_error("ValidationException", "VolumeKmsKeyId is not supported")
    world.failures["sagemaker:CreateTrainingJob"] = [error]
    event = world.data_event("v2")
    world.deliver("start_training", event)
    world.deliver("start_training", event)
    world.reconcile()
    assert world.running_jobs() == []
    assert world.counts["sagemaker:CreateTrainingJob"] == 2
    assert ["VolumeKmsKeyId" in page for page in world.pages] == [True]
    world.deliver("start_training", world.data_event("v3"))
    assert len(world.running_jobs()) == 1


@pytest.mark.parametrize("secondary", ["MaxWaitTimeExceeded", "MaxRuntimeExceeded", "Stopped"])
def test_20_21_stopped_job_with_an_artifact_is_not_promoted(world: World, secondary: str) -> None:
    world.deliver("start_training", world.data_event("v2"))
    name = world.only_job()
    world.finish(name, status="Stopped", secondary=secondary, metric=1.0)
    world.drain()
    assert world.row(f"result#{name}")["verdict"] == "failed"
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


def test_23_lost_completion_is_found_and_told_thrice_promotes_once(world: World) -> None:
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


@pytest.mark.parametrize(
    "outcome",
    [
        {"artifact": b""}, {"artifact": b"plain"}, {"metric": None}, {"metric": float("nan")},
    ],
)  # fmt: skip
def test_24_bad_output_closes_the_gate(world: World, outcome: dict[str, Any]) -> None:
    world.deliver("start_training", world.data_event("v2"))
    world.finish(world.only_job(), **{"metric": 1.0, **outcome})
    world.drain()
    assert world.counts["sagemaker:UpdateEndpoint"] == 0
    assert world.metric("ChallengersRejected", Job=JOB) == [1.0]
    assert "in_flight" not in loop(world)


# gate and promotion


def test_26_worse_or_equal_challenger_leaves_the_champion_and_no_loop(world: World) -> None:
    world.champion_answer = lambda row: "105"
    before = champion(world)
    for metric in (5.0, 7.0):
        world.now += DAY
        name = world.challenge(metric=metric)
        assert world.row(f"result#{name}")["verdict"] == "rejected"
        assert "champion 5" in world.row(f"result#{name}")["reason"]
    world.reconcile()
    assert champion(world) == before
    assert [p["ModelApprovalStatus"] for p in world.packages] == ["Approved"] + ["Rejected"] * 2
    assert world.running_jobs() == []


@pytest.mark.parametrize("broken", ["manifest", "rows", "answers", "refusal"])
def test_27_unreadable_hold_out_closes_the_gate(world: World, broken: str) -> None:
    world.deliver("start_training", world.data_event("v2"))
    name = world.only_job()
    if broken == "manifest":
        del world.objects[BUCKET, f"sets/runs/{name}/validation.manifest"]
    if broken == "rows":
        world.objects[BUCKET, "sets/dt=2013-02-28/part.csv"] = b"not,a,number"
    if broken == "answers":
        world.champion_answer = lambda row: "1,2"
    if broken == "refusal":
        error = client_error("ModelError", "it broke", 424)
        world.failures["sagemaker:InvokeEndpoint"] = [error]
    world.finish(name, metric=1.0)
    world.drain()
    assert world.row(f"result#{name}")["verdict"] == "rejected"


@pytest.mark.parametrize("action", ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"])
def test_28_failing_call_of_the_promotion_is_taken_up_again(world: World, action: str) -> None:
    served = world.endpoint["EndpointConfigName"]
    error = client_error("InternalFailure", "try again", 500)
    world.failures[f"sagemaker:{action}"] = [error] * 3
    world.challenge()
    assert world.endpoint["EndpointConfigName"] == served
    world.reconcile()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"
    assert len(world.models) == 2


def test_29_endpoint_busy_is_waited_for(world: World) -> None:
    world.in_progress_calls = 1
    world.challenge()
    assert champion(world)["state"] == "promoting"
    world.reconcile()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"


def test_30_configuration_not_visible_yet_is_retried(world: World) -> None:
    world.invisible_config_calls = 2
    world.challenge()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"


def test_31_silent_rollback_is_detected_and_the_challenger_barred(world: World) -> None:
    served = world.endpoint["EndpointConfigName"]
    good = champion(world)["package_arn"]
    world.challenge()
    world.move_endpoint("rollback")
    world.drain()
    world.reconcile()
    row = champion(world)
    assert (row["state"], row["package_arn"], row["config_name"]) == ("rolled_back", good, served)
    assert row["quarantined"] == [world.packages[1]["ModelPackageArn"]]
    assert world.metric("RollbacksDetected") == [1.0]
    assert len(world.pages) == 1
    assert "rolled back" in world.pages[0]
    assert world.running_jobs() == []
    assert world.endpoint["EndpointStatus"] == "InService"


def test_31_next_challenger_after_a_rollback_is_promoted(world: World) -> None:
    world.challenge()
    world.move_endpoint("rollback")
    world.drain()
    world.now += DAY
    world.challenge(metric=4.0)
    world.move_endpoint()
    world.drain()
    assert champion(world)["package_arn"] == world.packages[2]["ModelPackageArn"]


def test_32_failed_rollback_pages_and_freezes(world: World) -> None:
    world.challenge()
    world.move_endpoint("stuck")
    world.drain()
    world.now += DAY
    world.reconcile()
    updates = world.counts["sagemaker:UpdateEndpoint"]
    assert champion(world)["frozen"] is True
    assert len(world.pages) == 1
    assert updates == 1
    assert world.counts["sagemaker:DeleteEndpoint"] == 0


def test_33_red_rollback_alarm_holds_the_promotion_back(world: World) -> None:
    world.alarms["endpoint-errors"] = {"AlarmName": "endpoint-errors", "StateValue": "ALARM"}
    world.challenge()
    assert world.counts["sagemaker:UpdateEndpoint"] == 0
    world.alarms["endpoint-errors"]["StateValue"] = "OK"
    world.reconcile()
    assert world.counts["sagemaker:UpdateEndpoint"] == 1


def test_34_failed_creation_is_deleted_and_created_anew(fresh: World) -> None:
    fresh.challenge()
    fresh.move_endpoint("failed")
    fresh.drain()
    assert fresh.endpoint["EndpointStatus"] == "Deleting"
    fresh.move_endpoint()
    fresh.drain()
    fresh.move_endpoint()
    fresh.drain()
    assert champion(fresh)["state"] == "live"
    assert fresh.counts["sagemaker:UpdateEndpoint"] == 0


def test_34_twice_failed_creation_bars_the_package_and_pages(fresh: World) -> None:
    reason = "did not pass the ping health check"
    fresh.challenge()
    for outcome in ("failed", "ok", "failed"):
        fresh.move_endpoint(outcome, reason=reason)
        fresh.drain()
        fresh.reconcile()
    assert champion(fresh)["state"] == "failed"
    assert fresh.endpoint["EndpointStatus"] == "Failed"
    assert ["ping" in page for page in fresh.pages] == [True]
    fresh.now += DAY
    fresh.challenge(metric=4.0)
    for _ in range(3):
        fresh.move_endpoint()
        fresh.drain()
    assert champion(fresh)["package_arn"] == fresh.packages[1]["ModelPackageArn"]
    assert champion(fresh)["state"] == "live"


def test_35_rollout_keeps_scaled_capacity_and_the_target(world: World) -> None:
    world.endpoint["instances"] = 5
    world.challenge()
    world.move_endpoint()
    world.drain()
    (target,) = world.targets.values()
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    assert world.endpoint["instances"] == 5


def test_36_of_two_racing_promotions_one_loses(world: World) -> None:
    world.lose_events = True
    name = world.challenge()
    event = {"time": iso(world.now), "detail": {"TrainingJobName": name}}
    world.run("on_job_change", event)
    original = world._describe_alarms
    nested = []

    def interleave(**request: Any) -> Any:
        if not nested:
            nested.append(1)
            world.run("promote", event)
        return original(**request)

    world._describe_alarms = interleave
    world.run("promote", event)
    assert champion(world)["generation"] == 2
    assert world.counts["sagemaker:UpdateEndpoint"] == 1


@pytest.mark.parametrize("outcome", ["ok", "rollback"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 21))
def test_37_killed_at_any_call_of_the_promotion_a_replay_converges(
    world: World, call: int, after: bool, outcome: str
) -> None:
    world.kill_at, world.killed = (call, after), {"on_job_change", "promote"}
    previous = world.endpoint["EndpointConfigName"]
    world.challenge()
    world.kill_at = None
    world.reconcile()
    world.kill_at = (call, after)
    world.move_endpoint(outcome)
    world.drain()
    world.kill_at = None
    for _ in range(3):
        world.now += 7 * HOUR
        world.reconcile()
        world.move_endpoint(outcome)
        world.drain()
    row = champion(world)
    assert row["state"] == ("live" if outcome == "ok" else "rolled_back")
    assert world.endpoint["EndpointStatus"] == "InService"
    assert world.endpoint["EndpointConfigName"] == row["config_name"]
    assert previous in world.configs
    assert len(world.packages) == 2
    assert len(world.configs) <= 3


def test_38_deploy_while_a_rollout_runs_is_taken_up_after_it(world: World) -> None:
    world.challenge()
    text = json.dumps(serving_document(keep_configs=2))
    properties = {"EndpointName": ENDPOINT, "Document": text}
    answer = world.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)
    assert answer["Status"] == "SUCCESS"
    for _ in range(2):
        world.move_endpoint()
        world.drain()
    row = champion(world)
    assert row["state"] == "live"
    assert row["serving_digest"] == world.row(f"serving#{ENDPOINT}")["digest"]
    assert row["package_arn"] == world.packages[1]["ModelPackageArn"]


# custom resources


def test_39_malformed_document_fails_at_once_in_one_line(fresh: World) -> None:
    properties = {"Job": JOB, "Document": "{", "StateTable": "s"}
    answer = fresh.resource("training_job_resource", "Update", properties, physical=JOB)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == "the job document is not JSON"
    assert answer["PhysicalResourceId"] == JOB


def test_41_delete_of_what_was_never_made_succeeds(fresh: World) -> None:
    for function, name, properties in (
        ("training_job_resource", "Logical", {"Job": "x", "Document": "?"}),
        ("champion_endpoint_resource", "other", {"EndpointName": "other", "Document": "?"}),
    ):
        answer = fresh.resource(function, "Delete", properties, physical=name)
        assert answer["Status"] == "SUCCESS"
        assert answer["PhysicalResourceId"] == name


def test_42_rollback_update_stops_what_the_failed_update_started(fresh: World) -> None:
    old = {"Job": JOB, "Document": json.dumps(job_document())}
    new = {"Job": JOB, "Document": json.dumps(job_document(start_on_deploy=True))}
    assert fresh.resource("training_job_resource", "Update", new)["Status"] == "SUCCESS"
    name = fresh.only_job()
    assert fresh.resource("training_job_resource", "Update", new)["Status"] == "SUCCESS"
    assert fresh.resource("training_job_resource", "Update", old)["Status"] == "SUCCESS"
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


def test_43_deletion_goes_on_in_another_invocation_while_interfaces_stay(world: World) -> None:
    world.interfaces = [{"NetworkInterfaceId": "eni-1"}]
    properties = {"EndpointName": ENDPOINT, "Document": "{}"}
    before = len(world.answers)
    world.resource("champion_endpoint_resource", "Delete", properties, physical=ENDPOINT)
    assert len(world.answers) == before
    assert len([f for f, _ in world.queue if f == "champion_endpoint_resource"]) == 1
    world.interfaces = []
    world.drain()
    assert world.answers[-1]["Status"] == "SUCCESS"


def test_43_deletion_that_never_ends_names_what_is_left(world: World) -> None:
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
    answer = fresh.resource("training_job_resource", "Import", {"Job": JOB})
    assert answer["Status"] == "FAILED"
    assert "'Import'" in answer["Reason"]


def test_45_deploy_that_changes_nothing_starts_no_rollout(world: World) -> None:
    properties = {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document())}
    world.resource("champion_endpoint_resource", "Update", properties, physical=ENDPOINT)
    assert world.counts["sagemaker:UpdateEndpoint"] == 0


def test_45_deploy_with_another_document_rolls_the_same_model_out(world: World) -> None:
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


def test_45_rolled_back_document_is_not_tried_again(world: World) -> None:
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


def test_46_second_life_serves_the_registry_s_champion(world: World) -> None:
    properties = {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document())}
    world.resource("champion_endpoint_resource", "Delete", properties, physical=ENDPOINT)
    world.drain()
    world.resource("champion_endpoint_resource", "Create", properties)
    world.reconcile()
    world.move_endpoint()
    world.drain()
    assert champion(world)["state"] == "live"


def test_47_first_deploy_without_data_records_only(fresh: World) -> None:
    assert fresh.endpoint is None
    assert fresh.jobs == {}


def test_47_start_on_deploy_refuses_an_empty_channel_in_one_line() -> None:
    world = World()
    properties = {"Job": JOB, "Document": json.dumps(job_document(start_on_deploy=True))}
    answer = world.resource("training_job_resource", "Create", properties)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == f"no daily partition below s3://{BUCKET}/sets/"
    assert f"job#{JOB}" not in world.rows


def test_51_redriven_dead_letters_are_harmless(world: World) -> None:
    error = client_error("Throttling", "slow")
    world.failures["dynamodb:GetItem"] = [error] * 3
    world.deliver("start_training", world.data_event("v2"))
    ((function, event, _),) = world.dead
    for _ in range(3):
        world.deliver(function, event)
    assert len(world.running_jobs()) == 1


# reconciler


def test_lost_alarm_event_is_found(world: World) -> None:
    world.set_alarm("ALARM")
    world.reconcile()
    assert len(world.running_jobs()) == 1


def test_lost_package_and_endpoint_events_are_found(world: World) -> None:
    world.deliver("start_training", world.data_event("v2"))
    world.lose_events = True
    world.finish(world.only_job(), metric=5.0)
    world.reconcile()
    world.reconcile()
    world.move_endpoint()
    world.reconcile()
    assert champion(world)["state"] == "live"
    assert champion(world)["package_arn"] == world.packages[1]["ModelPackageArn"]


def test_alarm_that_training_does_not_quiet_ends_in_a_page(world: World) -> None:
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
    assert len(world.pages) == 1
    world.set_alarm("OK")
    world.reconcile()
    assert loop(world)["attempts"] == 0
    assert world.alarms[ALARM]["StateValue"] == "OK"


def test_rollout_that_never_ends_pages_once(world: World) -> None:
    world.challenge()
    for _ in range(15):
        world.now += HOUR
        world.reconcile()
    assert len(world.pages) == 1
    assert "Updating" in world.pages[0]
