from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.local.cloudformation_harness import (
    CUSTOM,
    FUNCTION_ARN,
    ROOT,
    Bench,
    bench,
    custom,
    made,
    put,
    response_of,
    thing,
)

__all__ = ["bench", "made"]


def _kinds(bench: Bench) -> list[str]:
    return [event["RequestType"] for event in bench.functions.events]


def test_create_sends_aws_document_with_every_scalar_as_text(bench: Bench) -> None:
    bench.create("s", {"C": custom(Flag=True, Count=3, Deep={"List": [1.5, False]})})

    (event,) = bench.functions.events
    assert event["ResourceProperties"] == {
        "ServiceToken": FUNCTION_ARN, "Flag": "true", "Count": "3",
        "Deep": {"List": ["1.5", "false"]},
    }  # fmt: skip
    assert event["ResourceType"] == "Custom::Thing"
    assert event["StackId"] == bench.stack("s")["StackId"]
    assert event["ResponseURL"].startswith(f"{bench.cloud.endpoint_url}/_sageloop/cfn-response/")
    assert "PhysicalResourceId" not in event
    assert bench.functions.principals == [ROOT]


def test_response_sets_ref_and_attributes(bench: Bench) -> None:
    bench.functions.handler = lambda _: {"PhysicalResourceId": "mine", "Data": {"A.B": "dotted"}}
    outputs = {
        "Ref": {"Value": {"Ref": "C"}},
        "Att": {"Value": {"Fn::GetAtt": ["C", "A.B"]}},
    }

    assert bench.create("s", {"C": custom()}, Outputs=outputs) == "CREATE_COMPLETE"
    assert bench.outputs("s") == {"Ref": "mine", "Att": "dotted"}


def test_resource_of_the_general_type_has_the_attributes_of_its_response(bench: Bench) -> None:
    bench.functions.handler = lambda _: {"Data": {"Key": "x"}}
    resource = thing(type_name=CUSTOM, ServiceToken=FUNCTION_ARN)
    outputs = {"O": {"Value": {"Fn::Sub": "${C.Key}"}}}

    assert bench.create("s", {"C": resource}, Outputs=outputs) == "CREATE_COMPLETE"
    assert bench.outputs("s") == {"O": "x"}


def test_failed_response_rolls_back_with_its_reason_and_a_delete(bench: Bench) -> None:
    def handler(event: dict[str, Any]) -> dict[str, Any]:
        if event["RequestType"] == "Create":
            return {"Status": "FAILED", "Reason": "no luck", "PhysicalResourceId": "half"}
        return {}

    bench.functions.handler = handler

    assert bench.create("s", {"C": custom()}) == "ROLLBACK_COMPLETE"
    assert "Message returned: no luck" in bench.reason("s", "C", "CREATE_FAILED")
    assert _kinds(bench) == ["Create", "Delete"]
    assert bench.functions.events[1]["PhysicalResourceId"] == "half"


def test_unchanged_properties_send_no_request(bench: Bench) -> None:
    bench.create("s", {"C": custom(V=1), "A": thing(Size=1)})
    bench.update("s", {"C": custom(V=1), "A": thing(Size=2)})

    assert _kinds(bench) == ["Create"]


def test_update_sends_old_and_new_properties(bench: Bench) -> None:
    bench.create("s", {"C": custom(V=1)})

    assert bench.update("s", {"C": custom(V=2)}) == "UPDATE_COMPLETE"
    event = bench.functions.events[1]
    assert (event["OldResourceProperties"]["V"], event["ResourceProperties"]["V"]) == ("1", "2")
    assert event["PhysicalResourceId"] == "made-1"
    assert _kinds(bench) == ["Create", "Update"]


def test_new_physical_id_on_update_deletes_the_old_one_last(bench: Bench) -> None:
    bench.functions.handler = _named_by_version
    bench.create("s", {"C": custom(V=1), "A": thing(Size={"Ref": "C"})})

    assert bench.update("s", {"C": custom(V=2), "A": thing(Size={"Ref": "C"})}) == "UPDATE_COMPLETE"

    assert bench.things.requests[-1].properties["Size"] == "id-2"
    last = bench.functions.events[-1]
    assert (last["RequestType"], last["PhysicalResourceId"]) == ("Delete", "id-1")
    assert last["ResourceProperties"]["V"] == "1"


def test_rolled_back_update_sends_former_properties(bench: Bench) -> None:
    bench.functions.handler = _named_by_version
    bench.create("s", {"C": custom(V=1)})

    status = bench.update("s", {"C": custom(V=2), "B": thing(Fail="create", depends_on=["C"])})

    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert _kinds(bench) == ["Create", "Update", "Update", "Delete"]
    back, gone = bench.functions.events[2:]
    assert (back["OldResourceProperties"]["V"], back["ResourceProperties"]["V"]) == ("2", "1")
    assert gone["PhysicalResourceId"] == "id-2"
    (line,) = bench.cfn.describe_stack_resources(StackName="s", LogicalResourceId="C")["StackResources"]  # fmt: skip # noqa: E501
    assert line["PhysicalResourceId"] == "id-1"


def test_failed_update_with_another_physical_id_is_updated_back_and_deleted(bench: Bench) -> None:
    def handler(event: dict[str, Any]) -> dict[str, Any]:
        fails = event["RequestType"] == "Update" and event["ResourceProperties"]["V"] == "2"
        return ({"Status": "FAILED"} if fails else {}) | _named_by_version(event)

    bench.functions.handler = handler
    bench.create("s", {"C": custom(V=1)})

    assert bench.update("s", {"C": custom(V=2)}) == "UPDATE_ROLLBACK_COMPLETE"

    sent = [(e["RequestType"], e.get("PhysicalResourceId")) for e in bench.functions.events[1:]]
    assert sent == [("Update", "id-1"), ("Update", "id-2"), ("Delete", "id-2")]
    assert bench.functions.events[-1]["ResourceProperties"]["V"] == "2"


def test_failed_update_with_the_same_physical_id_deletes_nothing(bench: Bench) -> None:
    bench.functions.handler = lambda event: (
        {"Status": "FAILED"} if event["ResourceProperties"]["V"] == "2" else {}
    )
    bench.create("s", {"C": custom(V=1)})

    assert bench.update("s", {"C": custom(V=2)}) == "UPDATE_ROLLBACK_COMPLETE"
    assert _kinds(bench) == ["Create", "Update", "Update"]


def test_missing_response_times_out_in_virtual_time(bench: Bench) -> None:
    requested = threading.Event()

    def handler(event: dict[str, Any]) -> dict[str, Any] | None:
        requested.set()
        return {} if event["RequestType"] == "Delete" else None

    bench.functions.handler = handler
    bench.cfn.create_stack(StackName="s", TemplateBody=_body(custom(ServiceTimeout=600)))
    requested.wait(180)
    bench.cloud.clock.advance(601)

    assert bench.status("s") == "ROLLBACK_COMPLETE"
    assert "did not receive a response" in bench.reason("s", "C", "CREATE_FAILED")
    assert bench.functions.events[1]["PhysicalResourceId"].startswith("s-C-")


def test_failed_invocation_fails_immediately_with_the_functions_error(bench: Bench) -> None:
    def handler(event: dict[str, Any]) -> dict[str, Any]:
        if event["RequestType"] == "Create":
            raise RuntimeError("KeyError: 'Bucket'")
        return {}

    bench.functions.handler = handler

    assert bench.create("s", {"C": custom()}) == "ROLLBACK_COMPLETE"
    assert "KeyError: 'Bucket'" in bench.reason("s", "C", "CREATE_FAILED")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"Data": {"x": "y" * 5000}}, "Response object is too long"),
        ({"Status": "MAYBE"}, "Status must be SUCCESS or FAILED"),
        ({"Status": None}, "Status must be SUCCESS or FAILED"),
        ({"RequestId": "another"}, "RequestId must be the request's own"),
        ({"RequestId": None}, "RequestId must be the request's own"),
        ({"StackId": "another"}, "StackId must be the request's own"),
        ({"LogicalResourceId": None}, "LogicalResourceId must be the request's own"),
        ({"PhysicalResourceId": ""}, "Invalid PhysicalResourceId"),
        ({"PhysicalResourceId": None}, "Invalid PhysicalResourceId"),
        ({"PhysicalResourceId": "x" * 1025}, "Invalid PhysicalResourceId"),
        ({"Data": ["x"]}, "Data must be an object"),
        ({"Data": []}, "Data must be an object"),
    ],
)
def test_invalid_response_fails_the_resource(
    bench: Bench, answer: dict[str, Any], message: str
) -> None:
    bench.functions.handler = lambda e: answer if e["RequestType"] == "Create" else {}

    assert bench.create("s", {"C": custom()}) == "ROLLBACK_COMPLETE"
    assert message in bench.reason("s", "C", "CREATE_FAILED")


def test_topic_as_service_token_is_refused_by_name(bench: Bench) -> None:
    resource = thing(type_name="Custom::Thing", ServiceToken="arn:aws:sns:us-east-1:1:topic")

    assert bench.create("s", {"C": resource}) == "ROLLBACK_COMPLETE"
    assert "such as an SNS topic" in bench.reason("s", "C", "CREATE_FAILED")


def test_failure_of_another_resource_cancels_the_wait_and_deletes(bench: Bench) -> None:
    requested = threading.Event()

    def handler(event: dict[str, Any]) -> dict[str, Any] | None:
        requested.set()
        return {} if event["RequestType"] == "Delete" else None

    bench.functions.handler = handler
    bench.things.before_create = lambda _: requested.wait(180) and None

    status = bench.create("s", {"C": custom(), "B": thing(Fail="create")})

    assert status == "ROLLBACK_COMPLETE"
    assert bench.reason("s", "C", "CREATE_FAILED") == "Resource creation cancelled"
    assert _kinds(bench) == ["Create", "Delete"]
    assert put(bench.cloud, bench.functions.events[0], {}) == 200  # the function does not know it


def test_service_token_may_not_change(bench: Bench) -> None:
    bench.create("s", {"C": custom()})
    other = thing(type_name="Custom::Thing", ServiceToken=FUNCTION_ARN + "2")

    bench.update("s", {"C": other})

    assert bench.reason("s", "C", "UPDATE_FAILED") == "Modifying service token is not allowed."


def test_late_and_repeated_responses_are_accepted_and_have_no_effect(bench: Bench) -> None:
    def handler(event: dict[str, Any]) -> dict[str, Any]:
        put(bench.cloud, event, {"PhysicalResourceId": "first"})
        return {"Status": "FAILED", "Reason": "second thoughts", "PhysicalResourceId": "second"}

    bench.functions.handler = handler

    assert bench.create("s", {"C": custom()}) == "CREATE_COMPLETE"
    (line,) = bench.cfn.describe_stack_resources(StackName="s")["StackResources"]
    assert line["PhysicalResourceId"] == "first"
    # The URL is an S3 object's on AWS: it takes any number of objects until it expires.
    assert put(bench.cloud, bench.functions.events[0], {}) == 200
    unknown = bench.functions.events[0] | {"ResponseURL": "http://x/_sageloop/cfn-response/none"}
    assert put(bench.cloud, unknown, {}) == 403


def test_failed_delete_keeps_the_stack_and_its_reason(bench: Bench) -> None:
    bench.create("s", {"C": custom()})
    bench.functions.handler = lambda _: {"Status": "FAILED", "Reason": "still busy"}

    assert bench.delete("s") == "DELETE_FAILED"
    assert "still busy" in bench.reason("s", "C", "DELETE_FAILED")


def test_response_of_4096_bytes_and_id_of_1024_are_accepted(bench: Bench) -> None:
    def handler(event: dict[str, Any]) -> dict[str, Any]:
        answer = {"PhysicalResourceId": "x" * 1024, "Data": {"x": ""}}
        size = len(json.dumps(response_of(event, answer)))
        return answer | {"Data": {"x": "y" * (4096 - size)}}

    bench.functions.handler = handler

    assert bench.create("s", {"C": custom()}) == "CREATE_COMPLETE"


def test_failed_create_without_an_id_is_deleted_by_a_generated_one(bench: Bench) -> None:
    bench.functions.handler = lambda e: (
        {"Status": "FAILED", "Reason": "no", "PhysicalResourceId": None}
        if e["RequestType"] == "Create"
        else {}
    )

    assert bench.create("s", {"C": custom()}) == "ROLLBACK_COMPLETE"
    assert _kinds(bench) == ["Create", "Delete"]
    assert bench.functions.events[1]["PhysicalResourceId"].startswith("s-C-")


def test_failed_update_is_updated_back_to_the_former_properties(bench: Bench) -> None:
    def handler(event: dict[str, Any]) -> dict[str, Any]:
        failed = event["ResourceProperties"]["V"] == "2"
        return {"Status": "FAILED", "Reason": "not two"} if failed else {}

    bench.functions.handler = handler
    bench.create("s", {"C": custom(V=1)})

    assert bench.update("s", {"C": custom(V=2)}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "Message returned: not two" in bench.reason("s", "C", "UPDATE_FAILED")
    assert _kinds(bench) == ["Create", "Update", "Update"]
    back = bench.functions.events[2]
    assert (back["OldResourceProperties"]["V"], back["ResourceProperties"]["V"]) == ("2", "1")
    assert back["PhysicalResourceId"] == "made-1"


def test_every_request_has_the_members_that_aws_documents(bench: Bench) -> None:
    bench.create("s", {"C": custom(V=1)})
    bench.update("s", {"C": custom(V=2)})
    bench.delete("s")

    common = {
        "RequestType", "RequestId", "ResponseURL", "ResourceType", "LogicalResourceId", "StackId",
        "ServiceToken", "ResourceProperties",
    }  # fmt: skip
    create, update, delete = bench.functions.events
    assert create.keys() == common
    assert update.keys() == common | {"PhysicalResourceId", "OldResourceProperties"}
    assert delete.keys() == common | {"PhysicalResourceId"}
    assert len({event["RequestId"] for event in bench.functions.events}) == 3
    assert delete["ResourceProperties"]["V"] == "2"


@pytest.mark.parametrize("data", [{}, {"Other": "x"}, {"Key": None}])
def test_attribute_that_the_response_lacks_fails_the_resource_that_uses_it(
    bench: Bench, data: dict[str, Any]
) -> None:
    bench.functions.handler = lambda _: {"Data": data}

    status = bench.create("s", {"C": custom(), "A": thing(Size={"Fn::GetAtt": ["C", "Key"]})})

    assert status == "ROLLBACK_COMPLETE"
    assert bench.reason("s", "A", "CREATE_FAILED") == (
        "CustomResource attribute error: Vendor response doesn't contain Key attribute in object C"
    )
    assert _kinds(bench) == ["Create", "Delete"]


def test_update_without_data_removes_the_attributes(bench: Bench) -> None:
    bench.functions.handler = lambda e: (
        {"Data": {"Key": "x"}} if e["RequestType"] == "Create" else {}
    )
    uses = thing(Size={"Fn::GetAtt": ["C", "Key"]})
    bench.create("s", {"C": custom(V=1), "A": uses})

    assert bench.update("s", {"C": custom(V=2), "A": uses}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "doesn't contain Key attribute" in bench.reason("s", "A", "UPDATE_FAILED")


@pytest.mark.parametrize("seconds", [0, 3601, "soon", 1.5])
def test_service_timeout_out_of_bounds_is_refused(bench: Bench, seconds: Any) -> None:
    assert bench.create("s", {"C": custom(ServiceTimeout=seconds)}) == "ROLLBACK_COMPLETE"

    assert bench.reason("s", "C", "CREATE_FAILED") == (
        f"ServiceTimeout must be 1 to 3600 seconds, got {seconds}"
    )
    assert bench.functions.events == []


def test_delete_that_times_out_fails_in_virtual_time(bench: Bench) -> None:
    requested = threading.Event()

    def handler(event: dict[str, Any]) -> dict[str, Any] | None:
        if event["RequestType"] == "Delete":
            requested.set()
            return None
        return {}

    bench.functions.handler = handler
    bench.create("s", {"C": custom(ServiceTimeout=60)})
    bench.cfn.delete_stack(StackName="s")
    requested.wait(180)
    bench.cloud.clock.advance(61)

    assert bench.status("s") == "DELETE_FAILED"
    assert "did not receive a response" in bench.reason("s", "C", "DELETE_FAILED")


def _named_by_version(event: dict[str, Any]) -> dict[str, Any]:
    if event["RequestType"] == "Delete":
        return {}
    return {"PhysicalResourceId": f"id-{event['ResourceProperties']['V']}"}


def _body(resource: dict[str, Any]) -> str:
    from tests.local.cloudformation_harness import template

    return template({"C": resource})
