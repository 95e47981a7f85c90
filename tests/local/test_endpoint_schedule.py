"""The function of an endpoint schedule against endpoints that are created and deleted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hosting_stage import Stage, fresh, open_stage
from roles import USER

from sageloop.local_cloud.core.cloud import Cloud
from sageloop.local_cloud.scaling.service import ApplicationAutoScalingService

_ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_ROOT / "lambda" / "layer" / "python"))

from sageloop_runtime import functions  # noqa: E402
from sageloop_runtime.errors import BadInputError  # noqa: E402
from sageloop_runtime.functions import Clients  # noqa: E402
from sageloop_runtime.times import iso  # noqa: E402

_PERMISSIONS = json.loads((_ROOT / "lambda" / "permissions.json").read_text())["endpoint_schedule"]
_ALLOWED = {action for part in ("always", "idle", "standalone") for action in _PERMISSIONS[part]}


class Watched:
    """A client that first checks whether the function's policy allows the call."""

    def __init__(self, service: str, client: Any, used: set[str]) -> None:
        self._service, self._client, self._used = service, client, used

    def __getattr__(self, name: str) -> Any:
        operation = self._client.meta.method_to_api_mapping[name]
        assert f"{self._service}:{operation}" in _ALLOWED, operation
        self._used.add(f"{self._service}:{operation}")
        return getattr(self._client, name)


class Switched:
    """A stage's endpoint with a schedule."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.row = f"switch#{stage.name}"
        self.used: set[str] = set()
        self.clients = Clients(
            lambda s: Watched(s, self.cloud.client(s, principal="switch"), self.used)
        )
        self.requests = 0.0
        self.idle_seconds = 3600

    @property
    def cloud(self) -> Cloud:
        return self.stage.cloud

    def run(self, **event: Any) -> str:
        self.requests += 1
        environment = {
            "STATE_TABLE": "switches", "ENDPOINT_NAME": self.stage.name,
            "VARIANTS": '["AllTraffic"]', "IDLE_TIMEOUT_SECONDS": str(self.idle_seconds),
        }  # fmt: skip
        full_event = {"time": iso(self.cloud.clock.time() + self.requests / 1000), **event}
        answer = functions.endpoint_schedule(environment, self.clients).handle(full_event)
        return answer["step"]

    def status(self) -> str:
        return str(self.stage.wait_until_stable()["EndpointStatus"])

    def steps(self, on: dict[str, str]) -> str:
        """Create a step policy on a target and its alarm; returns the alarm's name."""
        scaling = self.cloud.client("application-autoscaling", principal=USER)
        policy = scaling.put_scaling_policy(
            **on, PolicyName="steps", PolicyType="StepScaling",
            StepScalingPolicyConfiguration={
                "AdjustmentType": "ChangeInCapacity",
                "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
            },
        )["PolicyARN"]  # fmt: skip
        name = f"{self.stage.name}-scaling-0-0"
        self.stage.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="n",
            MetricName="load",
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=50,
            AlarmActions=[policy],
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )
        return name

    def targets(self) -> list[dict[str, Any]]:
        client = self.cloud.client("application-autoscaling", principal=USER)
        on = f"endpoint/{self.stage.name}/variant/AllTraffic"
        listed = client.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[on])
        return list(listed["ScalableTargets"])


@pytest.fixture(scope="module")
def module() -> Iterator[Stage]:
    with open_stage() as stage:
        stage.cloud.add([ApplicationAutoScalingService(stage.cloud)])
        stage.cloud.client("dynamodb", principal=USER).create_table(
            TableName="switches", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )  # fmt: skip
        yield stage


@pytest.fixture
def switched(module: Stage) -> Iterator[Switched]:
    with fresh(module) as stage:
        stage.endpoint(Tags=[{"Key": "team", "Value": "ml"}])
        yield Switched(stage)


@pytest.mark.feature("operations: endpoint schedule")
def test_stopped_endpoint_starts_with_its_configuration_tags_and_scaling(
    switched: Switched,
) -> None:
    stage = switched.stage
    scaling = switched.cloud.client("application-autoscaling", principal=USER)
    on = {
        "ServiceNamespace": "sagemaker",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "ResourceId": f"endpoint/{stage.name}/variant/AllTraffic",
    }  # fmt: skip
    scaling.register_scalable_target(**on, MinCapacity=1, MaxCapacity=3)
    scaling.put_scaling_policy(
        **on, PolicyName="requests", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 50.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        },
    )  # fmt: skip

    scaling.put_scheduled_action(
        **on, ScheduledActionName="morning", Schedule="cron(0 7 * * ? *)",
        ScalableTargetAction={"MinCapacity": 2},
    )  # fmt: skip

    alarm = switched.steps(on)

    assert switched.run(action="stop", by="ann") == "stopping"
    assert switched.status() == "Deleted"
    assert switched.targets() == []
    assert switched.run(action="stop") == "stopped"

    assert switched.run(action="start") == "starting"
    assert switched.status() == "InService"
    assert switched.run() == "running"
    described = stage.sagemaker.describe_endpoint(EndpointName=stage.name)
    assert described["EndpointConfigName"] == "one"
    tags = stage.sagemaker.list_tags(ResourceArn=described["EndpointArn"])["Tags"]
    assert {"Key": "team", "Value": "ml"} in tags
    (target,) = switched.targets()
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    made = {
        p["PolicyName"]: p["PolicyARN"] for p in policies if p["ResourceId"] == on["ResourceId"]
    }
    assert sorted(made) == ["requests", "steps"]
    (described,) = stage.cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    assert described["AlarmActions"] == [made["steps"]]
    actions = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert [a["ScheduledActionName"] for a in actions if a["ResourceId"] == on["ResourceId"]] == [
        "morning"
    ]
    assert stage.invoke() != ""
    assert set(_PERMISSIONS["standalone"]) - switched.used == {"sagemaker:AddTags"}
    scaling.deregister_scalable_target(**on)
    stage.cloudwatch.delete_alarms(AlarmNames=[alarm])


@pytest.mark.feature("operations: endpoint schedule (idleness)")
def test_idle_endpoint_is_stopped(switched: Switched) -> None:
    switched.stage.invoke()
    assert switched.run() == "running"  # in service for a short time

    switched.cloud.clock.advance(3700)
    switched.stage.invoke()
    switched.cloud.settle()
    switched.cloud.clock.advance(60)
    assert switched.run() == "running"  # invoked a minute ago

    switched.cloud.clock.advance(3700)
    assert switched.run() == "stopping"
    assert switched.status() == "Deleted"


@pytest.mark.parametrize("days", [2, 14])
def test_endpoint_is_idle_after_days_of_a_long_timeout(switched: Switched, days: int) -> None:
    switched.idle_seconds = days * 86_400
    switched.stage.invoke()
    switched.cloud.settle()
    switched.cloud.clock.advance(days * 86_400 - 3600)
    assert switched.run() == "running"

    switched.cloud.clock.advance(2 * 3600)

    assert switched.run() == "stopping"


def test_longest_idle_timeout_requests_no_more_datapoints_than_allowed(switched: Switched) -> None:
    """GetMetricStatistics returns 1,440 datapoints: a minute each is a day of them."""
    switched.idle_seconds = 14 * 86_400
    switched.stage.invoke()
    switched.cloud.clock.advance(13 * 86_400)
    switched.stage.invoke()
    switched.cloud.clock.advance(2 * 86_400)
    assert switched.run() == "running"

    switched.cloud.clock.advance(13 * 86_400)
    assert switched.run() == "stopping"
    assert switched.status() == "Deleted"


def test_request_older_than_the_last_is_ignored(switched: Switched) -> None:
    old = iso(switched.cloud.clock.time() - 60)
    assert switched.run(action="stop") == "stopping"
    switched.stage.wait_until_stable()

    assert switched.run(action="start", time=old) == "stopped"
    assert switched.status() == "Deleted"


def test_start_without_a_previous_stop_has_no_effect(switched: Switched) -> None:
    before = switched.stage.sagemaker.describe_endpoint(EndpointName=switched.stage.name)

    assert switched.run(action="start") == "running"

    after = switched.stage.sagemaker.describe_endpoint(EndpointName=switched.stage.name)
    assert after["CreationTime"] == before["CreationTime"]


def test_schedule_of_a_champion_invokes_the_promote_function(switched: Switched) -> None:
    invocations: list[dict[str, Any]] = []

    class Functions:
        def invoke(self, **request: Any) -> None:
            invocations.append(request)

    def clients(service: str) -> Any:
        return Functions() if service == "lambda" else switched.clients(service)

    environment = {
        "STATE_TABLE": "switches", "ENDPOINT_NAME": switched.stage.name,
        "VARIANTS": '["AllTraffic"]', "PROMOTE_FUNCTION": "promote",
    }  # fmt: skip
    event = {"time": iso(switched.cloud.clock.time()), "id": "x", "action": "stop", "by": "ann"}
    answer = functions.endpoint_schedule(environment, Clients(clients)).handle(event)

    assert answer == {"step": "delegated"}
    payload = json.loads(invocations[0]["Payload"])
    assert (payload["source"], payload["action"], payload["by"]) == ("manual", "stop", "ann")
    assert switched.status() == "InService"


def test_unknown_action_is_refused_by_name(switched: Switched) -> None:
    with pytest.raises(BadInputError, match="action is 'sideways': start or stop is expected"):
        switched.run(action="sideways")
