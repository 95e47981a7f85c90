"""IAM through its providers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.local_cloud.core.cloud import Cloud, CloudConfig
from sageloop.local_cloud.core.errors import AwsError
from tests.local.provider_bench import Bench

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"},
                   "Action": "sts:AssumeRole"}],
}  # fmt: skip


def document(action: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
    }


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    cloud = Cloud(CloudConfig())
    cloud.start()
    yield Bench(cloud)
    cloud.stop()


def test_role_has_every_property(bench: Bench) -> None:
    iam = bench.client("iam")
    boundary = bench.create("AWS::IAM::ManagedPolicy", {"PolicyDocument": document("s3:*")})
    made = bench.create(
        "AWS::IAM::Role",
        {"AssumeRolePolicyDocument": TRUST, "MaxSessionDuration": "7200", "Description": "d",
         "ManagedPolicyArns": [boundary.id], "PermissionsBoundary": boundary.id,
         "Policies": [{"PolicyName": "p", "PolicyDocument": document("s3:GetObject")}],
         "Tags": [{"Key": "a", "Value": "b"}]},
    )  # fmt: skip
    role = iam.get_role(RoleName=made.id)["Role"]
    assert (made["Arn"], made["RoleId"]) == (role["Arn"], role["RoleId"])
    assert role["MaxSessionDuration"] == 7200
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary.id
    assert role["Tags"] == [{"Key": "a", "Value": "b"}]
    assert iam.list_role_policies(RoleName=made.id)["PolicyNames"] == ["p"]
    attached = iam.list_attached_role_policies(RoleName=made.id)["AttachedPolicies"]
    assert [p["PolicyArn"] for p in attached] == [boundary.id]

    made = bench.update(
        made, Policies=[{"PolicyName": "q", "PolicyDocument": document("s3:PutObject")}],
        ManagedPolicyArns=None, PermissionsBoundary=None, MaxSessionDuration=None,
        AssumeRolePolicyDocument={**TRUST, "Id": "new"}, Tags=None,
    )  # fmt: skip
    role = iam.get_role(RoleName=made.id)["Role"]
    assert "PermissionsBoundary" not in role
    assert role["MaxSessionDuration"] == 3600
    assert role["AssumeRolePolicyDocument"]["Id"] == "new"
    assert not role.get("Tags")
    assert iam.list_role_policies(RoleName=made.id)["PolicyNames"] == ["q"]
    assert iam.list_attached_role_policies(RoleName=made.id)["AttachedPolicies"] == []


def test_role_delete_detaches_policies_of_other_callers(bench: Bench) -> None:
    iam = bench.client("iam")
    policy = bench.create("AWS::IAM::ManagedPolicy", {"PolicyDocument": document("s3:*")})
    made = bench.create("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST})
    iam.attach_role_policy(RoleName=made.id, PolicyArn=policy.id)
    bench.delete_twice(made)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_role(RoleName=made.id)


def test_role_with_a_missing_policy_is_deleted_again(bench: Bench) -> None:
    missing = "arn:aws:iam::123456789012:policy/none"
    with pytest.raises(ClientError, match="NoSuchEntity"):
        bench.create(
            "AWS::IAM::Role",
            {"AssumeRolePolicyDocument": TRUST, "RoleName": "half",
             "ManagedPolicyArns": [missing]},
        )  # fmt: skip
    with pytest.raises(ClientError, match="NoSuchEntity"):
        bench.client("iam").get_role(RoleName="half")


def test_inline_policy_moves_between_roles(bench: Bench) -> None:
    iam = bench.client("iam")
    first, second = (
        bench.create("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST}) for _ in range(2)
    )
    made = bench.create(
        "AWS::IAM::Policy",
        {"PolicyName": "p", "PolicyDocument": document("s3:GetObject"), "Roles": [first.id]},
    )
    assert iam.list_role_policies(RoleName=first.id)["PolicyNames"] == ["p"]
    made = bench.update(made, Roles=[second.id], PolicyDocument=document("s3:PutObject"))
    assert iam.list_role_policies(RoleName=first.id)["PolicyNames"] == []
    actual = iam.get_role_policy(RoleName=second.id, PolicyName="p")["PolicyDocument"]
    assert actual == document("s3:PutObject")
    bench.delete_twice(made)
    assert iam.list_role_policies(RoleName=second.id)["PolicyNames"] == []


def test_role_policy_is_put_and_deleted(bench: Bench) -> None:
    role = bench.create("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST})
    made = bench.create(
        "AWS::IAM::RolePolicy",
        {"PolicyName": "p", "RoleName": role.id, "PolicyDocument": document("s3:GetObject")},
    )
    made = bench.update(made, PolicyDocument=document("s3:PutObject"))
    iam = bench.client("iam")
    actual = iam.get_role_policy(RoleName=role.id, PolicyName="p")["PolicyDocument"]
    assert actual == document("s3:PutObject")
    bench.delete_twice(made)


def test_managed_policy_update_creates_and_prunes_versions(bench: Bench) -> None:
    iam = bench.client("iam")
    role = bench.create("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST})
    made = bench.create(
        "AWS::IAM::ManagedPolicy", {"PolicyDocument": document("s3:Get0"), "Roles": [role.id]}
    )
    for i in range(1, 8):
        made = bench.update(made, PolicyDocument=document(f"s3:Get{i}"))
    versions = iam.list_policy_versions(PolicyArn=made.id)["Versions"]
    assert len(versions) == 5
    default = next(v for v in versions if v["IsDefaultVersion"])
    assert default["VersionId"] == made["DefaultVersionId"] == "v8"
    attached = iam.list_attached_role_policies(RoleName=role.id)["AttachedPolicies"]
    assert [p["PolicyArn"] for p in attached] == [made.id]
    bench.delete_twice(made)
    assert iam.list_attached_role_policies(RoleName=role.id)["AttachedPolicies"] == []


def test_instance_profile_changes_its_role(bench: Bench) -> None:
    iam = bench.client("iam")
    first, second = (
        bench.create("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST}) for _ in range(2)
    )
    made = bench.create("AWS::IAM::InstanceProfile", {"Roles": [first.id]})
    made = bench.update(made, Roles=[second.id])
    actual = iam.get_instance_profile(InstanceProfileName=made.id)["InstanceProfile"]
    assert [r["RoleName"] for r in actual["Roles"]] == [second.id]
    assert made["Arn"] == actual["Arn"]
    bench.delete_twice(made)


def test_service_linked_role_is_created_and_deleted(bench: Bench) -> None:
    made = bench.create(
        "AWS::IAM::ServiceLinkedRole",
        {"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": "x"},
    )
    assert made.id.startswith("AWSServiceRoleFor")
    bench.delete_twice(made)


def test_unsupported_property_is_refused(bench: Bench) -> None:
    with pytest.raises(AwsError, match="property RolName is not supported"):
        bench.create("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST, "RolName": "x"})
