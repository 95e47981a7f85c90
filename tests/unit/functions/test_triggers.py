"""Triggers of jobs: what each event gives, and how attempts follow each other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.jobs.dispatch import backoff, is_backing_off
from sageloop_runtime.jobs.triggers import (
    Trigger,
    alarm_key,
    deploy_trigger,
    fallback_of,
    first_trigger,
    read_trigger,
    retry_of,
)

TIME = "2026-06-01T12:00:00Z"
AT = 1780315200.0


def read(source: str, **members: Any) -> Trigger:
    trigger = read_trigger({"source": source, "time": TIME, **members})
    assert trigger is not None
    return trigger


def data_event(**item: Any) -> dict[str, Any]:
    return {"detail": {"bucket": {"name": "b"}, "object": {"key": "sets/manifest.json", **item}}}


@pytest.mark.parametrize(
    ("item", "version"),
    [
        ({"version-id": "v1", "etag": "e"}, "v1"), ({"etag": "e"}, "e"),
        ({"version-id": "", "etag": "e"}, "e"),
    ],
)  # fmt: skip
def test_delivery_is_its_version(item: dict[str, Any], version: str) -> None:
    assert read("aws.s3", **data_event(**item)) == Trigger(
        kind="data", key=f"data|b|sets/manifest.json|{version}", at=AT,
        series=f"data|b|sets/manifest.json|{version}", manifest=("b", "sets/manifest.json"),
    )  # fmt: skip


def test_schedule_is_its_rule_and_time() -> None:
    for source in ("aws.events", "aws.scheduler"):
        trigger = read(source, resources=["arn:rule", "arn:other"])

        assert (trigger.kind, trigger.key, trigger.at) == (
            "schedule", f"schedule|arn:rule|{TIME}", AT,
        )  # fmt: skip


@pytest.mark.parametrize("value", ["OK", "INSUFFICIENT_DATA"])
def test_alarm_in_another_state_is_no_trigger(value: str) -> None:
    state = {"value": value, "timestamp": TIME}

    assert read_trigger({"source": "aws.cloudwatch", "detail": {"state": state},
                         "resources": ["arn:alarm"]}) is None  # fmt: skip


def test_transition_of_an_alarm_is_its_time_in_milliseconds() -> None:
    detail = {"alarmName": "a", "state": {"value": "ALARM", "timestamp": TIME}}

    trigger = read("aws.cloudwatch", detail=detail, resources=["arn:alarm"])

    assert (trigger.alarm, trigger.at) == ("a", AT)
    assert trigger.key == f"alarm|arn:alarm|{int(AT * 1000)}"
    assert alarm_key("arn", AT * 1000 + 0.4) == alarm_key("arn", TIME)
    assert alarm_key("arn", AT * 1000 + 1.0) != alarm_key("arn", TIME)


def test_manual_request_has_its_hyperparameters() -> None:
    trigger = read("manual", id="one", hyperparameters={"eta": "0.1"})

    assert (trigger.kind, trigger.key, trigger.at) == ("manual", "manual|one", AT)
    assert trigger.hyperparameters == {"eta": "0.1"}
    assert read("manual", id="one").hyperparameters is None
    assert read("manual", id="one", hyperparameters={}).hyperparameters is None


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"id": "1", "extra": 1, "days": 2}, "the manual event has days, extra: only "
         "hyperparameters, id, source, time are known"),
        ({"id": "1", "hyperparameters": ["eta"]},
         "'hyperparameters' is ['eta']: an object of strings is expected"),
        ({"id": "1", "hyperparameters": {"eta": 0.1}},
         "the hyperparameter 'eta' is 0.1: a string is expected"),
        ({}, "the event of source 'manual' lacks 'id'"),
    ],
)  # fmt: skip
def test_malformed_manual_request_is_refused_in_one_line(
    members: dict[str, Any], text: str
) -> None:
    with pytest.raises(BadInputError) as refusal:
        read("manual", **members)
    assert str(refusal.value) == text


@pytest.mark.parametrize("members", [{}, {"detail": None}, {"detail": {"bucket": "b"}}])
def test_malformed_delivery_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match=r"^the event of source 'aws.s3' lacks "):
        read("aws.s3", **members)


def test_schedule_without_resources_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"^the event of source 'aws.events' lacks "):
        read("aws.events", resources=[])


def test_other_sources_start_no_job() -> None:
    with pytest.raises(
        BadInputError, match=r"^an event of source 'aws.ec2' starts no job: .*aws.s3"
    ):
        read_trigger({"source": "aws.ec2"})


def test_resumed_trigger_has_the_time_of_its_event() -> None:
    first = first_trigger("data", "data|b|k|v", 5.0, manifest=("b", "k"), days=("1", "2"))

    resumed = read("reconcile", trigger=json.loads(first.to_json()))

    assert resumed.resumed
    assert not first.resumed
    assert (resumed.at, resumed.key, resumed.series) == (AT, first.key, first.series)
    assert (resumed.manifest, resumed.days) == (("b", "k"), ("1", "2"))
    assert json.loads(resumed.to_json())["resumed"] is False


def test_members_that_a_stored_trigger_lacks_are_those_of_a_first_attempt() -> None:
    trigger = Trigger.of({"kind": "data", "key": "k", "series": "s"})

    assert trigger == Trigger(kind="data", key="k", at=None, series="s")
    assert (trigger.attempt, trigger.instance) == (1, 0)


def test_retry_begins_again_with_the_series_and_the_first_type() -> None:
    first = first_trigger("alarm", "alarm|a", 5.0, alarm="a", days=("1", "2"), instance=2)

    retry = retry_of(first, attempt=2, at=9.0)

    assert retry == Trigger(
        kind="retry", key="retry|alarm|a|2", at=9.0, series="alarm|a", attempt=2, alarm="a"
    )
    assert retry_of(retry, attempt=3, at=10.0).key == "retry|alarm|a|3"


def test_fallback_keeps_the_attempt_and_has_another_key() -> None:
    first = first_trigger("alarm", "alarm|a", 5.0, days=("1", "2"))

    fallback = fallback_of(first, instance=1, at=9.0)

    assert fallback == Trigger(
        kind="fallback", key="fallback|alarm|a|1", at=9.0, series="alarm|a", instance=1
    )


def test_deployment_is_its_stack_and_document() -> None:
    trigger = deploy_trigger("arn:stack", "digest")

    assert (trigger.key, trigger.at) == ("deploy|arn:stack|digest", None)
    assert trigger.is_deployment
    assert retry_of(trigger, attempt=2, at=1.0).is_deployment
    assert not first_trigger("data", "data|deploy|", 1.0).is_deployment


# delays


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 0), (1, 60), (2, 120), (3, 240), (7, 3840), (8, 3840), (99, 3840)]
)
def test_delay_is_doubled_six_times(attempts: int, seconds: float) -> None:
    assert backoff(60, attempts) == seconds


@pytest.mark.parametrize(
    ("loop", "waits"),
    [
        ({"tried_at": 1000.0, "tries": 2}, True), ({"tried_at": 881.0, "tries": 2}, True),
        ({"tried_at": 880.0, "tries": 2}, False), ({"tries": 2}, False),
        ({"tried_at": 1000.0}, False),
    ],
)  # fmt: skip
def test_refused_trigger_waits_for_its_delay(loop: dict[str, Any], waits: bool) -> None:
    assert is_backing_off(loop, 60, 1000.0) is waits
