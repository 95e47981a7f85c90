"""The function of InferenceHttpApi, deployed from the CDK, with an endpoint."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, CfnOutput, Stack
from botocore.exceptions import ClientError
from deployed import in_process
from hosting_stage import IMAGE, served_image

from constructs_lib import (
    DataStore,
    Endpoint,
    HostingRole,
    InferenceHttpApi,
    Model,
    ModelArtifact,
    ModelContainer,
    PrivateNetwork,
    Variant,
)
from sageloop.local_cloud.assembly import deploy_app
from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.cloud import CloudConfig
from sageloop.local_cloud.server import LocalCloudServer

pytestmark = pytest.mark.slow

LEFT_OUT = frozenset(
    f"AWS::ApiGatewayV2::{kind}" for kind in ("Api", "Authorizer", "Integration", "Route", "Stage")
)
_PERMISSIONS = Path(__file__).resolve().parents[2] / "lambda" / "permissions.json"


def app(folder: Path) -> App:
    made = App()
    stack = Stack(made, "fronted")
    store = DataStore(stack, "Store")
    network = PrivateNetwork(stack, "Network", key=store.key, interfaces=["SageMakerRuntime"])
    role = HostingRole(stack, "Role", key=store.key)
    container = ModelContainer(image=IMAGE, artifact=ModelArtifact.from_folder(folder))
    endpoint = Endpoint(
        stack, "Endpoint", endpoint_name="greets", store=store,
        model=Model(stack, "Model", containers=[container], role=role, network=network),
        variants=[Variant(instance_count=1)],
    )  # fmt: skip
    front = InferenceHttpApi(
        stack, "Front", endpoint=endpoint, network=network, key=store.key,
        issuer="https://login.example.com/", audience=["scores"],
        content_types=["text/csv", "application/x-npy"],
    )  # fmt: skip
    CfnOutput(stack, "Function", value=front.function.function.function_name)
    CfnOutput(stack, "LogGroup", value=front.function.log_group.log_group_name)
    return made


@dataclass
class Fronted:
    """The deployed function, invoked as API Gateway invokes it."""

    cloud: LocalCloud
    outputs: dict[str, str]

    def post(self, body: str | bytes, **headers: str) -> tuple[int, Any]:
        """Status and body of the response; the body of an error is its message."""
        answer = self.invoke(body, **headers)
        text = answer["body"]
        if answer["statusCode"] != 200:
            return answer["statusCode"], json.loads(text)["message"]
        return 200, base64.b64decode(text) if answer["isBase64Encoded"] else text

    def invoke(self, body: str | bytes, **headers: str) -> dict[str, Any]:
        named = {"content-type": "text/csv", **{k.replace("_", "-"): v for k, v in headers.items()}}
        packed = isinstance(body, bytes)
        event = {
            "version": "2.0", "routeKey": "POST /invocations", "rawPath": "/live/invocations",
            "rawQueryString": "", "headers": {**named, "authorization": "Bearer token"},
            "requestContext": {
                "accountId": "123456789012", "apiId": "api", "stage": "live", "requestId": "r1",
                "routeKey": "POST /invocations", "authorizer": {
                    "jwt": {"claims": {"sub": "caller", "aud": "scores"}, "scopes": None},
                },
                "http": {"method": "POST", "path": "/live/invocations", "sourceIp": "192.0.2.1"},
            },
            "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
            "isBase64Encoded": packed,
        }  # fmt: skip
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.outputs["Function"], Payload=json.dumps(event)
        )
        text = answer["Payload"].read()
        assert "FunctionError" not in answer, text
        return dict(json.loads(text))

    def logged(self) -> list[dict[str, Any]]:
        self.cloud.settle()
        events = self.cloud.client("logs").filter_log_events(
            logGroupName=self.outputs["LogGroup"],
            filterPattern='{ $.message = "endpoint invoked" }',
        )["events"]
        return [json.loads(e["message"]) for e in events if '"endpoint invoked"' in e["message"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    (made / "name.txt").write_text("winter")
    return made


@pytest.fixture(scope="module")
def fronted(folder: Path) -> Iterator[Fronted]:
    with served_image():
        server = LocalCloudServer(CloudConfig(operation_wait=4.0, allow=LEFT_OUT))
        server.start()
        try:
            cloud = LocalCloud.from_access(server.cloud.access)
            yield Fronted(cloud, deploy_app(cloud, app(folder))["fronted"])
        finally:
            server.stop()


@pytest.mark.feature("invocation: HTTP API (JWT): its function invokes the endpoint")
def test_request_is_forwarded_and_response_returned(fronted: Fronted) -> None:
    assert fronted.post("model") == (200, "winter")


def test_binary_bodies_are_forwarded(fronted: Fronted) -> None:
    status, body = fronted.post(b"\x93NUMPY\xff", content_type="application/x-npy")

    assert (status, body) == (200, b"echo \x93NUMPY\xff")


def test_inference_id_is_forwarded(fronted: Fronted) -> None:
    assert fronted.post("id", x_amzn_sagemaker_inference_id="i7") == (200, "i7")


@pytest.mark.parametrize(
    ("body", "headers", "answer"),
    [
        ("1", {"content_type": "text/html"},
         (415, "Content-Type must be one of application/x-npy, text/csv, got text/html")),
        ("status 500", {}, (502, "the model responded with status 500")),
        ("status 400", {}, (502, "the model responded with status 400")),
        ("big", {}, (502, "the model did not respond in time, or its response is too large")),
    ],
)  # fmt: skip
def test_errors_have_a_status_and_a_short_message(
    fronted: Fronted, body: str, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    assert fronted.post(body, **headers) == answer


def test_throttling_is_reported_as_429(fronted: Fronted) -> None:
    fronted.cloud.fault("call", "sagemaker:InvokeEndpoint", code="ThrottlingException", status=400)

    assert fronted.post("model")[0] == 429


def test_each_request_is_logged_with_its_failure_reason(fronted: Fronted) -> None:
    fronted.post("status 503")

    last = fronted.logged()[-1]
    assert (last["endpoint"], last["status"], last["request"]) == ("greets", 502, "r1")
    assert "the model failed" in last["reason"]


def test_function_uses_the_permissions_of_its_policy_only(fronted: Fronted) -> None:
    fronted.post("model")

    allowed = set(json.loads(_PERMISSIONS.read_text())["invoke_proxy"])
    made = {
        call["action"]
        for call in fronted.cloud.calls()
        if "FrontInvokeProxy" in str(call["principal"]) and call["action"].startswith("sagemaker:")
    }
    assert made == allowed


def test_missing_endpoint_is_reported_as_503(fronted: Fronted) -> None:
    fronted.cloud.client("sagemaker").delete_endpoint(EndpointName="greets")
    fronted.cloud.settle()

    assert fronted.post("model") == (503, "the endpoint is not in service")


@pytest.mark.feature("bad input: HTTP API where there is no API Gateway")
def test_api_is_refused_by_name_unless_its_types_are_allowed(folder: Path) -> None:
    with in_process() as (_, cloud):
        with pytest.raises(ClientError) as refused:
            deploy_app(cloud, app(folder))

        message = str(refused.value)
        assert {kind for kind in LEFT_OUT if f"resource type {kind}" in message} == LEFT_OUT
        assert cloud.client("sagemaker").list_models()["Models"] == []
