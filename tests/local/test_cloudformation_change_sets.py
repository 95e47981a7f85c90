from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.cloudformation_harness import Bench, bench, custom, made, template, thing
from tests.local.roles import CLOUDFORMATION, USER, delete_role, make_role, trust

__all__ = ["bench", "made"]


def _changes(change_set: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {
        c["ResourceChange"]["LogicalResourceId"]: (
            c["ResourceChange"]["Action"],
            c["ResourceChange"].get("Replacement"),
        )
        for c in change_set["Changes"]
    }


def test_first_change_set_creates_the_stack_in_review(bench: Bench) -> None:
    made = bench.change_set("s", {"A": thing(Name="a")}, kind="CREATE")
    assert bench.status("s") == "REVIEW_IN_PROGRESS"
    assert (made["Status"], made["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert _changes(made) == {"A": ("Add", None)}

    bench.cfn.execute_change_set(ChangeSetName=made["ChangeSetId"])

    assert bench.status("s") == "CREATE_COMPLETE"
    assert set(bench.things.alive) == {"a"}


def test_stack_without_active_resources_is_created(bench: Bench) -> None:
    never = {"Never": {"Fn::Equals": ["a", "b"]}}

    made = bench.change_set(
        "s", {"A": thing() | {"Condition": "Never"}}, kind="CREATE", Conditions=never
    )
    bench.cfn.execute_change_set(ChangeSetName=made["ChangeSetId"])

    assert bench.status("s") == "CREATE_COMPLETE"
    assert bench.things.alive == {}


def test_stack_of_a_change_set_has_the_time_of_its_update(bench: Bench) -> None:
    made = bench.change_set("s", {"A": thing()}, kind="CREATE")
    assert "LastUpdatedTime" not in bench.stack("s")

    bench.cfn.execute_change_set(ChangeSetName=made["ChangeSetId"])

    assert bench.status("s") == "CREATE_COMPLETE"
    assert bench.stack("s")["LastUpdatedTime"] >= bench.stack("s")["CreationTime"]


def test_unchanged_template_fails_the_change_set_with_aws_message(bench: Bench) -> None:
    bench.create("s", {"A": thing(Size=1)})

    made = bench.change_set("s", {"A": thing(Size=1)})

    assert made["Status"] == "FAILED"
    assert made["StatusReason"] == (
        "The submitted information didn't contain changes. Submit different information to "
        "create a change set."
    )
    with pytest.raises(ClientError, match="cannot be executed"):
        bench.cfn.execute_change_set(ChangeSetName=made["ChangeSetId"])
    with pytest.raises(ClientError, match="No updates are to be performed"):
        bench.update("s", {"A": thing(Size=1)})


def test_changes_contain_replacement_and_dependent_changes(bench: Bench) -> None:
    arn = {"Fn::GetAtt": ["A", "Arn"]}
    bench.create(
        "s", {"A": thing(Fixed=1), "B": thing(Fixed=arn), "C": thing(Size=1), "D": thing()}
    )

    made = bench.change_set("s", {"A": thing(Fixed=2), "B": thing(Fixed=arn), "C": thing(Size=2)})

    assert _changes(made) == {
        "A": ("Modify", "True"), "B": ("Modify", "True"), "C": ("Modify", "False"),
        "D": ("Remove", None),
    }  # fmt: skip
    (detail,) = made["Changes"][0]["ResourceChange"]["Details"]
    assert detail["Target"]["RequiresRecreation"] == "Always"
    assert (detail["Target"]["BeforeValue"], detail["Target"]["AfterValue"]) == ("1", "2")
    assert made["Changes"][0]["ResourceChange"]["PolicyAction"] == "ReplaceAndDelete"


def test_attribute_of_a_changed_custom_resource_makes_replacement_conditional(
    bench: Bench,
) -> None:
    bench.functions.handler = lambda _: {"Data": {"Out": "x"}}
    out = {"Fn::GetAtt": ["C", "Out"]}
    bench.create("s", {"C": custom(V=1), "B": thing(Fixed=out)})

    made = bench.change_set("s", {"C": custom(V=2), "B": thing(Fixed=out)})

    assert _changes(made)["B"] == ("Modify", "Conditional")


@pytest.mark.parametrize("member", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_changed_policy_is_shown_by_its_own_name(bench: Bench, member: str) -> None:
    bench.create("s", {"A": thing(Size=1)})

    (change,) = bench.change_set("s", {"A": thing(Size=1, policies={member: "Retain"})})["Changes"]

    assert change["ResourceChange"]["Scope"] == [member]
    (detail,) = change["ResourceChange"]["Details"]
    assert detail["Target"]["Attribute"] == member


def test_changed_output_is_a_change(bench: Bench) -> None:
    bench.create("s", {"A": thing()})

    made = bench.change_set("s", {"A": thing()}, Outputs={"O": {"Value": "new"}})

    assert made["Status"] == "CREATE_COMPLETE"
    assert made["Changes"] == []
    bench.cfn.execute_change_set(ChangeSetName=made["ChangeSetId"])
    assert bench.status("s") == "UPDATE_COMPLETE"
    assert bench.outputs("s") == {"O": "new"}


def test_values_are_returned_on_request_only(bench: Bench) -> None:
    made = bench.change_set("s", {"A": thing(Size=1)}, kind="CREATE")

    bare = bench.cfn.describe_change_set(ChangeSetName=made["ChangeSetId"])

    assert "AfterContext" in made["Changes"][0]["ResourceChange"]
    assert "AfterContext" not in bare["Changes"][0]["ResourceChange"]


def test_change_set_is_computed_as_the_role_of_its_request(bench: Bench) -> None:
    iam = bench.cloud.client("iam", principal=USER)
    role = make_role(iam, "planner", trust(CLOUDFORMATION))
    zones = thing(Size={"Fn::GetAZs": ""})

    with pytest.raises(ClientError, match="assumed-role/planner/service is not authorized"):
        bench.cfn.create_change_set(
            StackName="s", ChangeSetName="set", ChangeSetType="CREATE",
            TemplateBody=template({"A": zones}), RoleARN=role,
        )  # fmt: skip

    assert bench.create("s", {"A": thing()}) == "CREATE_COMPLETE"
    bench.cfn.create_change_set(
        StackName="s", ChangeSetName="set", TemplateBody=template({"A": thing(Size=1)}),
        RoleARN=role,
    )  # fmt: skip
    assert "RoleARN" not in bench.stack("s")
    delete_role(iam, "planner")


def test_missing_import_fails_the_change_set_with_its_name(bench: Bench) -> None:
    made = bench.change_set("s", {"A": thing(Size={"Fn::ImportValue": "no"})}, kind="CREATE")

    assert (made["Status"], made["StatusReason"]) == ("FAILED", "No export named no found.")


def test_unsupported_template_leaves_no_stack_in_review(bench: Bench) -> None:
    with pytest.raises(ClientError, match="Test::Unknown::X"):
        bench.change_set("s", {"X": thing(type_name="Test::Unknown::X")}, kind="CREATE")

    with pytest.raises(ClientError, match="does not exist"):
        bench.stack("s")


def test_type_of_a_resource_may_not_change(bench: Bench) -> None:
    bench.create("s", {"A": thing()})

    with pytest.raises(ClientError, match="Update of resource type is not permitted"):
        bench.change_set("s", {"A": custom()})


def test_deleted_change_set_does_not_exist(bench: Bench) -> None:
    made = bench.change_set("s", {"A": thing()}, kind="CREATE")
    bench.cfn.delete_change_set(ChangeSetName="set", StackName="s")

    with pytest.raises(bench.cfn.exceptions.ChangeSetNotFoundException):
        bench.cfn.describe_change_set(ChangeSetName=made["ChangeSetId"])
    bench.cfn.delete_change_set(ChangeSetName="set", StackName="s")


def test_previous_parameter_values_are_kept(bench: Bench) -> None:
    declared = {"P": {"Type": "String"}}
    body = template({"A": thing(Size={"Ref": "P"})}, Parameters=declared)
    bench.cfn.create_stack(
        StackName="s", TemplateBody=body,
        Parameters=[{"ParameterKey": "P", "ParameterValue": "kept"}],
    )  # fmt: skip
    bench.status("s")

    bench.cfn.update_stack(
        StackName="s", UsePreviousTemplate=True, Tags=[{"Key": "a", "Value": "b"}],
        Parameters=[{"ParameterKey": "P", "UsePreviousValue": True}],
    )  # fmt: skip

    assert bench.status("s") == "UPDATE_COMPLETE"
    assert bench.things.requests[-1].properties["Size"] == "kept"


@pytest.mark.parametrize(
    "url",
    ["https://s3.us-east-1.amazonaws.com/templates/a/t.json",
     "http://127.0.0.1:4566/templates/a/t.json",
     "https://templates.s3.us-east-1.amazonaws.com/a/t.json"],
)  # fmt: skip
def test_template_is_read_from_any_s3_url(bench: Bench, url: str) -> None:
    s3 = bench.cloud.client("s3", principal=USER)
    s3.create_bucket(Bucket="templates")
    s3.put_object(Bucket="templates", Key="a/t.json", Body=template({"A": thing(Name="a")}))

    bench.cfn.create_stack(StackName="s", TemplateURL=url)

    assert bench.status("s") == "CREATE_COMPLETE"
    s3.delete_object(Bucket="templates", Key="a/t.json")
    s3.delete_bucket(Bucket="templates")


def test_events_are_paginated_newest_first(bench: Bench) -> None:
    bench.create("s", {f"T{n}": thing() for n in range(40)})

    event_lists = list(bench.cfn.get_paginator("describe_stack_events").paginate(StackName="s"))
    events = [e for listed in event_lists for e in listed["StackEvents"]]

    assert len(event_lists) > 1
    assert len({e["EventId"] for e in events}) == len(events) == 122
    assert events[0]["ResourceStatus"] == "CREATE_COMPLETE"
    assert len({e["OperationId"] for e in events}) == 1


def test_summary_contains_parameters_types_and_identifiers(bench: Bench) -> None:
    body = template({"A": thing()}, Parameters={"P": {"Type": "String", "Default": "d"}})

    actual = bench.cfn.get_template_summary(TemplateBody=body)

    assert actual["Parameters"][0]["DefaultValue"] == "d"
    assert actual["ResourceIdentifierSummaries"][0]["ResourceIdentifiers"] == ["Name"]


def test_import_of_resources_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(ClientError, match="ResourcesToImport is not supported"):
        bench.cfn.create_change_set(
            StackName="s", ChangeSetName="set", ChangeSetType="IMPORT", TemplateBody="{}",
            ResourcesToImport=[{"ResourceType": "X", "LogicalResourceId": "X",
                                "ResourceIdentifier": {"a": "b"}}],
        )  # fmt: skip


# requests that name a change set, a stack, or neither


def _refusal(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**request)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_template_of_a_change_set_is_read_by_its_id_only(bench: Bench) -> None:
    made = bench.change_set("s", {"A": thing(Name="a")}, kind="CREATE")

    by_id = bench.cfn.get_template(ChangeSetName=made["ChangeSetId"])
    by_name = bench.cfn.get_template(ChangeSetName=made["ChangeSetName"], StackName="s")

    assert by_id["TemplateBody"] == by_name["TemplateBody"]
    assert by_id["TemplateBody"]["Resources"] == {"A": thing(Name="a")}


@pytest.mark.parametrize("operation", ["get_template", "describe_change_set"])
def test_name_of_a_change_set_needs_its_stack(bench: Bench, operation: str) -> None:
    made = bench.change_set("s", {"A": thing(Name="a")}, kind="CREATE")

    refusal = _refusal(getattr(bench.cfn, operation), ChangeSetName=made["ChangeSetName"])

    assert refusal == (
        "ValidationError",
        "StackName must be specified if ChangeSetName is not specified as an ARN.",
    )


def test_change_set_of_another_stack_is_not_found(bench: Bench) -> None:
    made = bench.change_set("s", {"A": thing(Name="a")}, kind="CREATE")
    bench.create("other", {"A": thing(Name="b")})

    code, _ = _refusal(
        bench.cfn.get_template, ChangeSetName=made["ChangeSetName"], StackName="other"
    )

    assert code == "ChangeSetNotFound"


def test_template_and_events_without_a_name_are_refused(bench: Bench) -> None:
    assert _refusal(bench.cfn.get_template) == (
        "ValidationError", "StackName is required if ChangeSetName is not specified.",
    )  # fmt: skip
    assert _refusal(bench.cfn.describe_events) == (
        "ValidationError", "One of ChangeSetName, OperationId or StackName must be specified",
    )  # fmt: skip


def test_events_of_an_operation_are_read_by_its_id_only(bench: Bench) -> None:
    bench.create("s", {"A": thing(Name="a")})
    events = bench.cfn.describe_events(StackName="s")["OperationEvents"]

    by_id_only = bench.cfn.describe_events(OperationId=events[0]["OperationId"])

    assert by_id_only["OperationEvents"] == events
    assert bench.cfn.describe_events(OperationId="unknown")["OperationEvents"] == []
