"""Composite alarms: rules, actions and action suppression."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudwatch_stage import FUNCTION, Stage, stage

__all__ = ["stage"]

ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
HELD = {
    "ActionsSuppressor": "deploying", "ActionsSuppressorWaitPeriod": 120,
    "ActionsSuppressorExtensionPeriod": 180, "AlarmActions": [f"{FUNCTION}alert"],
    "OKActions": [f"{FUNCTION}calm"],
}  # fmt: skip


@pytest.fixture
def two(stage: Stage) -> Stage:
    for name in ("slow", "failing", "deploying"):
        stage.alarm(name, TreatMissingData="ignore")
    stage.set("deploying", "OK")
    return stage


@pytest.mark.feature("alarms: composite")
def test_composite_follows_its_children(two: Stage) -> None:
    two.composite("bad", f'ALARM(slow) AND ALARM("{ARN}failing")')
    assert two.state("bad") == "OK"

    two.set("slow", "ALARM")
    assert two.state("bad") == "OK"
    two.set("failing", "ALARM")
    assert two.state("bad") == "ALARM"
    two.set("slow", "OK")
    assert two.state("bad") == "OK"


def test_composite_follows_metrics_through_its_children(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)")
    two.put("Errors", 1.0)
    two.evaluate()
    assert two.state("bad") == "ALARM"


def test_composite_follows_composite_children(two: Stage) -> None:
    two.composite("bad", "ALARM(slow) OR ALARM(failing)")
    two.composite("worst", "ALARM(bad) AND NOT ALARM(deploying)")
    two.set("failing", "ALARM")
    assert (two.state("bad"), two.state("worst")) == ("ALARM", "ALARM")
    two.set("deploying", "ALARM")
    assert (two.state("bad"), two.state("worst")) == ("ALARM", "OK")


def test_event_contains_the_rule_and_the_triggering_alarm(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", AlarmDescription="what users feel")
    two.set("slow", "ALARM")
    detail = two.emitted[-1]
    assert detail["alarmName"] == "bad"
    assert detail["previousState"]["value"] == "OK"
    assert f"{ARN}slow transitioned to ALARM at " in detail["state"]["reason"]
    assert f'"arn": "{ARN}slow"' in detail["state"]["reasonData"]
    assert detail["configuration"] == {"description": "what users feel", "alarmRule": "ALARM(slow)"}


def test_actions_of_both_states_run(two: Stage) -> None:
    two.composite(
        "bad", "ALARM(slow)", AlarmActions=[f"{FUNCTION}alert"], OKActions=[f"{FUNCTION}calm"]
    )
    two.set("slow", "ALARM")
    two.set("slow", "OK")
    assert two.invoked == ["calm", "alert", "calm"]


def test_updated_rule_is_evaluated_immediately(two: Stage) -> None:
    two.composite("bad", "TRUE")
    assert two.state("bad") == "ALARM"
    two.composite("bad", "FALSE")
    assert two.state("bad") == "OK"
    kinds = {
        (h["AlarmType"], h["HistorySummary"])
        for h in two.client.describe_alarm_history(AlarmName="bad")["AlarmHistoryItems"]
    }
    assert ("CompositeAlarm", 'Alarm "bad" updated') in kinds


@pytest.mark.parametrize(
    ("rule", "more", "message"),
    [
        ("ALARM(slow", {}, "cannot be read"),
        ("ALARM(missing) OR ALARM(slow)", {}, "the alarms missing do not exist"),
        ("ALARM(bad)", {}, "its rule is circular: bad -> bad"),
        ("ALARM(slow)", {"ActionsSuppressor": "deploying"}, "are required together"),
        ("ALARM(slow)", {**HELD, "ActionsSuppressor": "missing"}, "alarms missing do not exist"),
        ("ALARM(slow)", {"AlarmActions": ["arn:aws:autoscaling:us-east-1:123456789012:x"]},
         "a composite alarm cannot have the action"),
    ],
)  # fmt: skip
def test_invalid_composite_alarms_are_refused(
    two: Stage, rule: str, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        two.composite("bad", rule, **more)


def test_circular_rule_is_refused(two: Stage) -> None:
    two.composite("first", "ALARM(slow)")
    two.composite("second", "ALARM(first)")
    with pytest.raises(ClientError, match="first -> second -> first"):
        two.composite("first", "ALARM(second)")


def test_alarm_keeps_its_type(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)")
    with pytest.raises(ClientError, match="bad is a composite alarm"):
        two.alarm("bad")
    with pytest.raises(ClientError, match="slow is a metric alarm"):
        two.composite("slow", "TRUE")


def test_child_cannot_be_deleted_before_its_parent(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)")
    with pytest.raises(ClientError, match="composite alarm\\(s\\) depending on it: bad"):
        two.client.delete_alarms(AlarmNames=["slow"])
    two.client.delete_alarms(AlarmNames=["bad"])
    two.client.delete_alarms(AlarmNames=["slow"])
    assert two.client.describe_alarms(AlarmNames=["slow"])["MetricAlarms"] == []


def test_alarms_are_described_by_type_and_relation(two: Stage) -> None:
    two.composite("bad", "ALARM(slow) OR ALARM(failing)")
    two.composite("worst", "ALARM(bad)")
    describe = two.client.describe_alarms

    def names_of(**filters: Any) -> tuple[list[str], list[str]]:
        answer = describe(**filters)
        return tuple(  # type: ignore[return-value]
            [a["AlarmName"] for a in answer[kind]] for kind in ("MetricAlarms", "CompositeAlarms")
        )

    assert names_of() == (["deploying", "failing", "slow"], [])
    assert names_of(AlarmTypes=["CompositeAlarm"]) == ([], ["bad", "worst"])
    assert names_of(ChildrenOfAlarmName="bad") == (["failing", "slow"], [])
    assert names_of(ChildrenOfAlarmName="worst") == ([], ["bad"])
    assert names_of(ParentsOfAlarmName="slow") == ([], ["bad"])
    assert names_of(ParentsOfAlarmName="bad") == ([], ["worst"])
    with pytest.raises(ClientError, match="cannot be combined with AlarmTypes"):
        names_of(ParentsOfAlarmName="bad", AlarmTypes=["CompositeAlarm"])
    pages = two.client.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [len(p["MetricAlarms"]) for p in pages] == [2, 1]


def test_suppressor_in_alarm_suppresses_actions(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("deploying", "ALARM")
    two.set("slow", "ALARM")
    assert two.described("bad")["ActionsSuppressedBy"] == "Alarm"
    assert two.emitted[-1]["state"]["actionsSuppressedBy"] == "Alarm"
    two.set("slow", "OK")
    assert two.invoked == ["calm"]  # from its creation


def test_actions_wait_for_the_suppressor_and_then_run(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("slow", "ALARM")
    assert two.described("bad")["ActionsSuppressedBy"] == "WaitPeriod"
    assert two.cloud.clock.held() == ["WaitPeriod of alarm bad"]
    two.cloud.clock.advance(120)
    assert two.invoked == ["calm", "alert"]
    assert "ActionsSuppressedBy" not in two.described("bad")


def test_suppressor_within_wait_period_suppresses_and_extends(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("slow", "ALARM")
    two.set("deploying", "ALARM")
    two.cloud.clock.advance(600)
    assert two.described("bad")["ActionsSuppressedBy"] == "Alarm"

    two.set("deploying", "OK")
    assert two.described("bad")["ActionsSuppressedBy"] == "ExtensionPeriod"
    two.cloud.clock.advance(180)
    assert two.invoked == ["calm", "alert"]


def test_alarm_that_ends_in_the_wait_period_runs_no_action(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("slow", "ALARM")
    two.set("slow", "OK")
    two.cloud.clock.advance(600)
    assert two.invoked == ["calm"]


def test_alarm_in_the_extension_period_is_suppressed(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("deploying", "ALARM")
    two.set("deploying", "OK")
    two.set("slow", "ALARM")
    assert two.described("bad")["ActionsSuppressedBy"] == "ExtensionPeriod"
