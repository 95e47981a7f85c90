"""AWS IAM: roles, managed policies, instance profiles, service-linked roles."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    Update,
    setting,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.calls import unless_gone, value_at
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.iam_inline import InlinePolicy, RolePolicy
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.cloudformation.scalars import document_text

_GONE = names("NoSuchEntity")
_ROLE = {"RoleName": "{id}"}
_MOST_VERSIONS = 5


def _attach_policies(context: ProviderContext) -> None:
    before = set(context.previous.get("ManagedPolicyArns") or ())
    after = list(context.properties.get("ManagedPolicyArns") or ())
    for arn in after:
        if arn not in before:
            context.call("AttachRolePolicy", RoleName=context.id, PolicyArn=arn)
    for arn in sorted(before.difference(after)):
        context.call("DetachRolePolicy", RoleName=context.id, PolicyArn=arn)


def _put_policies(context: ProviderContext) -> None:
    before = {p["PolicyName"]: p for p in context.previous.get("Policies") or ()}
    after = {p["PolicyName"]: p for p in context.properties.get("Policies") or ()}
    for name, policy in after.items():
        if before.get(name) != policy:
            context.call("PutRolePolicy", RoleName=context.id, **policy)
    for name in sorted(before.keys() - after.keys()):
        context.call("DeleteRolePolicy", RoleName=context.id, PolicyName=name)


def _strip_role(context: ProviderContext) -> None:
    attached = context.call("ListAttachedRolePolicies", RoleName=context.id)["AttachedPolicies"]
    for policy in attached:
        context.call("DetachRolePolicy", RoleName=context.id, PolicyArn=policy["PolicyArn"])
    for name in context.call("ListRolePolicies", RoleName=context.id)["PolicyNames"]:
        context.call("DeleteRolePolicy", RoleName=context.id, PolicyName=name)


_KINDS = (("Roles", "Role"), ("Users", "User"), ("Groups", "Group"))


def _attach_to_all(context: ProviderContext) -> None:
    for listed, kind in _KINDS:
        before = set(context.previous.get(listed) or ())
        after = set(context.properties.get(listed) or ())
        for verb, principals in (("Attach", after - before), ("Detach", before - after)):
            for principal in sorted(principals):
                context.call(
                    f"{verb}{kind}Policy", PolicyArn=context.id, **{f"{kind}Name": principal}
                )


def _new_version(context: ProviderContext) -> None:
    versions = context.call("ListPolicyVersions", PolicyArn=context.id)["Versions"]
    spare = [v for v in versions if not v["IsDefaultVersion"]]
    if len(versions) >= _MOST_VERSIONS:
        oldest = min(spare, key=lambda v: int(v["VersionId"].removeprefix("v")))
        context.call("DeletePolicyVersion", PolicyArn=context.id, VersionId=oldest["VersionId"])
    document = document_text(context.properties["PolicyDocument"])
    context.call(
        "CreatePolicyVersion", PolicyArn=context.id, PolicyDocument=document, SetAsDefault=True
    )


def _strip_policy(context: ProviderContext) -> None:
    entities = context.call("ListEntitiesForPolicy", PolicyArn=context.id)
    for listed, kind in _KINDS:
        for entity in entities.get(f"Policy{listed}", ()):
            name = {f"{kind}Name": entity[f"{kind}Name"]}
            context.call(f"Detach{kind}Policy", PolicyArn=context.id, **name)
    for version in context.call("ListPolicyVersions", PolicyArn=context.id)["Versions"]:
        if not version["IsDefaultVersion"]:
            context.call(
                "DeletePolicyVersion", PolicyArn=context.id, VersionId=version["VersionId"]
            )


def _put_roles(context: ProviderContext) -> None:
    before = set(context.previous.get("Roles") or ())
    after = set(context.properties.get("Roles") or ())
    on = {"InstanceProfileName": context.id}
    for role in sorted(before - after):
        context.call("RemoveRoleFromInstanceProfile", RoleName=role, **on)
    for role in sorted(after - before):
        context.call("AddRoleToInstanceProfile", RoleName=role, **on)


def _strip_profile(context: ProviderContext) -> None:
    on = {"InstanceProfileName": context.id}
    profile = context.call("GetInstanceProfile", **on)
    for role in value_at(profile, "InstanceProfile.Roles") or ():
        context.call("RemoveRoleFromInstanceProfile", RoleName=role["RoleName"], **on)


_ROLE_UPDATES = (
    Update(call="UpdateAssumeRolePolicy", on=_ROLE,
           takes=takes(AssumeRolePolicyDocument="PolicyDocument")),
    Update(call="UpdateRole", on=_ROLE, takes=takes("Description MaxSessionDuration"),
           reset={"Description": "", "MaxSessionDuration": 3600}, always="Description"),
)  # fmt: skip


def _policy_version(context: ProviderContext) -> dict[str, Any]:
    policy = context.call("GetPolicy", PolicyArn=context.id)["Policy"]
    return {"DefaultVersionId": policy["DefaultVersionId"]}


def _delete_linked_role(context: ProviderContext) -> None:
    unless_gone(_GONE, lambda: context.call("DeleteServiceLinkedRole", RoleName=context.id))


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::IAM::Role": ApiResource(
        service="iam",
        create_call="CreateRole",
        name=Name(property="RoleName", param="RoleName", max_length=64),
        takes=takes("AssumeRolePolicyDocument Description MaxSessionDuration Path "
                    "PermissionsBoundary"),
        attributes={"Arn": "Role.Arn", "RoleId": "Role.RoleId"},
        steps=(
            Step(properties="ManagedPolicyArns", apply=_attach_policies),
            Step(properties="Policies", apply=_put_policies),
            setting("PermissionsBoundary", "PutRolePermissionsBoundary", to="PermissionsBoundary",
                    on=_ROLE, remove="DeleteRolePermissionsBoundary", on_create=False),
        ),
        updates=_ROLE_UPDATES,
        tagging=Tagging(tag="TagRole", untag="UntagRole", on=_ROLE),
        before_delete=_strip_role,
        delete_call="DeleteRole",
        delete_on=_ROLE,
        gone=_GONE,
    ),
    "AWS::IAM::Policy": InlinePolicy(),
    "AWS::IAM::RolePolicy": RolePolicy(),
    "AWS::IAM::ManagedPolicy": ApiResource(
        service="iam",
        create_call="CreatePolicy",
        name=Name(property="ManagedPolicyName", param="PolicyName", max_length=128),
        takes=takes("Description Path PolicyDocument"),
        ref="Policy.Arn",
        attributes={
            "PolicyArn": "Policy.Arn", "PolicyId": "Policy.PolicyId",
            "IsAttachable": "Policy.IsAttachable", "CreateDate": "Policy.CreateDate",
        },
        more_attributes=_policy_version,
        steps=(
            Step(properties="PolicyDocument", apply=_new_version, on_create=False),
            Step(properties="Roles Users Groups", apply=_attach_to_all),
        ),
        before_delete=_strip_policy,
        delete_call="DeletePolicy",
        delete_on={"PolicyArn": "{id}"},
        gone=_GONE,
    ),
    "AWS::IAM::InstanceProfile": ApiResource(
        service="iam",
        create_call="CreateInstanceProfile",
        name=Name(property="InstanceProfileName", param="InstanceProfileName", max_length=128),
        takes=takes("Path"),
        attributes={"Arn": "InstanceProfile.Arn"},
        steps=(Step(properties="Roles", apply=_put_roles),),
        before_delete=_strip_profile,
        delete_call="DeleteInstanceProfile",
        delete_on={"InstanceProfileName": "{id}"},
        gone=_GONE,
    ),
    "AWS::IAM::ServiceLinkedRole": ApiResource(
        service="iam",
        create_call="CreateServiceLinkedRole",
        takes=takes("AWSServiceName CustomSuffix Description"),
        ref="Role.RoleName",
        attributes={"RoleName": "Role.RoleName", "Arn": "Role.Arn"},
        updates=(Update(call="UpdateRole", on=_ROLE, takes=takes("Description"),
                        reset={"Description": ""}),),
        before_delete=_delete_linked_role,
    ),
}  # fmt: skip
