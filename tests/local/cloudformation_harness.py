"""A cloud with CloudFormation, a fictitious resource type and a fictitious Lambda service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from moto.core.request import Request

from sageloop.local_cloud.cloudformation.providers.base import Resource, ResourceRequest
from sageloop.local_cloud.cloudformation.service import CloudFormationService
from sageloop.local_cloud.cloudformation.state import StackStore
from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, Service, operation

THING = "Test::Unit::Thing"
CUSTOM = "AWS::CloudFormation::CustomResource"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:handler"
ROOT = "arn:aws:iam::123456789012:root"


@dataclass(frozen=True)
class ThingSchema:
    properties: frozenset[str] = frozenset(
        ("Name", "Fixed", "Size", "Fail", "Tags", "Arn", "Nested")
    )
    create_only: frozenset[str] = frozenset(("Name", "Fixed"))
    unordered: frozenset[str] = frozenset(("Tags",))
    primary_identifier: tuple[str, ...] = ("Name",)


@dataclass
class Things:
    """The provider: records resources and requests; fails where a property requests it."""

    alive: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    before_create: Callable[[ResourceRequest], None] = lambda _: None
    undeletable: set[str] = field(default_factory=set)
    broken_updates: bool = False
    requests: list[ResourceRequest] = field(default_factory=list)

    def reset(self) -> None:
        self.__dict__.update(Things().__dict__)

    def create(self, request: ResourceRequest) -> Resource:
        self.before_create(request)
        self._refuse("create", request)
        name = request.properties.get("Name") or request.unique_name(max_length=40)
        self.alive[name] = dict(request.properties)
        return Resource(name, {"Arn": f"arn:{name}", "Nested": {"Part": "p"}})

    def update(self, request: ResourceRequest) -> Resource:
        self._refuse("update", request)
        self.alive[request.physical_id] = dict(request.properties)
        return Resource(request.physical_id, request.attributes)

    def delete(self, request: ResourceRequest) -> None:
        self.log.append(("delete", request.logical_id))
        if request.logical_id in self.undeletable:
            raise AwsError("ResourceInUse", f"{request.physical_id} is in use")
        self.alive.pop(request.physical_id, None)

    def _refuse(self, doing: str, request: ResourceRequest) -> None:
        self.requests.append(request)
        self.log.append((doing, request.logical_id))
        if self.broken_updates and doing == "update":
            raise RuntimeError("the provider is broken")
        if request.properties.get("Fail") == doing:
            raise AwsError("ValidationException", f"{request.logical_id} must not {doing}")


class FakeLambda(Service):
    """Runs a test's handler for each invocation, in the background."""

    model = "lambda"

    def __init__(self, cloud: Cloud) -> None:
        self._on_discarded: list[Callable[[str, bytes, str], None]] = []
        super().__init__(cloud)
        self.reset()

    def reset(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.principals: list[str] = []
        self.handler: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: {}

    def on_async_failure(self, callback: Callable[[str, bytes, str], None]) -> None:
        self._on_discarded.append(callback)

    @operation("Invoke")
    def invoke(self, call: Call) -> dict[str, Any]:
        payload = call.request.get_data()
        event = json.loads(payload)
        self.events.append(event)
        self.principals.append(call.principal)
        self.cloud.activity.spawn("handler", lambda: self._run(event, payload))
        return {"StatusCode": 202}

    def _run(self, event: dict[str, Any], payload: bytes) -> None:
        try:
            answer = self.handler(event)
        except RuntimeError as error:
            for callback in self._on_discarded:
                callback(FUNCTION_ARN, payload, str(error))
            return
        if answer is not None:
            put(self.cloud, event, answer)


def response_of(event: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """A response with the members of an answer; one that is ``None`` is left out."""
    body = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", "made-1"),
        **{k: event[k] for k in ("StackId", "RequestId", "LogicalResourceId")},
    } | answer
    return {name: value for name, value in body.items() if value is not None}


def put(cloud: Cloud, event: dict[str, Any], answer: dict[str, Any]) -> int:
    """Send a response as a handler would."""
    body = response_of(event, answer)
    url = f"http://127.0.0.1{urlsplit(event['ResponseURL']).path}"
    request = Request.from_primitives("PUT", url, {}, json.dumps(body).encode())
    return cloud.front.dispatch(request).status


@dataclass
class Bench:
    """The cloud of a test, with helpers for stacks."""

    cloud: Cloud
    things: Things
    functions: FakeLambda
    cfn: Any

    def create(self, name: str, resources: dict[str, Any], **more: Any) -> str:
        self.cfn.create_stack(StackName=name, TemplateBody=template(resources, **more))
        return self.status(name)

    def update(self, name: str, resources: dict[str, Any], *, disable_rollback: bool = False, **more: Any) -> str:  # fmt: skip # noqa: E501
        self.cfn.update_stack(
            StackName=name,
            TemplateBody=template(resources, **more),
            DisableRollback=disable_rollback,
        )
        return self.status(name)

    def delete(self, name: str) -> str:
        stack_id = self.stack(name)["StackId"]
        self.cfn.delete_stack(StackName=name)
        return self.status(stack_id)

    def status(self, name: str) -> str:
        assert self.cloud.settle(180) == []
        return str(self.stack(name)["StackStatus"])

    def stack(self, name: str) -> dict[str, Any]:
        actual: dict[str, Any] = self.cfn.describe_stacks(StackName=name)["Stacks"][0]
        return actual

    def outputs(self, name: str) -> dict[str, str]:
        return {o["OutputKey"]: o["OutputValue"] for o in self.stack(name).get("Outputs", [])}

    def events(self, name: str, logical_id: str) -> list[str]:
        actual = self.cfn.describe_stack_events(StackName=name)["StackEvents"]
        return [e["ResourceStatus"] for e in actual[::-1] if e["LogicalResourceId"] == logical_id]

    def reason(self, name: str, logical_id: str, status: str) -> str:
        actual = self.cfn.describe_stack_events(StackName=name)["StackEvents"]
        return next(
            str(e.get("ResourceStatusReason", ""))
            for e in actual
            if e["LogicalResourceId"] == logical_id and e["ResourceStatus"] == status
        )

    def change_set(self, name: str, resources: dict[str, Any], kind: str = "UPDATE", **more: Any) -> dict[str, Any]:  # fmt: skip # noqa: E501
        made = self.cfn.create_change_set(
            StackName=name,
            ChangeSetName="set",
            ChangeSetType=kind,
            TemplateBody=template(resources, **more),
        )
        actual: dict[str, Any] = self.cfn.describe_change_set(
            ChangeSetName=made["Id"], IncludePropertyValues=True
        )
        return actual


def _message_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    details = error.value.response["Error"]
    assert details["Code"] == "ValidationError"
    return str(details["Message"])


def refusal(bench: Bench, text: str) -> str:
    """The one message with which every request refuses a template; no stack remains."""
    cfn = bench.cfn
    messages = []
    with pytest.raises(ClientError) as error:
        cfn.validate_template(TemplateBody=text)
    messages.append(_message_of(error))
    with pytest.raises(ClientError) as error:
        cfn.create_stack(StackName="s", TemplateBody=text)
    messages.append(_message_of(error))
    with pytest.raises(ClientError) as error:
        cfn.create_change_set(
            StackName="s", ChangeSetName="set", ChangeSetType="CREATE", TemplateBody=text
        )
    messages.append(_message_of(error))
    assert cfn.list_stacks()["StackSummaries"] == []
    assert bench.create("s", {"A": thing()}) == "CREATE_COMPLETE"
    with pytest.raises(ClientError) as error:
        cfn.update_stack(StackName="s", TemplateBody=text)
    messages.append(_message_of(error))
    assert bench.stack("s")["StackStatus"] == "CREATE_COMPLETE"
    (message,) = set(messages)
    return message


def template(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


def thing(*, type_name: str = THING, depends_on: list[str] | None = None, policies: dict[str, str] | None = None, **properties: Any) -> dict[str, Any]:  # fmt: skip # noqa: E501
    made: dict[str, Any] = {"Type": type_name, "Properties": properties, **(policies or {})}
    return made | ({"DependsOn": depends_on} if depends_on else {})


def custom(**properties: Any) -> dict[str, Any]:
    return thing(type_name="Custom::Thing", ServiceToken=FUNCTION_ARN, **properties)


def _unsupported(resources: Mapping[str, Any], *, allow: frozenset[str]) -> list[str]:
    if any(r["Type"] == "Test::Broken" for r in resources.values()):
        raise RuntimeError("the check is broken")
    return [
        f"{i}: unknown type {r['Type']}"
        for i, r in resources.items()
        if r["Type"].startswith("Test::Unknown") and r["Type"] not in allow
    ]


def make_bench(allow: frozenset[str] = frozenset()) -> Bench:
    cloud = Cloud(CloudConfig(allow=allow))
    things = Things()
    service = CloudFormationService(
        cloud,
        provider_of=lambda name: things if name == THING else None,
        # AWS's own schema of custom resources has none of their attributes either.
        schema_of=lambda name: ThingSchema() if name in (THING, CUSTOM) else None,
        unsupported=_unsupported,
    )
    functions = FakeLambda(cloud)
    cloud.add([service, functions])
    cloud.start()
    return Bench(cloud, things, functions, cloud.client("cloudformation", principal=ROOT))


def fresh(bench: Bench) -> Bench:
    """The same cloud, which is slow to create, without stacks and handlers of other tests."""
    bench.cloud.service("cloudformation").context.store = StackStore()
    bench.cloud.service("cloudformation").context.durations.clear()
    bench.things.reset()
    bench.functions.reset()
    return bench


@pytest.fixture(scope="module")
def made() -> Iterator[Bench]:
    """The cloud of a module."""
    bench = make_bench()
    yield bench
    bench.cloud.stop()


@pytest.fixture
def bench(made: Bench) -> Bench:
    """The cloud of the module, as it was in the beginning."""
    return fresh(made)
