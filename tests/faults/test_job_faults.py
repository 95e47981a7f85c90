"""Jobs of every kind: without a loop, and a tuning job in one."""

from __future__ import annotations

import pytest
from documents import BUCKET, JOB
from fake_client import client_error
from sageloop_runtime.times import iso
from standalone_job import loop, manual_event, standalone
from world import World

# jobs without a loop


@pytest.mark.feature("lifecycle: status as metrics")
def test_end_of_a_job_is_counted_once_with_its_duration(kind: str) -> None:
    world = standalone(kind)
    world.deliver("start_training", manual_event(world))
    name = world.only_job()
    assert world.metric("JobsStarted", Job=JOB) == [1.0]
    world.now += 90.0
    world.finish(name)
    world.queue *= 2
    world.drain()
    assert world.metric("JobsCompleted", Job=JOB) == [1.0]
    assert world.metric("JobSeconds", Job=JOB) == [90.0]
    row = world.row(f"result#{name}")
    assert (row["outcome"], row["kind"], row["seconds"]) == ("completed", kind, 90.0)
    assert "in_flight" not in loop(world)


@pytest.mark.feature("lifecycle: failure reason reaches the user")
def test_failure_reason_is_in_alert_row_and_log(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world = standalone(kind)
    world.deliver("start_training", manual_event(world))
    name = world.only_job()
    world.finish(name, status="Failed", reason="AlgorithmError: no such column, exit code: 1")
    world.drain()
    assert [("no such column" in alert, name in alert) for alert in world.alerts_sent] == [
        (True, True)
    ]
    assert "no such column" in world.row(f"result#{name}")["reason"]
    assert "no such column" in capsys.readouterr().out
    assert world.metric("JobsFailed", Job=JOB) == [1.0]
    assert "in_flight" not in loop(world)


def test_failure_reason_of_a_tuning_job_includes_a_trial() -> None:
    world = standalone("tuning")
    world.deliver("start_training", manual_event(world))
    name = world.only_job()
    world.jobs[name]["trials"] = ["AlgorithmError: no label"]
    world.finish(name, status="Failed", reason="All training jobs failed.")
    world.drain()
    assert "AlgorithmError: no label" in world.alerts_sent[0]


def test_lock_is_released_if_trials_cannot_be_listed() -> None:
    world = standalone("tuning")
    world.deliver("start_training", manual_event(world))
    error = client_error("AccessDeniedException", "no")
    world.failures["sagemaker:ListTrainingJobsForHyperParameterTuningJob"] = [error]
    world.finish(world.only_job(), status="Failed", reason="All training jobs failed.")
    world.drain()
    assert "in_flight" not in loop(world)
    assert len(world.alerts_sent) == 1


@pytest.mark.parametrize(("secondary", "alerts"), [("Stopped", 0), ("MaxRuntimeExceeded", 1)])
def test_stopped_job_alerts_only_if_a_limit_stopped_it(secondary: str, alerts: int) -> None:
    world = standalone()
    world.deliver("start_training", manual_event(world))
    name = world.only_job()
    world.finish(name, status="Stopped", secondary=secondary)
    world.drain()
    assert world.row(f"result#{name}")["outcome"] == "stopped"
    assert world.metric("JobsStopped", Job=JOB) == [1.0]
    assert len(world.alerts_sent) == alerts


def test_pending_trigger_starts_when_the_job_ends(kind: str) -> None:
    world = standalone(kind)
    world.deliver("start_training", manual_event(world))
    first = world.only_job()
    world.deliver("start_training", manual_event(world, "2"))
    assert world.running_jobs() == [first]
    world.finish(first)
    world.drain()
    assert world.only_job() != first
    assert "pending" not in loop(world)


def test_lost_end_event_is_repaired_on_schedule(kind: str) -> None:
    world = standalone(kind)
    world.deliver("start_training", manual_event(world))
    name = world.only_job()
    world.lose_events = True
    world.finish(name, status="Failed", reason="AlgorithmError: x")
    world.lose_events = False
    world.deliver("on_job_change", {"source": "aws.events", "time": iso(world.now)})
    assert "in_flight" not in loop(world)
    assert len(world.alerts_sent) == 1


def test_refused_request_alerts_with_the_reason_at_once(kind: str) -> None:
    world = standalone(kind)
    action = {
        "training": "CreateTrainingJob", "tuning": "CreateHyperParameterTuningJob",
        "processing": "CreateProcessingJob", "transform": "CreateTransformJob",
    }[kind]  # fmt: skip
    error = client_error("ValidationException", "VolumeKmsKeyId is not supported")
    world.failures[f"sagemaker:{action}"] = [error]
    world.deliver("start_training", manual_event(world))
    assert "in_flight" not in loop(world)
    assert ["VolumeKmsKeyId" in alert for alert in world.alerts_sent] == [True]


def test_unpublished_metrics_do_not_prevent_a_start() -> None:
    world = standalone()
    world.failures["cloudwatch:PutMetricData"] = [client_error("Throttling", "slow")] * 9
    world.deliver("start_training", manual_event(world))
    world.finish(world.only_job())
    world.drain()
    assert world.dead == []
    assert "in_flight" not in loop(world)


def test_any_alarm_starts_a_job_if_none_is_configured() -> None:
    world = standalone()
    world.deliver("start_training", world.set_alarm("ALARM"))
    assert len(world.running_jobs()) == 1


@pytest.mark.feature("lifecycle: on new data in S3")
def test_any_object_starts_a_job_without_daily_data_once_a_version() -> None:
    world = standalone("processing")
    event = world.data_event("v1")
    event["detail"]["object"]["key"] = "incoming/file one.parquet"
    for version in ("v1", "v1", "v2"):
        event["detail"]["object"]["version-id"] = version
        world.deliver("start_training", event)
        for name in world.running_jobs():
            world.finish(name)
        world.drain()
    assert len(world.jobs) == 2
    assert world.dead == []


@pytest.mark.feature("lifecycle: on schedule")
def test_repeated_payload_of_the_scheduler_starts_one_job(kind: str) -> None:
    world = standalone(kind)
    event = {
        "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.scheduler",
        "account": "123456789012", "time": iso(world.now), "region": "eu-west-1",
        "resources": ["arn:aws:scheduler:eu-west-1:123456789012:schedule/default/nightly"],
        "detail": "{}",
    }  # fmt: skip
    for _ in range(2):
        world.deliver("start_training", event)
    assert len(world.running_jobs()) == 1
    assert world.dead == []


# the best trial


@pytest.mark.feature("tuning: best trial through the gate into the registry")
def test_best_trial_becomes_champion() -> None:
    world = World(kind="tuning").with_champion()
    (package,) = world.packages
    (name,) = [n for n in world.jobs if n.count("-") == 1]
    properties = package["CustomerMetadataProperties"]
    assert properties["sageloop:tuning-job"] == name
    assert properties["sageloop:training-job"] == f"{name}-002-0123abcd"
    container = package["InferenceSpecification"]["Containers"][0]
    assert f"{name}-002-0123abcd" in container["ModelDataUrl"]
    assert world.row(f"result#{name}")["outcome"] == "promoted"
    assert (BUCKET, f"sets/runs/{name}/validation.manifest") in world.objects


def test_trial_that_is_not_better_is_rejected_on_the_tuning_job_s_hold_out() -> None:
    world = World(kind="tuning").with_champion()
    world.champion_prediction = lambda _: "101"
    name = world.challenge(metric=1.0)
    row = world.row(f"result#{name}")
    assert (row["outcome"], row["challenger"], row["champion"]) == ("rejected", 1.0, 1.0)
    assert world.packages[-1]["ModelApprovalStatus"] == "Rejected"
    assert world.metric("ChallengersRejected", Job=JOB) == [1.0]


def test_tuning_job_without_best_trial_is_rejected_and_registers_nothing() -> None:
    world = World(kind="tuning").with_champion()
    name = world.challenge(metric=None)
    assert world.row(f"result#{name}")["reason"] == "the job has no model"
    assert len(world.packages) == 1
    assert "in_flight" not in loop(world)


def test_end_of_a_trial_is_ignored_without_a_call_to_sagemaker() -> None:
    world = World(kind="tuning").with_data()
    world.deliver("start_training", manual_event(world))
    name = world.only_job()
    before = len(world.calls)
    event = {"time": iso(world.now), "detail": {"TrainingJobName": f"{name}-001-0123abcd"}}
    assert world.run("on_job_change", event)["status"] == "ignored"
    assert len(world.calls) == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", range(1, 20))
def test_best_trial_is_registered_once_if_the_function_is_killed_at_any_call(
    call: int, after: bool
) -> None:
    world = World(kind="tuning").with_champion()
    world.kill_at, world.killed = (call, after), {"on_job_change"}
    world.challenge(metric=1.0)
    world.kill_at = None
    world.reconcile()
    assert len(world.packages) == 2
    assert "in_flight" not in loop(world)
