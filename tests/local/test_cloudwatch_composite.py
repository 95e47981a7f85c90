"""Composite alarms: their rules, their actions and what holds those back."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from cloudwatch_stage import FUNCTION, Stage, stage

__all__ = ["stage"]

ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:"
HELD = {
    "ActionsSuppressor": "deploying", "ActionsSuppressorWaitPeriod": 120,
    "ActionsSuppressorExtensionPeriod": 180, "AlarmActions": [f"{FUNCTION}page"],
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


def test_composites_of_composites_follow_too(two: Stage) -> None:
    two.composite("bad", "ALARM(slow) OR ALARM(failing)")
    two.composite("worst", "ALARM(bad) AND NOT ALARM(deploying)")
    two.set("failing", "ALARM")
    assert (two.state("bad"), two.state("worst")) == ("ALARM", "ALARM")
    two.set("deploying", "ALARM")
    assert (two.state("bad"), two.state("worst")) == ("ALARM", "OK")


def test_event_names_the_rule_and_who_triggered(two: Stage) -> None:
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
        "bad", "ALARM(slow)", AlarmActions=[f"{FUNCTION}page"], OKActions=[f"{FUNCTION}calm"]
    )
    two.set("slow", "ALARM")
    two.set("slow", "OK")
    assert two.invoked == ["calm", "page", "calm"]


def test_rule_may_be_changed_and_is_evaluated_at_once(two: Stage) -> None:
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
    ("rule", "more", "told"),
    [
        ("ALARM(slow", {}, "cannot be read"),
        ("ALARM(nobody) OR ALARM(slow)", {}, "the alarms nobody do not exist"),
        ("ALARM(bad)", {}, "its rule is circular: bad -> bad"),
        ("ALARM(slow)", {"ActionsSuppressor": "deploying"}, "are required together"),
        ("ALARM(slow)", {**HELD, "ActionsSuppressor": "nobody"}, "the alarms nobody do not exist"),
        ("ALARM(slow)", {"AlarmActions": ["arn:aws:autoscaling:us-east-1:123456789012:x"]},
         "a composite alarm cannot have the action"),
    ],
)  # fmt: skip
def test_impossible_composites_are_refused(
    two: Stage, rule: str, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(ClientError, match=told):
        two.composite("bad", rule, **more)


def test_circle_is_refused(two: Stage) -> None:
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

    def found(**asked: Any) -> tuple[list[str], list[str]]:
        answer = describe(**asked)
        return tuple(  # type: ignore[return-value]
            [a["AlarmName"] for a in answer[kind]] for kind in ("MetricAlarms", "CompositeAlarms")
        )

    assert found() == (["deploying", "failing", "slow"], [])
    assert found(AlarmTypes=["CompositeAlarm"]) == ([], ["bad", "worst"])
    assert found(ChildrenOfAlarmName="bad") == (["failing", "slow"], [])
    assert found(ChildrenOfAlarmName="worst") == ([], ["bad"])
    assert found(ParentsOfAlarmName="slow") == ([], ["bad"])
    assert found(ParentsOfAlarmName="bad") == ([], ["worst"])
    with pytest.raises(ClientError, match="cannot be combined with AlarmTypes"):
        found(ParentsOfAlarmName="bad", AlarmTypes=["CompositeAlarm"])
    pages = two.client.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [len(p["MetricAlarms"]) for p in pages] == [2, 1]


def test_suppressor_in_alarm_holds_actions_back(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("deploying", "ALARM")
    two.set("slow", "ALARM")
    assert two.described("bad")["ActionsSuppressedBy"] == "Alarm"
    assert two.emitted[-1]["state"]["actionsSuppressedBy"] == "Alarm"
    two.set("slow", "OK")
    assert two.invoked == ["calm"]  # from when it was made


def test_actions_wait_for_the_suppressor_and_then_run(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("slow", "ALARM")
    assert two.described("bad")["ActionsSuppressedBy"] == "WaitPeriod"
    assert two.cloud.clock.held() == ["WaitPeriod of alarm bad"]
    two.cloud.clock.advance(120)
    assert two.invoked == ["calm", "page"]
    assert "ActionsSuppressedBy" not in two.described("bad")


def test_suppressor_that_comes_in_time_holds_and_extends(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("slow", "ALARM")
    two.set("deploying", "ALARM")
    two.cloud.clock.advance(600)
    assert two.described("bad")["ActionsSuppressedBy"] == "Alarm"

    two.set("deploying", "OK")
    assert two.described("bad")["ActionsSuppressedBy"] == "ExtensionPeriod"
    two.cloud.clock.advance(180)
    assert two.invoked == ["calm", "page"]


def test_alarm_that_ends_while_waiting_tells_nobody(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("slow", "ALARM")
    two.set("slow", "OK")
    two.cloud.clock.advance(600)
    assert two.invoked == ["calm"]


def test_alarm_right_after_the_suppressor_is_held_too(two: Stage) -> None:
    two.composite("bad", "ALARM(slow)", **HELD)
    two.set("deploying", "ALARM")
    two.set("deploying", "OK")
    two.set("slow", "ALARM")
    assert two.described("bad")["ActionsSuppressedBy"] == "ExtensionPeriod"
