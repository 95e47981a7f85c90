from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.cloudformation.cancellation import Cancellation
from sageloop.local_cloud.cloudformation.resource_operations import ResourceOperations
from sageloop.local_cloud.cloudformation.state import Record
from tests.local.cloudformation_harness import (
    THING,
    Bench,
    bench,
    made,
    make_bench,
    template,
    thing,
)
from tests.local.roles import CLOUDFORMATION, USER, delete_role, make_role, trust

__all__ = ["bench", "made"]


REF_A = {"Ref": "A"}
ARN_A = {"Fn::GetAtt": ["A", "Arn"]}


def test_create_resolves_references_and_outputs(bench: Bench) -> None:
    outputs = {"Arn": {"Value": ARN_A}, "Part": {"Value": {"Fn::GetAtt": "A.Nested.Part"}}}

    status = bench.create("s", {"A": thing(Name="a"), "B": thing(Size=ARN_A)}, Outputs=outputs)

    assert status == "CREATE_COMPLETE"
    assert bench.outputs("s") == {"Arn": "arn:a", "Part": "p"}
    assert bench.things.requests[1].properties == {"Size": "arn:a"}
    assert bench.events("s", "A") == ["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]


def test_attribute_may_be_a_property(bench: Bench) -> None:
    outputs = {"Size": {"Value": {"Fn::GetAtt": ["A", "Size"]}}}

    assert bench.create("s", {"A": thing(Size=7)}, Outputs=outputs) == "CREATE_COMPLETE"
    assert bench.outputs("s") == {"Size": "7"}


def test_unrelated_resources_are_created_at_once(bench: Bench) -> None:
    together = threading.Barrier(3, timeout=10)
    bench.things.before_create = lambda _: together.wait() and None

    assert bench.create("s", {n: thing() for n in "ABC"}) == "CREATE_COMPLETE"


def test_physical_names_contain_stack_and_logical_id_within_the_limit(bench: Bench) -> None:
    bench.create("a-very-long-stack-name-that-must-be-cut", {"Logical": thing()})

    (name,) = bench.things.alive
    assert len(name) <= 40
    assert "-Logical-" in name


def test_failed_create_rolls_back_and_names_the_reason(bench: Bench) -> None:
    status = bench.create("s", {"A": thing(), "B": thing(Fail="create", Size=REF_A)})

    assert status == "ROLLBACK_COMPLETE"
    assert bench.things.alive == {}
    assert 'message: "B must not create"' in bench.reason("s", "B", "CREATE_FAILED")
    reason = bench.reason("s", "s", "ROLLBACK_IN_PROGRESS")
    assert reason == (
        "The following resource(s) failed to create: [B]. Rollback requested by user."
    )


def test_resource_completed_after_a_failure_is_cancelled(bench: Bench) -> None:
    context = bench.cloud.service("cloudformation").context
    stack = context.store.add("s", "us-east-1", "123456789012", context.now())
    cancel = Cancellation()
    work = ResourceOperations(context, stack, tags={}, cancel=cancel)
    cancel()

    assert not work.create(Record(logical_id="A", type_name=THING, physical_id=""))
    assert bench.reason("s", "A", "CREATE_FAILED") == "Resource creation cancelled"
    assert stack.records["A"].physical_id in bench.things.alive


def test_failed_create_is_preserved_and_rolled_back_on_request(bench: Bench) -> None:
    body = template({"A": thing(), "B": thing(Fail="create", Size=REF_A)})
    bench.cfn.create_stack(StackName="s", TemplateBody=body, DisableRollback=True)
    assert bench.status("s") == "CREATE_FAILED"
    assert len(bench.things.alive) == 1

    bench.cfn.rollback_stack(StackName="s")

    assert bench.status("s") == "ROLLBACK_COMPLETE"
    assert bench.things.alive == {}


def test_preserved_failed_create_can_be_updated(bench: Bench) -> None:
    body = template({"A": thing(Name="a"), "B": thing(Fail="create", Size=REF_A)})
    bench.cfn.create_stack(StackName="s", TemplateBody=body, DisableRollback=True)
    assert bench.status("s") == "CREATE_FAILED"

    assert bench.update("s", {"A": thing(Name="a"), "B": thing(Name="b")}) == "UPDATE_COMPLETE"
    assert set(bench.things.alive) == {"a", "b"}


def test_on_failure_delete_deletes_the_stack(bench: Bench) -> None:
    body = template({"A": thing(Fail="create")})
    made = bench.cfn.create_stack(StackName="s", TemplateBody=body, OnFailure="DELETE")

    assert bench.status(made["StackId"]) == "DELETE_COMPLETE"


def test_update_in_place_keeps_the_physical_id(bench: Bench) -> None:
    bench.create("s", {"A": thing(Size=1)})
    before = list(bench.things.alive)

    assert bench.update("s", {"A": thing(Size=2)}) == "UPDATE_COMPLETE"
    assert list(bench.things.alive) == before
    request = bench.things.requests[-1]
    assert (request.previous["Size"], request.properties["Size"]) == (1, 2)


def test_replacement_precedes_dependents_and_old_resource_is_deleted_last(
    bench: Bench,
) -> None:
    bench.create("s", {"A": thing(Fixed=1), "B": thing(Size=REF_A)})
    (old,) = (r["PhysicalResourceId"] for r in _resources(bench) if r["LogicalResourceId"] == "A")
    bench.things.log.clear()

    assert bench.update("s", {"A": thing(Fixed=2), "B": thing(Size=REF_A)}) == "UPDATE_COMPLETE"

    assert bench.things.log == [("create", "A"), ("update", "B"), ("delete", "A")]
    assert old not in bench.things.alive
    assert bench.things.requests[-1].properties["Size"] != old
    assert "DELETE_COMPLETE" in bench.events("s", "A")


def test_replacement_under_a_fixed_name_is_refused(bench: Bench) -> None:
    bench.create("s", {"A": thing(Name="a", Fixed=1)})

    assert bench.update("s", {"A": thing(Name="a", Fixed=2)}) == "UPDATE_ROLLBACK_COMPLETE"
    assert "custom-named resource requires replacing" in bench.reason("s", "A", "UPDATE_FAILED")


def test_failed_update_restores_updated_replaced_and_new_resources(bench: Bench) -> None:
    good = {"A": thing(Size=1), "B": thing(Fixed=1)}
    bench.create("s", good, Outputs={"O": {"Value": "one"}})
    before = {k: dict(v) for k, v in bench.things.alive.items()}
    bad = {
        "A": thing(Size=2), "B": thing(Fixed=2, depends_on=["A"]),
        "N": thing(depends_on=["B"]), "Z": thing(Fail="create", depends_on=["N"]),
    }  # fmt: skip

    assert bench.update("s", bad, Outputs={"O": {"Value": "two"}}) == "UPDATE_ROLLBACK_COMPLETE"
    assert bench.things.alive == before
    assert bench.outputs("s") == {"O": "one"}
    kept = json.loads(json.dumps(bench.cfn.get_template(StackName="s")["TemplateBody"]))
    assert kept["Resources"].keys() == good.keys()
    assert "failed to create: [Z]" in bench.reason("s", "s", "UPDATE_ROLLBACK_IN_PROGRESS")


def test_update_without_rollback_stays_failed_and_can_be_rolled_back(bench: Bench) -> None:
    bench.create("s", {"A": thing(Size=1)})
    bad = {"A": thing(Size=2), "B": thing(Fail="create", depends_on=["A"])}
    assert bench.update("s", bad, disable_rollback=True) == "UPDATE_FAILED"

    bench.cfn.rollback_stack(StackName="s")

    assert bench.status("s") == "UPDATE_ROLLBACK_COMPLETE"
    assert [p["Size"] for p in bench.things.alive.values()] == [1]


def test_failed_rollback_can_skip_the_failed_resource(bench: Bench) -> None:
    bench.create("s", {"A": thing(Size=1)})
    bench.things.broken_updates = True
    assert bench.update("s", {"A": thing(Size=2)}) == "UPDATE_ROLLBACK_FAILED"

    bench.cfn.continue_update_rollback(StackName="s", ResourcesToSkip=["A"])

    assert bench.status("s") == "UPDATE_ROLLBACK_COMPLETE"


def test_removed_resource_is_deleted_in_the_clean_up(bench: Bench) -> None:
    bench.create("s", {"A": thing(Name="a"), "B": thing(Name="b")})

    assert bench.update("s", {"A": thing(Name="a")}) == "UPDATE_COMPLETE"
    assert set(bench.things.alive) == {"a"}
    assert [r["LogicalResourceId"] for r in _resources(bench)] == ["A"]
    assert "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" in bench.events("s", "s")


def test_delete_follows_the_reverse_dependency_order(bench: Bench) -> None:
    bench.create("s", {"A": thing(), "B": thing(Size=REF_A), "C": thing(Size={"Ref": "B"})})
    bench.things.log.clear()

    assert bench.delete("s") == "DELETE_COMPLETE"
    assert [name for _, name in bench.things.log] == ["C", "B", "A"]
    with pytest.raises(ClientError, match="Stack with id s does not exist"):
        bench.stack("s")


def test_failed_delete_keeps_dependencies_and_can_be_repeated(bench: Bench) -> None:
    bench.create("s", {"A": thing(), "B": thing(Size=REF_A), "C": thing()})
    bench.things.undeletable.add("B")

    assert bench.delete("s") == "DELETE_FAILED"
    assert len(bench.things.alive) == 2
    assert "[B]" in bench.stack("s")["StackStatusReason"]

    stack_id = bench.stack("s")["StackId"]
    bench.cfn.delete_stack(StackName="s", RetainResources=["B"])
    assert bench.status(stack_id) == "DELETE_COMPLETE"


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate", "Snapshot"])
def test_deletion_policy_keeps_the_resource(bench: Bench, policy: str) -> None:
    bench.create("s", {"A": thing(Name="a", policies={"DeletionPolicy": policy})})
    stack_id = bench.stack("s")["StackId"]

    assert bench.delete("s") == "DELETE_COMPLETE"
    assert "a" in bench.things.alive
    assert "DELETE_SKIPPED" in bench.events(stack_id, "A")


@pytest.mark.parametrize(("policy", "left"), [("Retain", 1), ("RetainExceptOnCreate", 0)])
def test_deletion_policy_when_the_creation_is_rolled_back(
    bench: Bench, policy: str, left: int
) -> None:
    kept = thing(policies={"DeletionPolicy": policy})
    bench.create("s", {"A": kept, "B": thing(Fail="create", Size=REF_A)})

    assert len(bench.things.alive) == left


def test_update_replace_policy_keeps_the_old_one(bench: Bench) -> None:
    policies = {"UpdateReplacePolicy": "Retain"}
    bench.create("s", {"A": thing(Name="a", policies=policies)})

    assert bench.update("s", {"A": thing(Name="b", policies=policies)}) == "UPDATE_COMPLETE"
    assert set(bench.things.alive) == {"a", "b"}


def test_every_unsupported_part_is_listed_and_nothing_created(bench: Bench) -> None:
    resources = {n: thing(type_name=f"Test::Unknown::{n}") for n in "XY"} | {"A": thing()}

    with pytest.raises(ClientError, match=r"(?s)Test::Unknown::X.*Test::Unknown::Y"):
        bench.create("s", resources)
    assert bench.things.alive == {}
    with pytest.raises(ClientError, match="does not exist"):
        bench.stack("s")


def test_type_allowed_by_name_is_stored_only() -> None:
    bench = make_bench(frozenset(["Test::Unknown::X"]))
    outputs = {"O": {"Value": {"Fn::GetAtt": ["X", "Colour"]}}}
    try:
        resources = {"X": thing(type_name="Test::Unknown::X")}
        assert bench.create("s", resources, Outputs=outputs) == "CREATE_COMPLETE"
        assert bench.outputs("s")["O"].endswith(".Colour")
    finally:
        bench.cloud.stop()


def test_exports_are_shared_and_cannot_be_deleted_while_in_use(bench: Bench) -> None:
    outputs = {"O": {"Value": ARN_A, "Export": {"Name": "the-arn"}}}
    bench.create("p", {"A": thing(Name="a")}, Outputs=outputs)
    bench.create("c", {"B": thing(Size={"Fn::ImportValue": "the-arn"})})

    assert bench.things.requests[-1].properties["Size"] == "arn:a"
    assert bench.cfn.list_imports(ExportName="the-arn")["Imports"] == ["c"]
    assert bench.delete("p") == "DELETE_FAILED"
    assert (
        "Cannot delete export the-arn as it is in use by c."
        in bench.stack("p")["StackStatusReason"]
    )
    assert bench.delete("c") == "DELETE_COMPLETE"
    assert bench.delete("p") == "DELETE_COMPLETE"


def test_export_in_use_cannot_change(bench: Bench) -> None:
    def outputs(value: str) -> dict[str, Any]:
        return {"O": {"Value": value, "Export": {"Name": "e"}}}

    bench.create("p", {"A": thing()}, Outputs=outputs("1"))
    bench.create("c", {"B": thing(Size={"Fn::ImportValue": "e"})})

    assert bench.update("p", {"A": thing()}, Outputs=outputs("2")) == "UPDATE_ROLLBACK_COMPLETE"
    assert bench.outputs("p") == {"O": "1"}


def test_missing_import_fails_the_resource_with_its_name(bench: Bench) -> None:
    bench.create("s", {"A": thing(Size={"Fn::ImportValue": "nothing"})})

    assert bench.reason("s", "A", "CREATE_FAILED") == "No export named nothing found."


def test_termination_protection_refuses_the_delete(bench: Bench) -> None:
    bench.create("s", {"A": thing()})
    bench.cfn.update_termination_protection(StackName="s", EnableTerminationProtection=True)

    with pytest.raises(ClientError, match="while TerminationProtection is enabled"):
        bench.cfn.delete_stack(StackName="s")


def test_rule_that_fails_names_its_description(bench: Bench) -> None:
    rules = {
        "Version": {
            "Assertions": [
                {
                    "Assert": {"Fn::Not": [{"Fn::Contains": [["1", "2"], {"Ref": "V"}]}]},
                    "AssertDescription": "bootstrap stack version 6 required",
                }
            ]
        }
    }
    parameters = {"V": {"Type": "String", "Default": "1"}}

    with pytest.raises(ClientError, match="version 6 required"):
        bench.create("s", {"A": thing()}, Rules=rules, Parameters=parameters)
    parameters["V"]["Default"] = "30"
    assert (
        bench.create("s", {"A": thing()}, Rules=rules, Parameters=parameters) == "CREATE_COMPLETE"
    )


def test_stack_tags_apply_to_resources_and_their_change_updates(bench: Bench) -> None:
    body = template({"A": thing()})
    bench.cfn.create_stack(StackName="s", TemplateBody=body, Tags=[{"Key": "k", "Value": "1"}])
    bench.status("s")
    assert bench.things.requests[-1].tags == {"k": "1"}

    bench.cfn.update_stack(StackName="s", TemplateBody=body, Tags=[{"Key": "k", "Value": "2"}])
    assert bench.status("s") == "UPDATE_COMPLETE"
    assert bench.things.requests[-1].tags == {"k": "2"}


def test_calls_are_made_as_the_stacks_role(bench: Bench) -> None:
    iam = bench.cloud.client("iam", principal=USER)
    role = make_role(iam, "deployer", trust(CLOUDFORMATION))
    bench.things.before_create = lambda r: r.client("sts").get_caller_identity() and None
    bench.cfn.create_stack(StackName="s", TemplateBody=template({"A": thing()}), RoleARN=role)
    bench.status("s")

    (call,) = bench.cloud.recorder.calls(action="sts:GetCallerIdentity")
    assert call.principal.endswith("assumed-role/deployer/service")
    delete_role(iam, "deployer")


def test_iam_resources_need_the_capability(bench: Bench) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r"}}
    stored = make_bench(frozenset(["AWS::IAM::Role"]))
    try:
        with pytest.raises(ClientError, match="CAPABILITY_NAMED_IAM"):
            stored.create("s", {"R": role})
    finally:
        stored.cloud.stop()


def test_running_update_can_be_cancelled(bench: Bench) -> None:
    bench.create("s", {"A": thing(Name="a")})
    entered, go = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        entered.set()
        go.wait(180)

    bench.things.before_create = hold
    changed = template({"A": thing(Name="a"), "B": thing()})
    bench.cfn.update_stack(StackName="s", TemplateBody=changed)
    entered.wait(180)
    with pytest.raises(ClientError, match="UPDATE_IN_PROGRESS state and can not be updated"):
        bench.cfn.update_stack(StackName="s", TemplateBody=template({"A": thing()}))

    bench.cfn.cancel_update_stack(StackName="s")
    go.set()

    assert bench.status("s") == "UPDATE_ROLLBACK_COMPLETE"
    assert set(bench.things.alive) == {"a"}


def test_every_operation_records_its_duration(bench: Bench) -> None:
    bench.create("s", {"A": thing()})
    bench.delete("s")

    kinds = [kind for _, kind, _ in bench.cloud.service("cloudformation").durations]
    assert kinds == ["CREATE", "DELETE"]


def _resources(bench: Bench) -> list[dict[str, Any]]:
    return list(bench.cfn.describe_stack_resources(StackName="s")["StackResources"])
