from __future__ import annotations

import json

import pytest
from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from constructs_lib import (
    DataStore,
    ExecutionRole,
    HostingRole,
    NotebookRole,
    TrainingRole,
)


@pytest.mark.parametrize(
    ("kind", "source"),
    [(TrainingRole, "training-job/*"), (HostingRole, "*"), (NotebookRole, "*")],
)
def test_role_can_be_assumed_for_this_account_only(
    stack: Stack, kind: type[TrainingRole], source: str
) -> None:
    kind(stack, "Role")

    (role,) = Template.from_stack(stack).find_resources("AWS::IAM::Role").values()
    (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    account = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert statement["Condition"]["StringEquals"] == account
    assert statement["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1][-1] == f":{source}"


def test_grants_to_a_role_are_in_a_managed_policy(stack: Stack) -> None:
    role = TrainingRole(stack, "Role")

    DataStore(stack, "Store").grant_read(role, prefix="datasets/")

    template = Template.from_stack(stack)
    template.resource_count_is("AWS::IAM::Policy", 0)
    assert "datasets/*" in json.dumps(template.find_resources("AWS::IAM::ManagedPolicy"))


def test_role_has_permissions_boundary(stack: Stack) -> None:
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", "limits")

    TrainingRole(stack, "Role", permissions_boundary=boundary)

    (role,) = Template.from_stack(stack).find_resources("AWS::IAM::Role").values()
    assert "PermissionsBoundary" in role["Properties"]


def test_roles_have_no_aws_managed_policy(stack: Stack) -> None:
    TrainingRole(stack, "Training")
    HostingRole(stack, "Hosting")

    for role in Template.from_stack(stack).find_resources("AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role["Properties"]


def test_grant_pass_allows_this_role_to_sagemaker_only(stack: Stack) -> None:
    training = TrainingRole(stack, "Training")

    NotebookRole(stack, "Notebook", training_role=training)

    policies = json.dumps(Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy"))
    assert '{"iam:PassedToService": "sagemaker.amazonaws.com"}' in policies


def test_from_role_does_not_change_role(stack: Stack) -> None:
    mine = iam.Role.from_role_arn(stack, "Mine", "arn:aws:iam::111122223333:role/mine")

    role = ExecutionRole.from_role(stack, "Role", mine)

    assert role.role_arn == "arn:aws:iam::111122223333:role/mine"
    assert role.policies == []
