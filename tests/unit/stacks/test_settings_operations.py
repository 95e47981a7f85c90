"""What the stacks have to keep the endpoint in service, as the settings say."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

import app as project
from scripts.synthesis import templates_in
from stacks.settings_file import read_settings
from tests.security.checks.flatten import flat

_SETTINGS = Path(__file__).resolve().parents[3] / "settings"
POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abcdefghi"
Resources = dict[str, dict[str, Any]]
Change = Callable[[dict[str, Any]], object]


def built(folder: Path, change: Change, settings: str = "prod") -> dict[str, Resources]:
    """Resources by stack (``Data`` ...), of settings that are changed first."""
    values = tomllib.loads((_SETTINGS / f"{settings}.toml").read_text(encoding="utf-8"))
    change(values)
    app = App(outdir=str(folder))
    project.build(app, read_settings(values))
    app.synth()
    return resources(folder)


@pytest.fixture(scope="module")
def reduced(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resources]:
    """Prod with settings that leave something out, which do not depend on each other."""

    def change(values: dict[str, Any]) -> None:
        values["monitoring"].pop("serving")
        values["monitoring"]["dashboard"] = False
        values["gate"]["approval"] = "Manual"
        values["project"]["reserve_concurrency"] = False
        values["inference_api"] = {
            "authorizer": "JWT", "issuer": "https://login.example.com", "audience": ["scores"],
        }  # fmt: skip

    return built(tmp_path_factory.mktemp("reduced"), change)


def resources(folder: Path) -> dict[str, Resources]:
    result = templates_in(folder)
    return {name.rpartition("-")[2]: template["Resources"] for name, template in result.items()}


def of_type(result: Resources, kind: str) -> dict[str, dict[str, Any]]:
    return {name: r["Properties"] for name, r in result.items() if r["Type"] == kind}


def alarms(result: dict[str, Resources]) -> set[str]:
    """Names of the alarms of the operations, without the hash that ends them."""
    return {name[:-8] for name in of_type(result["Operations"], "AWS::CloudWatch::Alarm")}


@pytest.mark.feature("operations: endpoint alarms, dashboard, endpoint schedule from the settings")
def test_prod_has_endpoint_alarms(assemblies: dict[str, Path]) -> None:
    assert alarms(resources(assemblies["prod"])) >= {
        "AlarmsErrors", "AlarmsLatency", "AlarmsModelQuality", "EndpointAlarmsClientErrors",
        "EndpointAlarmsLatencyP50", "EndpointAlarmsLatencyP90", "EndpointAlarmsMemoryUtilization",
        "EndpointAlarmsCPUUtilization", "EndpointAlarmsMaxCapacity", "EndpointAlarmsNoTraffic",
        "EndpointAlarmsInvocationsAnomaly", "EndpointAlarmsLatencyAnomaly",
    }  # fmt: skip


def test_metrics_have_one_alarm(assemblies: dict[str, Path]) -> None:
    # p99 and answers 5xx have their alarms beside the live error.
    assert not alarms(resources(assemblies["prod"])) & {
        "EndpointAlarmsLatencyP99", "EndpointAlarmsServerErrors",
    }  # fmt: skip


def test_unset_limit_has_no_alarm(reduced: dict[str, Resources]) -> None:
    assert {name for name in alarms(reduced) if name.startswith("EndpointAlarms")} == {
        "EndpointAlarmsMaxCapacity"
    }


def test_capacity_alarm_has_maximum_of_scaling(assemblies: dict[str, Path]) -> None:
    result = of_type(resources(assemblies["prod"])["Operations"], "AWS::CloudWatch::Alarm")

    (alarm,) = [properties for name, properties in result.items() if "MaxCapacity" in name]
    assert alarm["Threshold"] == 3.5


@pytest.mark.parametrize("settings", ["dev", "prod", "tune"])
def test_dashboard_shows_every_alarm_of_the_operations(
    assemblies: dict[str, Path], settings: str
) -> None:
    result = resources(assemblies[settings])["Operations"]
    (board,) = of_type(result, "AWS::CloudWatch::Dashboard").values()
    shown = json.dumps(board)

    kept = {name for name in of_type(result, "AWS::CloudWatch::Alarm") if "Alarms" in name}
    assert {name for name in kept if f'"{name}"' not in shown} == set()


def test_dashboard_may_be_left_out(reduced: dict[str, Resources]) -> None:
    assert of_type(reduced["Operations"], "AWS::CloudWatch::Dashboard") == {}


def test_dev_has_endpoint_schedule_and_idle_timeout(assemblies: dict[str, Path]) -> None:
    result = resources(assemblies["dev"])["Operations"]

    schedules = of_type(result, "AWS::Scheduler::Schedule").values()
    assert {each["ScheduleExpression"] for each in schedules} == {
        "cron(0 20 ? * MON-FRI *)", "cron(0 7 ? * MON-FRI *)",
    }  # fmt: skip
    (idle,) = [
        message["IDLE_TIMEOUT_SECONDS"]
        for function in of_type(result, "AWS::Lambda::Function").values()
        if "IDLE_TIMEOUT_SECONDS" in (message := function["Environment"]["Variables"])
    ]
    assert idle == "7200"


def test_prod_has_no_endpoint_schedule_and_no_inference_api(assemblies: dict[str, Path]) -> None:
    result = resources(assemblies["prod"])
    kinds = {r["Type"] for part in result.values() for r in part.values()}

    assert not [kind for kind in kinds if kind.startswith(("AWS::Scheduler", "AWS::ApiGateway"))]


@pytest.mark.feature("invocation: inference REST API from the settings")
@pytest.mark.parametrize(
    ("front", "kind"),
    [
        ({}, "AWS_IAM"),
        ({"authorizer": "JWT", "user_pool_arns": [POOL], "scopes": ["own/invoke"]},
         "COGNITO_USER_POOLS"),
    ],
)  # fmt: skip
def test_inference_api_has_user_pools_of_settings(
    tmp_path: Path, front: dict[str, Any], kind: str
) -> None:
    result = built(tmp_path, lambda values: values.update(inference_api={**front, "burst": 7}))

    (method,) = of_type(result["Serving"], "AWS::ApiGateway::Method").values()
    assert method["AuthorizationType"] == kind
    assert method.get("AuthorizationScopes", []) == front.get("scopes", [])
    (stage,) = of_type(result["Serving"], "AWS::ApiGateway::Stage").values()
    assert stage["MethodSettings"][0]["ThrottlingBurstLimit"] == 7


@pytest.mark.feature("invocation: inference HTTP API from the settings")
def test_inference_api_has_issuer_of_settings(tmp_path: Path) -> None:
    front = {
        "authorizer": "JWT", "issuer": "https://login.example.com/", "audience": ["scores"],
        "scopes": ["scores/invoke"], "burst": 7, "concurrency": 3,
    }  # fmt: skip

    result = built(tmp_path, lambda values: values.update(inference_api=front))["Serving"]

    (authorizer,) = of_type(result, "AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["JwtConfiguration"] == {
        "Issuer": "https://login.example.com/", "Audience": ["scores"],
    }  # fmt: skip
    (route,) = of_type(result, "AWS::ApiGatewayV2::Route").values()
    assert route["AuthorizationScopes"] == ["scores/invoke"]
    (stage,) = of_type(result, "AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 7
    assert of_type(result, "AWS::ApiGateway::RestApi") == {}
    (function,) = [
        each
        for each in of_type(result, "AWS::Lambda::Function").values()
        if "CONTENT_TYPES" in each["Environment"]["Variables"]
    ]
    assert function["ReservedConcurrentExecutions"] == 3


def test_setting_reserves_no_concurrency_for_any_function(reduced: dict[str, Resources]) -> None:
    functions = [
        properties
        for result in reduced.values()
        for properties in of_type(result, "AWS::Lambda::Function").values()
    ]

    assert len(functions) > 5
    assert not any("ReservedConcurrentExecutions" in each for each in functions)


def test_gate_has_approval_of_settings(
    assemblies: dict[str, Path], reduced: dict[str, Resources]
) -> None:
    assert gate(resources(assemblies["prod"]))["approval"] == "Automatic"
    assert gate(reduced)["approval"] == "Manual"


def gate(result: dict[str, Resources]) -> dict[str, Any]:
    """The gate as its function reads it."""
    (document,) = [
        json.loads(str(flat(message["GATE"])))
        for function in of_type(result["Operations"], "AWS::Lambda::Function").values()
        if "GATE" in (message := function["Environment"]["Variables"])
    ]
    return dict(document)
