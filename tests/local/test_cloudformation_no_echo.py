"""Values with NoEcho reach providers and are masked wherever CloudFormation shows values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local.cloudformation_harness import Bench, bench, custom, made, template, thing

DECLARED = {
    "Word": {"Type": "String", "NoEcho": True, "Default": "first-secret"},
    "Words": {"Type": "CommaDelimitedList", "NoEcho": "true", "Default": "one-secret,two-secret"},
    "Open": {"Type": "String", "Default": "open"},
}
SIZE = {
    "Plain": {"Ref": "Word"},
    "Inside": {"Fn::Sub": "x-${Word}-y"},
    "List": {"Ref": "Words"},
    "Open": {"Ref": "Open"},
}


__all__ = ["bench", "made"]


def everything_shown(bench: Bench) -> str:
    """All that the read operations return for the stack and its last change set."""
    cfn = bench.cfn
    shown: list[Any] = [
        cfn.describe_stacks(StackName="s")["Stacks"],
        cfn.describe_stack_events(StackName="s")["StackEvents"],
        cfn.list_stack_resources(StackName="s")["StackResourceSummaries"],
    ]
    for one in cfn.list_change_sets(StackName="s")["Summaries"]:
        shown.append(
            cfn.describe_change_set(ChangeSetName=one["ChangeSetId"], IncludePropertyValues=True)
        )
    return json.dumps(shown, default=str)


def properties_in_events(bench: Bench, logical_id: str) -> dict[str, Any]:
    events = bench.cfn.describe_stack_events(StackName="s")["StackEvents"]
    texts = [e["ResourceProperties"] for e in events
             if e["LogicalResourceId"] == logical_id and "ResourceProperties" in e]  # fmt: skip
    shown: dict[str, Any] = json.loads(texts[0])
    return shown


def test_provider_receives_the_value_and_events_show_asterisks(bench: Bench) -> None:
    bench.create("s", {"A": thing(Size=SIZE)}, Parameters=DECLARED)

    assert bench.things.requests[0].properties["Size"] == {
        "Plain": "first-secret", "Inside": "x-first-secret-y",
        "List": ["one-secret", "two-secret"], "Open": "open",
    }  # fmt: skip
    assert properties_in_events(bench, "A")["Size"] == {
        "Plain": "****", "Inside": "x-****-y", "List": ["****"], "Open": "open",
    }  # fmt: skip
    assert "secret" not in everything_shown(bench)


def test_change_set_compares_the_values_and_shows_asterisks(bench: Bench) -> None:
    bench.create("s", {"A": thing(Size=SIZE)}, Parameters=DECLARED)
    changed = DECLARED | {"Word": DECLARED["Word"] | {"Default": "second-secret"}}

    made = bench.change_set("s", {"A": thing(Size=SIZE)}, Parameters=changed)

    (change,) = made["Changes"]
    (detail,) = change["ResourceChange"]["Details"]
    assert json.loads(detail["Target"]["AfterValue"])["Inside"] == "x-****-y"
    assert "secret" not in everything_shown(bench)
    unchanged = bench.cfn.create_change_set(
        StackName="s", ChangeSetName="same",
        TemplateBody=template({"A": thing(Size=SIZE)}, Parameters=DECLARED),
    )  # fmt: skip
    described = bench.cfn.describe_change_set(ChangeSetName=unchanged["Id"])
    assert "didn't contain changes" in described["StatusReason"]


def test_first_change_set_shows_asterisks(bench: Bench) -> None:
    bench.change_set("s", {"A": thing(Size=SIZE)}, kind="CREATE", Parameters=DECLARED)

    assert "secret" not in everything_shown(bench)


def test_condition_is_evaluated_with_the_value(bench: Bench) -> None:
    conditions = {"IsFirst": {"Fn::Equals": [{"Ref": "Word"}, "first-secret"]}}
    size = {"Fn::If": ["IsFirst", "yes", "no"]}

    bench.create("s", {"A": thing(Size=size)}, Parameters=DECLARED, Conditions=conditions)

    assert bench.things.requests[0].properties["Size"] == "yes"
    assert properties_in_events(bench, "A")["Size"] == "yes"


def test_function_that_fails_on_asterisks_shows_asterisks(bench: Bench) -> None:
    size = {"Fn::Select": [1, {"Ref": "Words"}]}

    bench.create("s", {"A": thing(Size=size, Name="a")}, Parameters=DECLARED)

    assert bench.things.requests[0].properties["Size"] == "two-secret"
    assert properties_in_events(bench, "A") == {"Size": "****", "Name": "a"}


def test_rolled_back_update_shows_asterisks(bench: Bench) -> None:
    bench.create("s", {"A": thing(Size=SIZE)}, Parameters=DECLARED)
    changed = DECLARED | {"Word": DECLARED["Word"] | {"Default": "second-secret"}}
    failing = thing(Fail="create", depends_on=["A"])

    bench.update("s", {"A": thing(Size=SIZE), "B": failing}, Parameters=changed)

    assert bench.things.requests[-1].properties["Size"]["Plain"] == "first-secret"
    assert "secret" not in everything_shown(bench)


def test_outputs_show_the_value_as_aws_documents(bench: Bench) -> None:
    bench.create(
        "s", {"A": thing()}, Parameters=DECLARED, Outputs={"O": {"Value": {"Ref": "Word"}}}
    )

    assert bench.outputs("s") == {"O": "first-secret"}


def test_summary_and_validation_mask_the_default(bench: Bench) -> None:
    body = template({"A": thing()}, Parameters=DECLARED)

    for shown in (
        bench.cfn.get_template_summary(TemplateBody=body)["Parameters"],
        bench.cfn.validate_template(TemplateBody=body)["Parameters"],
    ):
        defaults = {p["ParameterKey"]: (p["NoEcho"], p["DefaultValue"]) for p in shown}
        assert defaults == {
            "Word": (True, "****"), "Words": (True, "****"), "Open": (False, "open"),
        }  # fmt: skip


@pytest.mark.parametrize(("no_echo", "shown"), [(True, "*****"), (False, "from-response")])
def test_attribute_of_a_response_with_no_echo_is_masked(
    bench: Bench, no_echo: bool, shown: str
) -> None:
    bench.functions.handler = lambda _: {"NoEcho": no_echo, "Data": {"Key": "from-response"}}
    key = {"Fn::GetAtt": ["C", "Key"]}

    bench.create("s", {"C": custom(), "A": thing(Size=key)}, Outputs={"O": {"Value": key}})

    assert bench.things.requests[0].properties["Size"] == "from-response"
    assert properties_in_events(bench, "A")["Size"] == shown
    assert bench.outputs("s") == {"O": "from-response"}


def test_attribute_stays_masked_while_its_custom_resource_is_unchanged(bench: Bench) -> None:
    bench.functions.handler = lambda _: {"NoEcho": True, "Data": {"Key": "secret"}}
    key = {"Fn::GetAtt": ["C", "Key"]}
    bench.create("s", {"C": custom(), "A": thing(Size=key)})

    bench.update("s", {"C": custom(), "A": thing(Size=key, Fail="no")})
    bench.update("s", {"C": custom(), "A": thing(Size=key)})

    assert bench.things.requests[-1].properties["Size"] == "secret"
    assert "secret" not in everything_shown(bench)
