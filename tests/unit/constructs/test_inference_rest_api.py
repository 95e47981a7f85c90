"""The HTTPS front, and what the security packs say of it and of the operations beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Match, Template
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R5Checks,
    PCIDSS321Checks,
)

from constructs_lib import (
    ConfigurationError,
    Dashboard,
    DataStore,
    Endpoint,
    EndpointAlarms,
    EndpointSchedule,
    InferenceRestApi,
    NoTrafficAlarm,
    StopStartSchedule,
)

from .conftest import ground_of
from .test_endpoint_schedule import own_endpoint


def front(stack: Stack, **changes: Any) -> InferenceRestApi:
    endpoint = Endpoint.from_endpoint_name(stack, "Endpoint", endpoint_name="demo")
    key = DataStore(stack, "Store").key
    return InferenceRestApi(stack, "Front", **{"endpoint": endpoint, "key": key, **changes})


def method_of(template: Template) -> dict[str, Any]:
    (method,) = template.find_resources("AWS::ApiGateway::Method").values()
    return dict(method["Properties"])


@pytest.mark.feature("invocation: inference REST API (IAM)")
def test_api_invokes_endpoint_without_function(stack: Stack) -> None:
    front(stack)

    method = method_of(Template.from_stack(stack))
    uri = "".join(
        part if isinstance(part, str) else "*"
        for part in method["Integration"]["Uri"]["Fn::Join"][1]
    )
    assert uri.endswith("runtime.sagemaker:path/endpoints/demo/invocations")
    assert method["AuthorizationType"] == "AWS_IAM"
    assert method["Integration"]["PassthroughBehavior"] == "NEVER"
    assert set(method["Integration"]["RequestTemplates"]) == {"text/csv", "application/json"}


def test_api_passes_target_model(stack: Stack) -> None:
    front(stack)

    method, header = method_of(Template.from_stack(stack)), "header.X-Amzn-SageMaker-Target-Model"
    assert method["RequestParameters"][f"method.request.{header}"] is False
    passed = method["Integration"]["RequestParameters"]
    assert passed[f"integration.request.{header}"] == f"method.request.{header}"


def test_model_error_is_bad_gateway(stack: Stack) -> None:
    front(stack)

    answers = method_of(Template.from_stack(stack))["Integration"]["IntegrationResponses"]
    result = {each.get("SelectionPattern"): each["StatusCode"] for each in answers}
    assert result == {None: "200", "424": "502", r"4(?!24)\d{2}": "400", r"5\d{2}": "503"}


@pytest.mark.feature("invocation: inference REST API (Cognito)")
def test_user_pool_authorizes_requests(stack: Stack) -> None:
    pool = cognito.UserPool.from_user_pool_id(stack, "Pool", "eu-west-1_abc")

    front(stack, user_pools=[pool], scopes=["models/invoke"])

    method = method_of(Template.from_stack(stack))
    assert method["AuthorizationType"] == "COGNITO_USER_POOLS"
    assert method["AuthorizationScopes"] == ["models/invoke"]


@pytest.mark.feature("invocation: inference REST API (request model, throttling)")
def test_requests_are_validated_and_throttled(stack: Stack) -> None:
    schema = apigateway.JsonSchema(type=apigateway.JsonSchemaType.OBJECT, required=["instances"])

    front(stack, schema=schema, requests_per_second=5, burst=10)

    template = Template.from_stack(stack)
    template.has_resource_properties("AWS::ApiGateway::RequestValidator", {
        "ValidateRequestBody": True, "ValidateRequestParameters": True,
    })  # fmt: skip
    template.has_resource_properties("AWS::ApiGateway::Model", {
        "ContentType": "application/json",
        "Schema": Match.object_like({"required": ["instances"]}),
    })  # fmt: skip
    template.has_resource_properties("AWS::ApiGateway::Stage", {
        "TracingEnabled": True, "AccessLogSetting": Match.any_value(),
        "MethodSettings": [Match.object_like({
            "ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10,
        })],
    })  # fmt: skip
    template.has_resource_properties("AWS::Logs::LogGroup", {"KmsKeyId": Match.any_value()})


def test_api_role_and_callers_have_least_privilege(stack: Stack) -> None:
    people = iam.Role(stack, "People", assumed_by=iam.AccountRootPrincipal())

    front(stack).grant_call(people)

    text = json.dumps(Template.from_stack(stack).to_json())
    assert "endpoint/demo" in text
    assert "/live/POST/invocations" in text


def test_faults_of_api_are_reported_together(stack: Stack) -> None:
    with pytest.raises(ConfigurationError) as caught:
        front(stack, content_types=["csv"], burst=0, scopes=["a"],
              schema=apigateway.JsonSchema())  # fmt: skip

    message = str(caught.value)
    for part in ("content_types must match", "burst must be between 1 and 5000, got 0",
                 "scopes needs user_pools", "schema needs application/json"):  # fmt: skip
        assert part in message


def test_rule_packs_have_no_findings_for_api_schedule_alarms_and_dashboard() -> None:
    app = App()
    ground = ground_of(Stack(app, "Test"))
    endpoint, topic = own_endpoint(ground), ground.alerts.topic
    alarms = EndpointAlarms(
        ground.stack, "Watch", endpoint=endpoint, alert_topic=topic,
        expected_traffic=NoTrafficAlarm(),
        memory_percent=90, max_capacity=4, anomaly_metrics=["invocations"],
    )  # fmt: skip
    Dashboard(ground.stack, "Board", endpoints=[endpoint], alarms=alarms.alarms.values())
    EndpointSchedule(
        ground.stack, "Switch", endpoint=endpoint, state=ground.state, network=ground.network,
        alert_topic=topic, idle_timeout=Duration.hours(1),
        schedule=StopStartSchedule(stop="cron(0 20 * * ? *)", start="cron(0 7 * * ? *)"),
    )  # fmt: skip
    InferenceRestApi(ground.stack, "Front", endpoint=endpoint, key=ground.store.key)

    result = [
        (violation.rule_name, resource.construct_path)
        for pack in (AwsSolutionsChecks, NIST80053R5Checks, HIPAASecurityChecks, PCIDSS321Checks)
        for violation in pack(app).validate_scope(app).violations
        for resource in violation.violating_resources
        if resource.construct_path.startswith(
            ("Test/Watch", "Test/Board", "Test/Switch", "Test/Front")
        )
    ]

    assert result == []
