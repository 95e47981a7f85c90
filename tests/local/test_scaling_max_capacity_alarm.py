"""The alarm on a variant at its maximum capacity, as the constructs define it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template
from scaling_stage import Scaled, cloud_stage, scaled, stage  # noqa: F401 - fixtures by name

from constructs_lib import EndpointAlarms, EndpointBase

MOST = 2


def _definition(endpoint_name: str) -> dict[str, Any]:
    """The PutMetricAlarm request for the alarm of a template, without its actions."""
    made = Stack(App(), "Watching")
    endpoint = EndpointBase.from_endpoint_name(made, "Endpoint", endpoint_name=endpoint_name)
    topic = sns.Topic(made, "Topic")
    EndpointAlarms(made, "Alarms", endpoint=endpoint, alert_topic=topic, max_capacity=MOST)
    alarms = Template.from_stack(made).find_resources("AWS::CloudWatch::Alarm")
    (properties,) = [each["Properties"] for name, each in alarms.items() if "MaxCapacity" in name]
    return {name: value for name, value in properties.items() if not name.endswith("Actions")}


@pytest.fixture
def watched(scaled: Scaled) -> Iterator[Scaled]:
    scaled.register(1, MOST)
    name = f"{scaled.stage.name}-ceiling"
    definition = _definition(scaled.stage.name)
    scaled.stage.cloudwatch.put_metric_alarm(AlarmName=name, **definition)
    yield scaled
    scaled.stage.cloudwatch.delete_alarms(AlarmNames=[name])


def _state_after(watched: Scaled, minutes: int) -> str:
    """The alarm's state after requests in every minute."""
    for _ in range(minutes):
        for _ in range(4):
            watched.stage.invoke()
        watched.next_minute()
    name = f"{watched.stage.name}-ceiling"
    (alarm,) = watched.stage.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(alarm["StateValue"])


@pytest.mark.feature("alarms: scaling at its ceiling")
def test_alarm_is_in_alarm_at_the_maximum_capacity_only(watched: Scaled) -> None:
    assert _state_after(watched, 17) == "OK"

    watched.resize(MOST)
    assert _state_after(watched, 22) == "ALARM"

    watched.resize(1)
    assert _state_after(watched, 12) == "OK"
