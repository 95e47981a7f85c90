"""No failed event is lost in silence: it ends in a dead-letter queue with an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.synthesis import templates_in

SETTINGS = ("prod", "dev", "tune")
LONGEST = 3600
"""Seconds that CloudFormation waits for the response of a custom resource at most."""
Template = dict[str, Any]


@pytest.fixture(scope="module", params=SETTINGS)
def templates(request: pytest.FixtureRequest, assemblies: dict[str, Path]) -> list[Template]:
    return list(templates_in(assemblies[request.param]).values())


def _resources(template: Template, *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] in kinds:
            yield name, resource["Properties"]


def _queue(reference: Any) -> str:
    """The logical id of the queue in ``Fn::GetAtt``."""
    queue, attribute = reference["Fn::GetAtt"]
    assert attribute == "Arn"
    return str(queue)


def _senders(template: Template) -> Iterator[Any]:
    """The dead-letter queues of functions, rules and schedules; each must have one."""
    for _, function in _resources(template, "AWS::Lambda::Function"):
        yield function["DeadLetterConfig"]["TargetArn"]
    for _, rule in _resources(template, "AWS::Events::Rule"):
        yield from (target["DeadLetterConfig"]["Arn"] for target in rule["Targets"])
    for _, schedule in _resources(template, "AWS::Scheduler::Schedule"):
        yield schedule["Target"]["DeadLetterConfig"]["Arn"]


def _watched(template: Template) -> set[str]:
    """The queues whose first message puts an alarm in ALARM that notifies a topic."""
    return {
        dimension["Value"]["Fn::GetAtt"][0]
        for _, alarm in _resources(template, "AWS::CloudWatch::Alarm")
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        and alarm["Threshold"] == 1
        and alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        and len(alarm["AlarmActions"]) == 1
        for dimension in alarm["Dimensions"]
    }


@pytest.mark.feature("functions: every failed event ends in a dead-letter queue with an alarm")
def test_every_dead_letter_queue_has_an_alarm_that_notifies(templates: list[Template]) -> None:
    for template in templates:
        queues = {_queue(reference) for reference in _senders(template)}
        assert sorted(queues - _watched(template)) == []
    assert sum(len(list(_senders(template))) for template in templates) >= 15


def test_alarms_of_dead_letters_notify_the_alert_topic(templates: list[Template]) -> None:
    topics = {name for each in templates for name, _ in _resources(each, "AWS::SNS::Topic")}
    for template in templates:
        for _, alarm in _resources(template, "AWS::CloudWatch::Alarm"):
            (action,) = alarm["AlarmActions"]
            assert any(topic in str(action) for topic in topics)


def test_every_custom_resource_has_a_service_timeout(templates: list[Template]) -> None:
    limits = [
        int(resource["Properties"]["ServiceTimeout"])
        for template in templates
        for resource in template["Resources"].values()
        if resource["Type"].startswith("Custom::")
    ]
    assert len(limits) >= 3
    assert all(0 < limit <= LONGEST for limit in limits)
