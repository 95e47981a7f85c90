"""Sessions: who may assume a role, and what limits the session."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from request_stage import client, served

from sageloop.local_cloud.core.cloud import Cloud

ACCOUNT = "123456789012"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
ISSUER = "issuer.example.org"
FEATURE = "access: trust policies, session policies and session tags are evaluated"
READ = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::sessions", "arn:aws:s3:::sessions/*"]}  # fmt: skip
ONLY_A = READ | {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::sessions/a"}
TEAM = {"Effect": "Allow", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::sessions/${aws:PrincipalTag/team}/*"}  # fmt: skip


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served() as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket="sessions")
        for key in ("a", "b", "green/x", "blue/x"):
            s3.put_object(Bucket="sessions", Key=key, Body=b"x")
        yield made


def role(cloud: Cloud, name: str, *permissions: Any, trust: Any = None, **change: Any) -> str:
    """A role that the account trusts, unless the change differs."""
    iam = client(cloud, "iam")
    statement = {"Effect": "Allow", "Principal": ROOT, "Action": "sts:AssumeRole"} | change
    arn = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=document(*(trust or [statement]))
    )["Role"]["Arn"]  # fmt: skip
    for i, permission in enumerate(permissions):
        text = document(permission)
        iam.put_role_policy(RoleName=name, PolicyName=f"p{i}", PolicyDocument=text)
    return str(arn)


def keys_of(answer: dict[str, Any]) -> tuple[str, str, str]:
    keys = answer["Credentials"]
    return keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]


def assume(cloud: Cloud, arn: str, *keys: str, **more: Any) -> tuple[str, str, str]:
    sts = client(cloud, "sts", *keys)
    return keys_of(sts.assume_role(**{"RoleArn": arn, "RoleSessionName": "session"} | more))


def user(cloud: Cloud, name: str, *permissions: Any, **more: Any) -> tuple[str, str, None]:
    iam = client(cloud, "iam")
    iam.create_user(UserName=name, **more)
    for i, permission in enumerate(permissions):
        text = document(permission)
        iam.put_user_policy(UserName=name, PolicyName=f"p{i}", PolicyDocument=text)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"], None


def may_read(cloud: Cloud, keys: Any, key: str) -> bool:
    try:
        client(cloud, "s3", *keys).get_object(Bucket="sessions", Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def refusal(call: Any, **arguments: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return dict(refused.value.response["Error"])


@pytest.mark.feature(FEATURE)
def test_role_is_assumed_by_whom_it_trusts_only(cloud: Cloud) -> None:
    arn = role(cloud, "service-only", READ, Principal={"Service": "lambda.amazonaws.com"})

    error = refusal(client(cloud, "sts").assume_role, RoleArn=arn, RoleSessionName="session")

    assert error["Code"] == "AccessDenied"
    assert error["Message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/local-admin is not authorized to perform: "
        f"sts:AssumeRole on resource: {arn} because no role trust policy allows the sts:AssumeRole "
        "action"
    )


def test_trust_in_the_account_needs_the_right_of_the_caller(cloud: Cloud) -> None:
    arn = role(cloud, "of-account", READ)
    assuming = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arn}
    bob, eve = user(cloud, "bob", assuming), user(cloud, "eve")

    assert may_read(cloud, assume(cloud, arn, *bob), "a")
    error = refusal(client(cloud, "sts", *eve).assume_role, RoleArn=arn, RoleSessionName="session")
    assert "because no identity-based policy allows the sts:AssumeRole action" in error["Message"]


def test_trust_in_a_user_needs_no_right_of_the_user(cloud: Cloud) -> None:
    keys = user(cloud, "named")
    arn = role(cloud, "of-user", READ, Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/named"})

    assert may_read(cloud, assume(cloud, arn, *keys), "a")


@pytest.mark.parametrize(
    ("name", "condition", "parameters"),
    [
        ("external", {"StringEquals": {"sts:ExternalId": "e-1"}}, {"ExternalId": "e-1"}),
        ("session", {"StringLike": {"sts:RoleSessionName": "job-*"}}, {"RoleSessionName": "job-1"}),
    ],
)
def test_condition_of_the_trust_policy_must_hold(
    cloud: Cloud, name: str, condition: dict[str, Any], parameters: dict[str, str]
) -> None:
    arn = role(cloud, f"condition-{name}", READ, Condition=condition)

    assert may_read(cloud, assume(cloud, arn, **parameters), "a")
    assert refusal(assume, cloud=cloud, arn=arn)["Code"] == "AccessDenied"


def test_principal_arn_of_the_trust_policy_is_the_role_of_the_session(cloud: Cloud) -> None:
    first = role(cloud, "chained-from", {"Effect": "Allow", "Action": "sts:*", "Resource": "*"})
    last = role(cloud, "chained-to", READ, Condition={"ArnEquals": {"aws:PrincipalArn": first}})

    assert may_read(cloud, assume(cloud, last, *assume(cloud, first)), "a")
    assert refusal(assume, cloud=cloud, arn=last)["Code"] == "AccessDenied"


def test_session_has_what_role_and_session_policy_both_allow(cloud: Cloud) -> None:
    arn = role(cloud, "limited", READ)
    wide = document({"Effect": "Allow", "Action": "*", "Resource": "*"})

    plain, limited = assume(cloud, arn), assume(cloud, arn, Policy=document(ONLY_A))

    assert may_read(cloud, plain, "b")
    assert (may_read(cloud, limited, "a"), may_read(cloud, limited, "b")) == (True, False)
    widened = assume(cloud, arn, Policy=wide)
    error = refusal(client(cloud, "iam", *widened).list_users)
    assert "no identity-based policy" in error["Message"]


def test_managed_policies_limit_a_session_too(cloud: Cloud) -> None:
    arn = role(cloud, "limited-by-managed", READ)
    managed = client(cloud, "iam").create_policy(
        PolicyName="only-a", PolicyDocument=document(ONLY_A)
    )["Policy"]["Arn"]  # fmt: skip

    keys = assume(cloud, arn, PolicyArns=[{"arn": managed}])

    assert (may_read(cloud, keys, "a"), may_read(cloud, keys, "b")) == (True, False)


def test_denial_by_a_session_policy_names_the_policy(cloud: Cloud) -> None:
    keys = assume(cloud, role(cloud, "named", READ), Policy=document(ONLY_A))

    error = refusal(client(cloud, "s3", *keys).get_object, Bucket="sessions", Key="b")

    assert "because no session policy allows the s3:GetObject action" in error["Message"]


BIG = document(*(ONLY_A | {"Resource": f"arn:aws:s3:::sessions/{n:0100}"} for n in range(20)))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": document(ONLY_A | {"Principal": "*"})}, "MalformedPolicyDocument"),
        ({"Policy": BIG}, "PackedPolicyTooLarge"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::aws:policy/none-{n}"} for n in range(11)]},
         "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/none"}]}, "MalformedPolicyDocument"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]},
         "InvalidParameterValue"),
        ({"Tags": [{"Key": "aws:a", "Value": "1"}]}, "InvalidParameterValue"),
        ({"Tags": [{"Key": "a!", "Value": "1"}]}, "ValidationError"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "ValidationError"),
        ({"TransitiveTagKeys": ["a"]}, "InvalidParameterValue"),
    ],
)  # fmt: skip
def test_malformed_limits_of_a_session_are_refused(
    cloud: Cloud, tagged: str, more: dict[str, Any], code: str
) -> None:
    assert refusal(assume, cloud=cloud, arn=tagged, **more)["Code"] == code


@pytest.fixture(scope="module")
def tagged(cloud: Cloud) -> str:
    """A role that may be tagged and whose rights follow from the tag ``team``."""
    assuming = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}
    return role(cloud, "tagged", TEAM, assuming, Action=["sts:AssumeRole", "sts:TagSession"])


def team(name: str) -> list[dict[str, str]]:
    return [{"Key": "team", "Value": name}]


def test_session_tags_are_tags_of_the_principal(cloud: Cloud, tagged: str) -> None:
    keys = assume(cloud, tagged, Tags=team("green"))

    assert (may_read(cloud, keys, "green/x"), may_read(cloud, keys, "blue/x")) == (True, False)


def test_session_tag_overrides_the_tag_of_the_role(cloud: Cloud) -> None:
    arn = role(cloud, "own-tag", TEAM, Action=["sts:AssumeRole", "sts:TagSession"])
    client(cloud, "iam").tag_role(RoleName="own-tag", Tags=team("green"))

    plain, other = assume(cloud, arn), assume(cloud, arn, Tags=team("blue"))

    assert (may_read(cloud, plain, "green/x"), may_read(cloud, plain, "blue/x")) == (True, False)
    assert (may_read(cloud, other, "green/x"), may_read(cloud, other, "blue/x")) == (False, True)


def test_tagging_a_session_needs_the_trust_policy(cloud: Cloud) -> None:
    arn = role(cloud, "untagged", READ)

    error = refusal(assume, cloud=cloud, arn=arn, Tags=team("green"))

    assert "sts:TagSession" in error["Message"]


def test_transitive_tags_are_inherited_and_others_are_not(cloud: Cloud, tagged: str) -> None:
    passed = assume(cloud, tagged, Tags=team("green"), TransitiveTagKeys=["team"])
    kept = assume(cloud, tagged, Tags=team("green"))

    assert may_read(cloud, assume(cloud, tagged, *passed), "green/x")
    assert not may_read(cloud, assume(cloud, tagged, *kept), "green/x")


def test_transitive_tag_cannot_be_replaced(cloud: Cloud, tagged: str) -> None:
    passed = assume(cloud, tagged, Tags=team("green"), TransitiveTagKeys=["team"])

    with pytest.raises(ClientError, match="conflicts with a transitive tag key"):
        assume(cloud, tagged, *passed, Tags=team("blue"))


def test_size_of_policies_and_tags_is_returned(cloud: Cloud, tagged: str) -> None:
    sts = client(cloud, "sts")

    plain = sts.assume_role(RoleArn=tagged, RoleSessionName="session")
    limited = sts.assume_role(
        RoleArn=tagged, RoleSessionName="session", Policy=document(ONLY_A), Tags=team("green")
    )

    assert "PackedPolicySize" not in plain
    assert 0 < limited["PackedPolicySize"] < 100


def test_federated_user_has_what_user_and_policy_both_allow(cloud: Cloud) -> None:
    federating = {"Effect": "Allow", "Action": ["sts:GetFederationToken"], "Resource": "*"}
    broker = client(cloud, "sts", *user(cloud, "broker", READ, federating))

    limited = keys_of(broker.get_federation_token(Name="guest", Policy=document(ONLY_A)))
    without = keys_of(broker.get_federation_token(Name="guest"))

    assert (may_read(cloud, limited, "a"), may_read(cloud, limited, "b")) == (True, False)
    assert not may_read(cloud, without, "a")


def token(**claims: Any) -> str:
    body = {"iss": f"https://{ISSUER}", "aud": "app", "sub": "repo:main", "exp": time.time() + 60}
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, body | claims))
    return ".".join([*(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts), "sig"])


@pytest.fixture(scope="module")
def provider(cloud: Cloud) -> dict[str, str]:
    arn = client(cloud, "iam").create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["app"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    return {"Federated": arn}


def with_token(cloud: Cloud, arn: str, **claims: Any) -> tuple[str, str, str]:
    sts = client(cloud, "sts", signature_version=UNSIGNED)
    made = sts.assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName="web", WebIdentityToken=token(**claims)
    )
    return keys_of(made)


WEB = "sts:AssumeRoleWithWebIdentity"


def test_claims_of_a_token_are_keys_of_the_trust_policy(
    cloud: Cloud, provider: dict[str, str]
) -> None:
    condition = {"StringEquals": {f"{ISSUER}:sub": "repo:main", f"{ISSUER}:aud": "app"}}
    arn = role(cloud, "web", READ, Principal=provider, Action=WEB, Condition=condition)

    assert may_read(cloud, with_token(cloud, arn), "a")
    error = refusal(with_token, cloud=cloud, arn=arn, sub="repo:other")
    assert error["Message"] == f"Not authorized to perform {WEB}"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("another-action", {"Action": "sts:AssumeRole"}),
        ("another-provider", {"Principal": {"Federated": "accounts.google.com"}}),
        ("the-account", {"Principal": ROOT}),
    ],
)
def test_token_of_a_provider_that_the_role_does_not_trust_is_refused(
    cloud: Cloud, provider: dict[str, str], name: str, change: dict[str, Any]
) -> None:
    arn = role(cloud, name, READ, **{"Principal": provider, "Action": WEB} | change)

    assert refusal(with_token, cloud=cloud, arn=arn)["Code"] == "AccessDenied"


def test_deny_in_the_trust_policy_refuses_a_token(cloud: Cloud, provider: dict[str, str]) -> None:
    allow = {"Effect": "Allow", "Principal": provider, "Action": WEB}
    arn = role(cloud, "denied-web", READ, trust=[allow, allow | {"Effect": "Deny"}])

    assert refusal(with_token, cloud=cloud, arn=arn)["Code"] == "AccessDenied"


def test_tags_of_a_token_need_the_right_to_tag(cloud: Cloud, provider: dict[str, str]) -> None:
    stated = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["green"]}}}
    actions = [WEB, "sts:TagSession"]
    may = role(cloud, "tagged-web", TEAM, Principal=provider, Action=actions)
    must_not = role(cloud, "untagged-web", TEAM, Principal=provider, Action=WEB)

    assert may_read(cloud, with_token(cloud, may, **stated), "green/x")
    error = refusal(with_token, cloud=cloud, arn=must_not, **stated)
    assert error["Message"] == "Not authorized to perform sts:TagSession"
