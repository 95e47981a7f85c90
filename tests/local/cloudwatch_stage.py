"""A cloud with CloudWatch, and services that record what alarms send to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from roles import USER

from sageloop.local_cloud.cloudwatch.service import CloudWatchService
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.service import Service

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"


class Events(Service):
    """Records emitted events."""

    model = "events"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.emitted: list[dict[str, Any]] = []

    def emit(self, source: str, detail_type: str, detail: dict[str, Any], **_: Any) -> None:
        self.emitted.append(detail)


class Functions(Service):
    """Records the names of functions that would be invoked."""

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.invoked: list[str] = []

    def invoke_for(self, principal: str, arn: str, payload: bytes, source_arn: str) -> None:
        self.invoked.append(arn.rsplit(":", 1)[-1])


class Stage:
    """CloudWatch with helpers to put metrics and to read alarms."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.client = cloud.client("cloudwatch", principal=USER)

    @property
    def emitted(self) -> list[dict[str, Any]]:
        """The details of the alarms' events so far."""
        events: Events = self.cloud.service("events")
        return events.emitted

    @property
    def invoked(self) -> list[str]:
        """The names of the functions that alarms have invoked so far."""
        assert self.cloud.settle(180) == []
        functions: Functions = self.cloud.service("lambda")
        return functions.invoked

    def put(self, name: str, *values: float, at: datetime | None = None) -> None:
        """Put values of a metric at one time, by default the virtual time."""
        datum: dict[str, Any] = {"MetricName": name, "Values": list(values)}
        if at is not None:
            datum["Timestamp"] = at
        self.client.put_metric_data(Namespace="app", MetricData=[datum])

    def alarm(self, name: str, **changes: Any) -> None:
        """Define an alarm, by default on ``Errors`` above 0."""
        members = {
            "AlarmName": name, "EvaluationPeriods": 1, "Threshold": 0.0,
            "ComparisonOperator": "GreaterThanThreshold",
        }  # fmt: skip
        if "Metrics" not in changes:
            members |= {
                "Namespace": "app", "MetricName": "Errors", "Statistic": "Average", "Period": 60,
            }  # fmt: skip
        request = {k: v for k, v in {**members, **changes}.items() if v is not None}
        self.client.put_metric_alarm(**request)

    def composite(self, name: str, rule: str, **more: Any) -> None:
        """Define a composite alarm."""
        self.client.put_composite_alarm(AlarmName=name, AlarmRule=rule, **more)

    def set(self, name: str, state: str) -> None:
        """Set an alarm's state manually."""
        self.client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="set manually")

    def described(self, name: str) -> dict[str, Any]:
        """One alarm as DescribeAlarms returns it."""
        alarms = self.client.describe_alarms(
            AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        (one,) = [*alarms["MetricAlarms"], *alarms["CompositeAlarms"]]
        return dict(one)

    def state(self, name: str) -> str:
        """An alarm's state."""
        return str(self.described(name)["StateValue"])

    def evaluate(self) -> None:
        """Evaluate every metric alarm now."""
        self.cloud.service("cloudwatch").alarms.evaluate_all()
        assert self.cloud.settle(180) == []


def query(id_: str, name: str, stat: str = "Sum", **more: Any) -> dict[str, Any]:
    """A metric of a MetricDataQuery list."""
    metric = {"Namespace": "app", "MetricName": name}
    return {"Id": id_, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, **more}


def expression(id_: str, text: str, **more: Any) -> dict[str, Any]:
    """An expression of a MetricDataQuery list."""
    return {"Id": id_, "Expression": text, **more}


@pytest.fixture
def stage() -> Iterator[Stage]:
    cloud = Cloud(CloudConfig())
    cloud.add([CloudWatchService(cloud), Events(cloud), Functions(cloud)])
    cloud.start()
    yield Stage(cloud)
    cloud.stop()
