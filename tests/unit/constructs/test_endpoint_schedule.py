"""EndpointSchedule: function, schedules, permissions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk.assertions import Match, Template

from constructs_lib import (
    Asynchronous,
    ConfigurationError,
    Endpoint,
    EndpointSchedule,
    HostingRole,
    StopStartSchedule,
)
from constructs_lib._private.previous_release import PREVIOUS_FOLDERS

from .conftest import Ground, ground_of

PERMISSIONS = json.loads(
    (Path(__file__).resolve().parents[3] / "lambda" / "permissions.json").read_text()
)["endpoint_schedule"]
TIMES = StopStartSchedule(
    stop="cron(0 20 ? * MON-FRI *)", start="cron(0 7 ? * MON-FRI *)", timezone="Europe/Paris"
)
PLATFORM = {
    "cloudwatch:DeleteAlarms", "iam:CreateServiceLinkedRole", "sagemaker:DescribeEndpointConfig",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
}  # fmt: skip
OURS = {"application-autoscaling", "cloudwatch", "dynamodb", "iam", "lambda", "sagemaker"}


def own_endpoint(ground: Ground, **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "endpoint_name": "own", "image": ground.image().uri, "model_data": "models/1/m.tar.gz",
        "store": ground.store, "network": ground.network,
        "role": HostingRole(ground.stack, "OwnRole", key=ground.store.key), **changes,
    }  # fmt: skip
    return Endpoint(ground.stack, "Own", **values)


def switch(ground: Ground, endpoint: Any, **changes: Any) -> EndpointSchedule:
    return EndpointSchedule(
        ground.stack, "Switch", endpoint=endpoint, state=ground.state, network=ground.network,
        alert_topic=ground.alerts.topic, **changes,
    )  # fmt: skip


def actions_of(template: Template) -> set[str]:
    """Actions of the function's code, without those that Lambda and AWS require."""
    result: set[str] = set()
    for name, policy in template.find_resources("AWS::IAM::ManagedPolicy").items():
        if name.startswith("SwitchEndpointSchedule") and "Base" not in name:
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                action = statement["Action"]
                result |= {action} if isinstance(action, str) else set(action)
    return {each for each in result - PLATFORM if each.partition(":")[0] in OURS}


@pytest.fixture(scope="module")
def own() -> Template:
    ground = ground_of(Stack(App(), "Test"))
    switch(ground, own_endpoint(ground), schedule=TIMES, idle_timeout=Duration.hours(2))
    return ground.template()


@pytest.fixture(scope="module")
def champion() -> Template:
    ground = ground_of(Stack(App(), "Test"))
    switch(ground, ground.champion(), schedule=TIMES)
    return ground.template()


def test_update_keeps_the_security_group_of_the_function(own: Template) -> None:
    """EC2 replaces a group whose description changes; deployed ones have this one."""
    group = {"GroupDescription": f"Function {PREVIOUS_FOLDERS['endpoint_schedule']}"}
    own.has_resource_properties("AWS::EC2::SecurityGroup", group)


@pytest.mark.feature("operations: endpoint schedule")
def test_schedule_stops_and_starts_in_time_zone(own: Template) -> None:
    for verb, cron in (("stop", TIMES.stop), ("start", TIMES.start)):
        own.has_resource_properties("AWS::Scheduler::Schedule", {
            "ScheduleExpression": cron, "ScheduleExpressionTimezone": "Europe/Paris",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": Match.object_like({
                "Input": json.dumps({
                    "source": "schedule", "action": verb, "id": "<aws.scheduler.execution-id>",
                    "time": "<aws.scheduler.scheduled-time>",
                }),
                "DeadLetterConfig": Match.any_value(),
            }),
        })  # fmt: skip


def test_function_has_variants_and_idle_timeout(own: Template) -> None:
    own.has_resource_properties("AWS::Lambda::Function", {"Environment": {"Variables": {
        "ENDPOINT_NAME": "own", "VARIANTS": '["AllTraffic"]', "IDLE_TIMEOUT_SECONDS": "7200",
        "STATE_TABLE": Match.any_value(),
    }}})  # fmt: skip


def test_function_of_endpoint_has_permissions_of_its_code(own: Template) -> None:
    expected = {action for part in ("always", "idle", "standalone") for action in PERMISSIONS[part]}
    assert actions_of(own) == expected


def test_function_of_champion_endpoint_invokes_promoter_only(champion: Template) -> None:
    assert actions_of(champion) == {*PERMISSIONS["always"], *PERMISSIONS["champion"]}
    champion.has_resource_properties("AWS::Lambda::Function", {"Environment": {"Variables": (
        Match.object_like({"PROMOTE_FUNCTION": Match.any_value(), "VARIANTS": '["AllTraffic"]'})
    )}})  # fmt: skip


def test_invalid_schedule_is_refused(anew: Ground, stack: Stack) -> None:
    ground = ground_of(stack)
    times = StopStartSchedule(stop="at eight", start=TIMES.start, timezone="Europe Paris")

    with pytest.raises(ConfigurationError) as caught:
        switch(ground, ground.champion(), schedule=times, idle_timeout=Duration.minutes(5))

    message = str(caught.value)
    assert "schedule.stop must match" in message
    assert "schedule.timezone must be the IANA name of a time zone; did you mean" in message
    assert "idle_timeout in seconds must be between 900 and 1209600, got 300" in message


@pytest.mark.parametrize(
    "cron",
    [
        "cron(0 20 * * *)",  # five fields, as Unix writes them
        "cron(0 20 ? * MON-FRI)",
        "cron(0 20 * * * *)",  # no ? in either day
        "cron(0 20 ? * ? *)",
        "cron(0 20 1 * MON *)",
    ],
)
def test_invalid_cron_expression_is_refused(stack: Stack, cron: str) -> None:
    ground = ground_of(stack)
    times = StopStartSchedule(stop=cron, start=TIMES.start)

    with pytest.raises(ConfigurationError, match=r"schedule\.stop must match"):
        switch(ground, ground.champion(), schedule=times)


def test_idle_timeout_of_asynchronous_endpoint_is_refused(stack: Stack) -> None:
    ground = ground_of(stack)
    endpoint = own_endpoint(ground, kind=Asynchronous(output_prefix="scored/"))

    with pytest.raises(ConfigurationError, match="scale it to zero"):
        switch(ground, endpoint, idle_timeout=Duration.hours(1))
