"""A loop that the previous release deployed continues after an update of the functions.

``previous_release_rows.json`` has the rows that the functions of commit cdc7c40 wrote in each
scenario of ``previous_release_scenarios``. A test brings the present functions to the same moment,
replaces their rows by those, and lets the loop continue.
"""

from __future__ import annotations

from typing import Any

import pytest
from documents import ALARM, BACKOFF, COOLDOWN, DAY, ENDPOINT, HOUR, JOB
from previous_release_scenarios import (
    CHAMPION,
    LOOP,
    ROWS,
    SWITCH,
    deployed,
    event,
    previous_attributes,
    schedule,
    settle,
    train,
)
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.times import iso
from world import World

TARGET = f"endpoint/{ENDPOINT}/variant/AllTraffic"


def champion(world: World) -> dict[str, Any]:
    return world.row(CHAMPION)


def arn_of(world: World, version: int) -> str:
    return str(world.packages[version - 1]["ModelPackageArn"])


# the champion's record


def test_requested_rollback_is_carried_out() -> None:
    world = deployed("rollback_requested")
    settle(world)
    assert champion(world)["package_arn"] == arn_of(world, 1)
    assert champion(world)["state"] == "live"
    assert champion(world)["superseded_version"] == 2
    assert previous_attributes(world) & {f"{CHAMPION}: wish"} == set()


def test_repeated_request_is_ignored() -> None:
    world = deployed("rolled_back_manually")
    request_id = ROWS["rolled_back_manually"][CHAMPION]["hand_id"]["S"]
    more = {"action": "promote", "package": arn_of(world, 2)}
    response = world.run("promote", event(world, request_id, **more))
    assert response["status"] == "ignored"
    assert champion(world)["package_arn"] == arn_of(world, 1)


def test_request_older_than_the_last_is_ignored() -> None:
    world = deployed("rolled_back_manually")
    world.now -= HOUR
    more = {"action": "promote", "package": arn_of(world, 2)}
    assert world.run("promote", event(world, "older", **more))["status"] == "ignored"


def test_manual_champion_stays_until_a_newer_package() -> None:
    world = deployed("rolled_back_manually")
    world.reconcile()
    assert champion(world)["package_arn"] == arn_of(world, 1)
    world.now += 7 * HOUR
    train(world, "third", metric=1.0)
    settle(world)
    assert champion(world)["package_arn"] == arn_of(world, 3)


def test_stopped_endpoint_stays_stopped_and_starts_on_request() -> None:
    world = deployed("stopped")
    world.reconcile()
    assert world.endpoint is None
    world.now += HOUR
    request = event(world, "start", action="unpark")
    assert world.run("promote", request)["status"] == "accepted"
    settle(world)
    assert champion(world)["state"] == "live"
    assert "stopped" not in champion(world)


@pytest.mark.parametrize("scenario", ["starting", "starting_while_deleting"])
def test_start_in_progress_is_completed(scenario: str) -> None:
    world = deployed(scenario)
    settle(world)
    world.reconcile()
    settle(world)
    assert world.endpoint["EndpointConfigName"] == champion(world)["config_name"]
    assert "stop_start_at" not in champion(world)


def test_recorded_alert_is_published_once() -> None:
    world = deployed("alert_not_sent")
    world.reconcile()
    world.reconcile()
    assert world.alerts_sent == [ROWS["alert_not_sent"][CHAMPION]["page"]["S"]]


def test_deregistered_target_is_registered_after_a_rollback() -> None:
    world = deployed("instance_type_changing")
    assert world.targets == {}
    world.drain()
    world.move_endpoint("rollback")
    world.drain()
    assert list(world.targets) == [TARGET]
    assert champion(world)["state"] == "rolled_back"


def test_failed_creations_are_counted_on() -> None:
    world = deployed("creation_failed_once")
    for outcome in ("ok", "failed"):
        world.move_endpoint(outcome)
        world.drain()
    assert champion(world)["state"] == "failed"
    assert champion(world)["quarantined"] == [arn_of(world, 1)]


def test_overdue_rollout_alerts_once() -> None:
    world = deployed("rollout_overdue")
    alerts = list(world.alerts_sent)
    world.now += HOUR
    world.reconcile()
    assert world.alerts_sent == alerts


def test_start_of_a_rollout_is_known() -> None:
    world = deployed("rollback_requested")
    world.now += 11 * HOUR
    world.reconcile()
    assert len(world.alerts_sent) == 1


# the loop and its results


def test_pending_manual_trigger_starts_after_the_job_in_flight() -> None:
    world = deployed("manual_job_in_progress")
    first = world.only_job()
    world.deliver("start_training", event(world, "one"))
    world.deliver("start_training", event(world, "two"))
    world.finish(first, metric=50.0)
    world.drain()
    world.reconcile()
    assert world.only_job() != first
    assert world.metric("JobsStarted", Job=JOB)[-1:] == [1.0]
    assert len(world.jobs) == 3


def test_exhausted_retries_do_not_alert_again_and_reset_when_the_alarm_is_ok() -> None:
    world = deployed("retries_exhausted")
    alerts = list(world.alerts_sent)
    for _ in range(30):
        world.now += HOUR
        world.reconcile()
    assert (world.alerts_sent, world.running_jobs()) == (alerts, [])
    assert world.alarms[ALARM]["StateValue"] == "ALARM"
    world.set_alarm("OK")
    world.reconcile()
    assert world.row(LOOP)["attempts"] == 0
    assert "alerted_series" not in world.row(LOOP)


def test_trigger_that_waits_for_quota_alerts_and_starts() -> None:
    world = deployed("waiting_for_quota")
    world.now += BACKOFF
    world.reconcile()
    assert world.alerts_sent == [ROWS["waiting_for_quota"][LOOP]["page"]["S"]]
    assert world.row(LOOP)["in_flight"] == world.only_job()


def test_event_older_than_a_day_is_stale() -> None:
    world = deployed("waiting_for_quota")
    world.now -= 2 * DAY
    response = world.run("start_training", event(world, "old"))
    assert response == {"status": "suppressed", "reason": "stale"}


def test_concluded_job_is_not_concluded_again() -> None:
    world = deployed("job_stopped")
    (name,) = world.jobs
    before = world.rows[f"result#{name}"]
    detail = {"TrainingJobName": name, "TrainingJobStatus": "Stopped"}
    response = world.run("on_job_change", {"time": iso(world.now), "detail": detail})
    assert response["status"] == "stopped"
    assert (world.rows[f"result#{name}"], world.alerts_sent) == (before, [])


def test_stopped_job_whose_lock_was_not_released_does_not_alert() -> None:
    world = deployed("job_stopped")
    (name,) = world.jobs
    world.rows[LOOP]["in_flight"] = {"S": name}
    world.deliver("on_job_change", {"source": "aws.events", "time": iso(world.now)})
    assert "in_flight" not in world.row(LOOP)
    assert world.alerts_sent == []


def test_capacity_error_whose_lock_was_not_released_is_retried() -> None:
    world = deployed("capacity_missing")
    (name,) = [n for n, job in world.jobs.items() if job["TrainingJobStatus"] == "Failed"]
    world.rows[LOOP]["in_flight"] = {"S": name}
    del world.rows[LOOP]["retry"]
    world.reconcile()
    assert world.row(LOOP)["retry"] is True


def test_capacity_error_is_retried_after_the_delay() -> None:
    world = deployed("capacity_missing")
    world.now += COOLDOWN
    world.reconcile()
    assert world.row(LOOP)["in_flight"] == world.only_job()


def test_result_without_package_is_registered_and_promoted() -> None:
    world = deployed("registration_lost")
    world.reconcile()
    settle(world)
    assert [package["ModelApprovalStatus"] for package in world.packages] == ["Approved"] * 2
    assert champion(world)["package_arn"] == arn_of(world, 2)


# the row of an endpoint schedule


def test_endpoint_stopped_by_its_schedule_stays_stopped_and_starts_again() -> None:
    world = deployed("own_endpoint_stopped")
    config = ROWS["own_endpoint_stopped"][SWITCH]["config_name"]["S"]
    assert schedule(world) == "stopped"
    assert schedule(world, "up") == "starting"
    world.move_endpoint()
    assert schedule(world) == "running"
    assert world.endpoint["EndpointConfigName"] == config
    assert list(world.targets) == [TARGET]
    assert previous_attributes(world) & {f"{SWITCH}: wanted", f"{SWITCH}: at"} == set()


def test_request_before_the_recorded_one_is_ignored() -> None:
    world = deployed("own_endpoint_stopped")
    assert schedule(world, "up", time=iso(world.now - DAY)) == "stopped"


def test_failed_starts_of_a_schedule_are_counted_on() -> None:
    world = deployed("own_endpoint_starting")
    for _ in range(2):
        world.move_endpoint()
        assert schedule(world) == "starting"
        world.move_endpoint("failed", reason="no capacity")
        assert schedule(world) == "waiting"
    world.move_endpoint()
    assert schedule(world) == "starting"
    world.move_endpoint("failed", reason="no capacity")
    with pytest.raises(BadInputError, match="failed 3 times: no capacity"):
        schedule(world)
