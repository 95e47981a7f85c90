"""Each invariant of the soak notices a history that violates it, and accepts one that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from scripts.soak.invariants import (
    HOUR,
    LONGEST_CHANGE,
    Limits,
    doubled_effects,
    hasty_starts,
    lost_messages,
    lost_resources,
    lost_trigger,
    new_denials,
    not_converged,
    outage,
    overlapping_jobs,
    unsafe_serving,
)
from scripts.soak.observation import Calm, Job, Observation, Package, Queue, Served

LIMITS = Limits(cooldown=6 * HOUR, max_attempts=3, reconcile_every=HOUR)
CALM = Calm(
    in_flight=None, pending=False, alerts=0, endpoint="InService", config="c", champion_config="c",
    state="live", champion=2, newest=2, problems=(),
)  # fmt: skip
QUEUE = Queue(function="start", dropped=1, messages=1, alarm="ALARM")
SERVED = Served(config="c", role="served", model="s3://b/one", artifact_exists=True)
PASSED = Package(
    arn="package/1", model="s3://b/one", approval="Approved", job="one", outcome="promoted"
)


def job(name: str, created: float, ended: float | None = None, **trigger: Any) -> Job:
    end = created + 60 if ended is None else ended
    return Job(name=name, created=created, ended=end, **{"key": name, **trigger})


def states(*hours: float, **members: Any) -> list[Observation]:
    """Observations at some hours, in ALARM with nothing in flight by default."""
    values = {"alarm": "ALARM", "endpoint": "InService", "config": "c", **members}
    return [Observation(time=hour * HOUR, **values) for hour in hours]


# I1


def test_job_created_while_another_runs_is_a_violation() -> None:
    assert list(overlapping_jobs([job("b", 30), job("a", 0)])) == [
        "b was created while a was in flight"
    ]


def test_job_created_while_another_has_no_end_is_a_violation() -> None:
    running = replace(job("a", 0), ended=None)

    assert len(list(overlapping_jobs([running, job("b", 9_000)]))) == 1


def test_jobs_one_after_the_other_are_no_violation() -> None:
    assert list(overlapping_jobs([job("a", 0), job("b", 60)])) == []


# I2


def test_job_of_the_alarm_within_the_cooldown_is_a_violation() -> None:
    jobs = [job("a", 0), job("b", 6 * HOUR - 1, alarm="quality")]

    (text,) = hasty_starts(jobs, LIMITS)

    assert text.startswith("b of the alarm was created 21599 s after a")


@pytest.mark.parametrize(("gap", "alarm"), [(6 * HOUR, "quality"), (60.0, None)])
def test_job_after_the_cooldown_or_of_data_is_no_violation(gap: float, alarm: str | None) -> None:
    assert list(hasty_starts([job("a", 0), job("b", gap, alarm=alarm)], LIMITS)) == []


def test_more_jobs_of_a_series_than_attempts_are_a_violation() -> None:
    jobs = [job(str(number), number * 7 * HOUR, series="s") for number in range(4)]

    assert list(hasty_starts(jobs, LIMITS)) == ["4 jobs were started for s: 3 are allowed"]
    assert list(hasty_starts(jobs[:3], LIMITS)) == []


# I3


def test_two_jobs_of_one_trigger_are_a_violation() -> None:
    assert len(list(doubled_effects([job("a", 0, key="k"), job("b", 99, key="k")], [], []))) == 1


def test_two_packages_of_one_job_are_a_violation() -> None:
    assert len(list(doubled_effects([], [PASSED, replace(PASSED, arn="package/2")], []))) == 1


def test_two_promotions_of_one_package_in_a_row_are_a_violation() -> None:
    first, second = {"package_arn": "1"}, {"package_arn": "2"}

    assert len(list(doubled_effects([], [], [first, first]))) == 1
    assert list(doubled_effects([], [], [first, second, first])) == []


# I4


def test_alarm_that_starts_no_job_in_time_is_a_violation() -> None:
    history = states(0, 1, 2, 3, last_started_at=-9 * HOUR)

    assert lost_trigger(history, LIMITS) is not None
    assert lost_trigger(history[:3], LIMITS) is None


@pytest.mark.parametrize("members", [
    {"alarm": "OK"}, {"in_flight": "job"}, {"disturbed": True}, {"last_started_at": 0.0},
    {"attempts": 3},
])  # fmt: skip
def test_start_that_is_not_due_is_no_violation(members: dict[str, Any]) -> None:
    assert lost_trigger(states(0, 1, 2, 3, 4, **members), LIMITS) is None


def test_violation_that_lasts_has_one_text() -> None:
    history = states(0, 1, 2, 3, 4, last_started_at=-9 * HOUR)

    assert lost_trigger(history, LIMITS) == lost_trigger(history[:4], LIMITS)


def test_stretch_without_start_begins_after_the_last_job() -> None:
    assert (
        lost_trigger([*states(0, 1, 2), *states(3, in_flight="a"), *states(4, 5)], LIMITS) is None
    )


# I5


def test_served_model_that_did_not_pass_the_gate_is_a_violation() -> None:
    assert len(list(unsafe_serving([SERVED], [replace(PASSED, outcome="rejected")]))) == 1
    assert len(list(unsafe_serving([SERVED], [replace(PASSED, approval="Rejected")]))) == 1
    assert len(list(unsafe_serving([SERVED], []))) == 1
    assert list(unsafe_serving([SERVED], [PASSED])) == []


@pytest.mark.parametrize("members", [{"artifact_exists": False}, {"model": None}])
def test_served_model_without_artifact_is_a_violation(members: dict[str, Any]) -> None:
    assert len(list(unsafe_serving([replace(SERVED, **members)], [PASSED]))) == 1


# I6


def test_endpoint_that_is_failed_longer_than_the_reconciler_needs_is_an_outage() -> None:
    violation = outage(states(1, 2, 3, 4, endpoint="Failed"), LIMITS)

    assert violation == (HOUR, 4 * HOUR, "the endpoint is Failed since 1970-01-01T01:00+00:00")


@pytest.mark.parametrize("status", [None, "OutOfService", "UpdateRollbackFailed"])
def test_endpoint_that_does_not_change_is_an_outage(status: str | None) -> None:
    assert outage(states(1, 2, 3, 4, endpoint=status), LIMITS) is not None


def test_update_may_take_longer() -> None:
    longest = LONGEST_CHANGE / HOUR

    assert outage(states(0, longest, endpoint="Updating"), LIMITS) is None
    assert outage(states(0, longest + 1, endpoint="Updating"), LIMITS) is not None


def test_outage_ends_with_service_or_a_stop() -> None:
    assert outage([*states(0, 9, endpoint="Failed"), *states(10)], LIMITS) is None
    assert outage(states(0, 9, endpoint=None, has_champion=False), LIMITS) is None


# I7


@pytest.mark.parametrize("members", [
    {"in_flight": "job"}, {"pending": True}, {"alerts": 1}, {"endpoint": "Updating"},
    {"config": "other"}, {"state": "promoting"}, {"newest": 3}, {"problems": ("a rule",)},
])  # fmt: skip
def test_what_is_left_after_quiet_is_a_violation(members: dict[str, Any]) -> None:
    assert len(list(not_converged(replace(CALM, **members)))) == 1


def test_calm_loop_has_converged() -> None:
    assert list(not_converged(CALM)) == []


# I8


@pytest.mark.parametrize("members", [{"dropped": 2}, {"alarm": "OK"}, {"alarm": None}])
def test_lost_message_or_silent_alarm_is_a_violation(members: dict[str, Any]) -> None:
    assert len(list(lost_messages([replace(QUEUE, **members)]))) == 1


@pytest.mark.parametrize("queue", [QUEUE, replace(QUEUE, dropped=0, messages=0, alarm="OK")])
def test_dead_letter_with_its_alarm_is_no_violation(queue: Queue) -> None:
    assert list(lost_messages([queue])) == []


# I9


def test_resource_that_is_gone_with_the_stack_is_a_violation() -> None:
    before = {"objects": 3, "packages": 2}

    assert list(lost_resources(before, {"objects": 2})) == [
        "2 of 3 objects are left", "0 of 2 packages are left"
    ]  # fmt: skip
    assert list(lost_resources(before, before)) == []


# I10


def test_denial_is_a_violation_once() -> None:
    known: set[str] = set()

    def new(texts: Sequence[str]) -> list[str]:
        return list(new_denials(texts, known))

    assert (new(["a"]), new(["a", "b"]), new(["a", "b"])) == (["a"], ["b"], [])
