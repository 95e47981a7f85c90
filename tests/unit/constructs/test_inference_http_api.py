"""The front for tokens of any issuer: its API, its function, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Stack
from aws_cdk.assertions import Match, Template
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R5Checks,
    PCIDSS321Checks,
)

from constructs_lib import Asynchronous, ConfigurationError, EndpointBase, InferenceHttpApi

from .conftest import Ground, ground_of
from .serving import endpoint as endpoint_of

PERMISSIONS = json.loads(
    (Path(__file__).resolve().parents[3] / "lambda" / "permissions.json").read_text()
)["invoke_proxy"]
ISSUER = "https://login.example.com/realms/own"


def front(ground: Ground, **changes: Any) -> InferenceHttpApi:
    named = EndpointBase.from_endpoint_name(ground.stack, "Named", endpoint_name="demo")
    values = {
        "endpoint": named, "network": ground.network, "key": ground.store.key,
        "issuer": ISSUER, "audience": ["scores"], **changes,
    }  # fmt: skip
    return InferenceHttpApi(ground.stack, "Front", **values)


@pytest.fixture(scope="module")
def template() -> Template:
    ground = ground_of(Stack(App(), "Test"))
    front(ground, scopes=["scores/invoke"], requests_per_second=5, burst=10, concurrency=4)
    return ground.template()


@pytest.mark.feature("invocation: inference HTTP API")
def test_jwt_authorizer_has_issuer_and_audience(template: Template) -> None:
    template.has_resource_properties("AWS::ApiGatewayV2::Authorizer", {
        "AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": ISSUER, "Audience": ["scores"]},
    })  # fmt: skip
    (route,) = template.find_resources("AWS::ApiGatewayV2::Route").values()
    assert route["Properties"]["RouteKey"] == "POST /invocations"
    assert route["Properties"]["AuthorizationType"] == "JWT"
    assert route["Properties"]["AuthorizationScopes"] == ["scores/invoke"]


def test_integration_has_payload_format_2(template: Template) -> None:
    template.has_resource_properties("AWS::ApiGatewayV2::Integration", {
        "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0",
        "IntegrationUri": {"Fn::GetAtt": [Match.string_like_regexp("FrontInvokeProxy.*"), "Arn"]},
    })  # fmt: skip
    (permission,) = [
        each["Properties"]
        for each in template.find_resources("AWS::Lambda::Permission").values()
        if each["Properties"]["Principal"] == "apigateway.amazonaws.com"
    ]
    assert json.dumps(permission["SourceArn"]).endswith('"/*/*/invocations"]]}')


def test_requests_are_throttled_and_logged(template: Template) -> None:
    (stage,) = template.find_resources("AWS::ApiGatewayV2::Stage").values()
    result = stage["Properties"]
    assert result["DefaultRouteSettings"] == {
        "DetailedMetricsEnabled": True, "ThrottlingRateLimit": 5, "ThrottlingBurstLimit": 10,
    }  # fmt: skip
    assert (result["StageName"], result["AutoDeploy"]) == ("live", True)
    fields = json.loads(result["AccessLogSettings"]["Format"])
    assert fields["caller"] == "$context.authorizer.claims.sub"
    assert fields["authorizerError"] == "$context.authorizer.error"
    (group,) = template.find_resources("AWS::Logs::LogGroup", {
        "Properties": {"KmsKeyId": Match.any_value(), "RetentionInDays": 365},
    }).keys() & {result["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"][0]}  # fmt: skip
    assert group.startswith("FrontLogs")


def test_function_timeout_is_below_that_of_api(template: Template) -> None:
    template.has_resource_properties("AWS::Lambda::Function", {
        "Description": Match.string_like_regexp("Invokes demo .*"), "Timeout": 29,
        "ReservedConcurrentExecutions": 4, "KmsKeyArn": Match.any_value(),
        "TracingConfig": {"Mode": "Active"}, "DeadLetterConfig": Match.absent(),
        "Environment": {"Variables": {
            "ENDPOINT_NAME": "demo", "CONTENT_TYPES": '["text/csv", "application/json"]',
        }},
    })  # fmt: skip


def test_function_can_invoke_this_endpoint_only(template: Template) -> None:
    policies = template.find_resources("AWS::IAM::ManagedPolicy")
    (duty,) = [each for name, each in policies.items() if name.startswith("FrontInvokeProxyDuty")]
    (statement,) = [
        each for each in duty["Properties"]["PolicyDocument"]["Statement"]
        if each["Effect"] == "Allow"
    ]  # fmt: skip
    assert [statement["Action"]] == PERMISSIONS
    assert json.dumps(statement["Resource"]).endswith(':endpoint/demo"]]}')
    assert len([name for name in policies if name.startswith("Front")]) == 2
    (base,) = [each for name, each in policies.items() if name.startswith("FrontInvokeProxyBase")]
    assert "sqs" not in json.dumps(base["Properties"])


def test_route_depends_on_permissions_of_function(template: Template) -> None:
    (route,) = template.find_resources("AWS::ApiGatewayV2::Route").values()
    assert any(each.startswith("FrontInvokeProxyDuty") for each in route["DependsOn"])


def test_url_has_stage(ground: Ground) -> None:
    made = front(ground)

    message = ground.stack.resolve(made.url)
    assert message["Fn::Join"][1][-1] == "/live/invocations"


def test_default_accepts_any_scope(ground: Ground) -> None:
    front(ground, key=None)

    result = ground.template()
    (route,) = result.find_resources("AWS::ApiGatewayV2::Route").values()
    assert "AuthorizationScopes" not in route["Properties"]
    result.has_resource_properties("AWS::ApiGatewayV2::Stage", {
        "DefaultRouteSettings": Match.object_like({
            "ThrottlingRateLimit": 100, "ThrottlingBurstLimit": 200,
        }),
    })  # fmt: skip
    result.has_resource_properties("AWS::Lambda::Function", {
        "Description": Match.string_like_regexp("Invokes demo .*"),
        "ReservedConcurrentExecutions": 50, "KmsKeyArn": Match.absent(),
    })  # fmt: skip


def test_faults_are_reported_together(anew: Ground) -> None:
    with pytest.raises(ConfigurationError) as caught:
        front(
            anew, issuer="http://login.example.com", audience=[], content_types=["csv"],
            requests_per_second=0, burst=0, concurrency=0, scopes=["a b", *["s"] * 10],
        )  # fmt: skip

    message = str(caught.value)
    for part in (
        "issuer must match https://", "audience must have at least one entry",
        "content_types must match", "requests_per_second must be between 1 and 10000, got 0",
        "burst must be between 1 and 5000, got 0", "concurrency must be at least 1, got 0",
        "scopes must have at most 10 entries, got 11",
        r"scopes must match [^\s\x00-\x1f\x7f]+, got 'a b'",
    ):  # fmt: skip
        assert part in message


@pytest.mark.parametrize(
    "issuer",
    [
        "login.example.com", "https://", "https://a.b?tenant=c", "https://a.b/#c", "https://a b",
        "https://user@a.b", "https://a.b/.well-known/openid-configuration",
    ],
)  # fmt: skip
def test_invalid_issuer_is_refused(anew: Ground, issuer: str) -> None:
    with pytest.raises(ConfigurationError, match="issuer must"):
        front(anew, issuer=issuer)


@pytest.mark.parametrize(
    ("audience", "message"),
    [
        ("scores", "audience must be a list of texts, got 'scores'"),
        (["a"] * 51, "audience must have at most 50 entries, got 51"),
        ([""], "audience must match"),
    ],
)
def test_invalid_audience_is_refused(anew: Ground, audience: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        front(anew, audience=audience)


def test_endpoint_without_synchronous_inference_is_refused(anew: Ground) -> None:
    endpoint = endpoint_of(anew, kind=Asynchronous(output_prefix="out/"))

    with pytest.raises(ConfigurationError, match="KindNotAllowed: an inference API needs"):
        front(anew, endpoint=endpoint)


def test_rule_packs_have_no_findings() -> None:
    app = App()
    front(ground_of(Stack(app, "Test")), scopes=["scores/invoke"])

    result = [
        (violation.rule_name, resource.construct_path)
        for pack in (AwsSolutionsChecks, NIST80053R5Checks, HIPAASecurityChecks, PCIDSS321Checks)
        for violation in pack(app).validate_scope(app).violations
        for resource in violation.violating_resources
        if resource.construct_path.startswith("Test/Front")
    ]

    assert result == []


def test_token_issuer_is_not_checked(ground: Ground) -> None:
    issuer = CfnParameter(ground.stack, "Issuer").value_as_string

    front(ground, issuer=issuer)

    ground.template().has_resource_properties("AWS::ApiGatewayV2::Authorizer", {
        "JwtConfiguration": {"Issuer": {"Ref": "Issuer"}, "Audience": ["scores"]},
    })  # fmt: skip
