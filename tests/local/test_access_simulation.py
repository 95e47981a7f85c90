"""Simulations of policies: the decisions of the evaluator, without a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from request_stage import client, served

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/simulated"
USER = f"arn:aws:iam::{ACCOUNT}:user/ann"
FEATURE = "access: policies are simulated by the evaluator that decides calls"
DATA = "arn:aws:s3:::data/*"


def document(**statement: Any) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"} | statement]}
    )


@pytest.fixture(scope="module")
def iam() -> Iterator[Any]:
    with served() as made:
        known = client(made, "iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole",
                 "Principal": {"Service": "sagemaker.amazonaws.com"}}  # fmt: skip
        known.create_role(
            RoleName="simulated",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )
        put = known.put_role_policy
        reading = document(Action="s3:GetObject", Resource=DATA)
        put(RoleName="simulated", PolicyName="reading", PolicyDocument=reading)
        tls = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
        regional = document(Action="sqs:*", Condition=tls)
        put(RoleName="simulated", PolicyName="regional", PolicyDocument=regional)
        known.create_user(UserName="ann")
        known.create_group(GroupName="people")
        known.add_user_to_group(GroupName="people", UserName="ann")
        known.put_group_policy(
            GroupName="people", PolicyName="all", PolicyDocument=document(Action="sns:*")
        )
        made_policy = known.create_policy(
            PolicyName="no-delete", PolicyDocument=document(Effect="Deny", Action="sns:Delete*")
        )
        known.attach_user_policy(UserName="ann", PolicyArn=made_policy["Policy"]["Arn"])
        yield known


def simulate(iam: Any, source: str, action: str, **more: Any) -> dict[str, Any]:
    (result,) = iam.simulate_principal_policy(
        PolicySourceArn=source, ActionNames=[action], **more
    )["EvaluationResults"]  # fmt: skip
    return dict(result)


def entry(key: str, *values: str, kind: str = "string") -> dict[str, Any]:
    return {"ContextKeyName": key, "ContextKeyValues": list(values), "ContextKeyType": kind}


@pytest.mark.feature(FEATURE)
def test_role_is_allowed_what_its_policy_allows(iam: Any) -> None:
    allowed = simulate(iam, ROLE, "s3:GetObject", ResourceArns=["arn:aws:s3:::data/a"])
    denied = simulate(iam, ROLE, "s3:PutObject", ResourceArns=["arn:aws:s3:::data/a"])

    assert allowed["EvalDecision"] == "allowed"
    assert allowed["EvalResourceName"] == "arn:aws:s3:::data/a"
    assert allowed["MatchedStatements"] == [
        {"SourcePolicyId": "role_simulated_reading", "SourcePolicyType": "role"}
    ]
    assert (denied["EvalDecision"], denied["MatchedStatements"]) == ("implicitDeny", [])


def test_user_has_the_policies_of_its_groups(iam: Any) -> None:
    publish, delete = simulate(iam, USER, "sns:Publish"), simulate(iam, USER, "sns:DeleteTopic")

    assert publish["MatchedStatements"][0]["SourcePolicyType"] == "group"
    assert delete["EvalDecision"] == "explicitDeny"
    assert delete["MatchedStatements"] == [
        {"SourcePolicyId": "no-delete", "SourcePolicyType": "user-managed"}
    ]


def test_group_is_simulated_by_itself(iam: Any) -> None:
    group = f"arn:aws:iam::{ACCOUNT}:group/people"

    assert simulate(iam, group, "sns:DeleteTopic")["EvalDecision"] == "allowed"


def test_missing_context_is_named_and_passed_context_decides(iam: Any) -> None:
    region = "aws:RequestedRegion"

    without = simulate(iam, ROLE, "sqs:SendMessage")
    right = simulate(iam, ROLE, "sqs:SendMessage", ContextEntries=[entry(region, "eu-west-1")])
    wrong = simulate(iam, ROLE, "sqs:SendMessage", ContextEntries=[entry(region, "us-east-1")])

    assert without["EvalDecision"] == "implicitDeny"
    assert without["MissingContextValues"] == [region.lower()]
    assert (right["EvalDecision"], right["MissingContextValues"]) == ("allowed", [])
    assert wrong["EvalDecision"] == "implicitDeny"


def test_further_policies_and_a_boundary_are_inputs(iam: Any) -> None:
    more = {"PolicyInputList": [document(Action="kms:*")]}
    bound = {"PermissionsBoundaryPolicyInputList": [document(Action="s3:*")]}

    assert simulate(iam, ROLE, "kms:Decrypt")["EvalDecision"] == "implicitDeny"
    allowed = simulate(iam, ROLE, "kms:Decrypt", **more)
    assert allowed["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"
    denied = simulate(iam, ROLE, "kms:Decrypt", **more, **bound)
    assert denied["EvalDecision"] == "implicitDeny"
    assert denied["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_policy_of_the_resource_is_evaluated_for_a_user(iam: Any) -> None:
    policy = document(Action="s3:PutObject", Resource=DATA, Principal={"AWS": USER})
    arguments = {"ResourceArns": ["arn:aws:s3:::data/a"], "ResourcePolicy": policy}

    result = simulate(iam, USER, "s3:PutObject", **arguments)

    assert result["MatchedStatements"] == [
        {"SourcePolicyId": "ResourcePolicy", "SourcePolicyType": "resource"}
    ]
    with pytest.raises(ClientError, match="CallerArn"):
        simulate(iam, ROLE, "s3:PutObject", **arguments)


def test_custom_policies_are_simulated_without_a_principal(iam: Any) -> None:
    tagged = document(
        Action="s3:GetObject", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}
    )

    results = iam.simulate_custom_policy(
        PolicyInputList=[tagged], ActionNames=["s3:GetObject", "s3:PutObject"],
        ContextEntries=[entry("aws:TagKeys", "a", "c", kind="stringList")],
    )["EvaluationResults"]  # fmt: skip

    assert [result["EvalDecision"] for result in results] == ["implicitDeny", "implicitDeny"]
    only = iam.simulate_custom_policy(
        PolicyInputList=[tagged], ActionNames=["s3:GetObject"],
        ContextEntries=[entry("aws:TagKeys", "a", "b", kind="stringList")],
    )  # fmt: skip
    assert only["EvaluationResults"][0]["EvalDecision"] == "allowed"


def test_results_are_paged(iam: Any) -> None:
    pages = iam.get_paginator("simulate_custom_policy").paginate(
        PolicyInputList=[document(Action="*")], ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=[DATA, "arn:aws:s3:::other/*"], PaginationConfig={"PageSize": 3},
    )  # fmt: skip

    assert [len(page["EvaluationResults"]) for page in pages] == [3, 1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:role/none"}, "NoSuchEntity"),
        ({"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:policy/none"}, "InvalidInput"),
        ({"ActionNames": ["GetObject"]}, "InvalidInput"),
        ({"PolicyInputList": ["{"]}, "InvalidInput"),
        ({"CallerArn": ROLE}, "InvalidInput"),
    ],
)
def test_simulation_of_what_does_not_exist_is_refused(
    iam: Any, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        iam.simulate_principal_policy(
            **{"PolicySourceArn": ROLE, "ActionNames": ["s3:GetObject"]} | change
        )

    assert refused.value.response["Error"]["Code"] == code
