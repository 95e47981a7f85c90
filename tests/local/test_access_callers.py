"""Callers of requests that are signed with keys of users, role sessions and functions."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.exceptions import ClientError
from request_stage import Sent, client, send, served, signed_at
from roles import ACCOUNT, LAMBDA, allowing

from sageloop.local_cloud.access.caller import role_session
from sageloop.local_cloud.core.cloud import Cloud

ISSUER = "tokens.example.org"
TOKEN_ROLE, SAML_ROLE, PLAIN_ROLE = "federated", "assertions", "reader"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FEATURE = "access: keys belong to a caller, which AWS's responses name"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with served(test_keys={"testing": "testing"}) as made:
        yield made


@pytest.fixture(scope="module")
def roles(cloud: Cloud) -> dict[str, str]:
    """Three roles: one that trusts the account and Lambda, two for federation."""
    iam = client(cloud, "iam")
    provider = iam.create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["app"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    saml = iam.create_saml_provider(Name="idp", SAMLMetadataDocument="x" * 1000)["SAMLProviderArn"]
    trusts = {
        PLAIN_ROLE: ("sts:AssumeRole", {"AWS": f"arn:aws:iam::{ACCOUNT}:root", "Service": LAMBDA}),
        TOKEN_ROLE: ("sts:AssumeRoleWithWebIdentity", {"Federated": provider}),
        SAML_ROLE: ("sts:AssumeRoleWithSAML", {"Federated": saml}),
    }
    made = {"saml-provider": saml}
    for name, (action, principal) in trusts.items():
        statement = {"Effect": "Allow", "Action": action, "Principal": principal}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=document)
        made[name] = role["Role"]["Arn"]
    return made


def keys_of(answer: dict[str, Any]) -> tuple[str, str, str]:
    actual = answer["Credentials"]
    return actual["AccessKeyId"], actual["SecretAccessKey"], actual["SessionToken"]


def identity(cloud: Cloud, *keys: Any) -> dict[str, str]:
    actual: dict[str, str] = client(cloud, "sts", *keys).get_caller_identity()
    return actual


def refusal(cloud: Cloud, *keys: Any) -> str:
    with pytest.raises(ClientError) as refused:
        identity(cloud, *keys)
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.feature(FEATURE)
def test_user_belongs_to_the_account_and_has_a_stable_id(cloud: Cloud) -> None:
    first, second = identity(cloud), identity(cloud)

    assert first["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/local-admin"
    assert first["UserId"] == second["UserId"]
    assert first["UserId"].startswith("AIDA")


def test_users_of_two_clouds_have_different_keys(cloud: Cloud) -> None:
    with served() as other:
        assert refusal(other, *keys_pair(cloud), None) == "InvalidClientTokenId"


def keys_pair(cloud: Cloud) -> tuple[str, str]:
    return cloud.access.access_key_id, cloud.access.secret_access_key


@pytest.mark.feature(FEATURE)
def test_role_session_is_named_by_role_and_session(cloud: Cloud, roles: dict[str, str]) -> None:
    made = client(cloud, "sts").assume_role(RoleArn=roles[PLAIN_ROLE], RoleSessionName="nightly")

    actual = identity(cloud, *keys_of(made))

    role = client(cloud, "iam").get_role(RoleName=PLAIN_ROLE)["Role"]
    assert actual["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{PLAIN_ROLE}/nightly"
    assert actual["UserId"] == f"{role['RoleId']}:nightly"
    assert made["AssumedRoleUser"] == {"Arn": actual["Arn"], "AssumedRoleId": actual["UserId"]}
    call = cloud.recorder.calls(action="sts:GetCallerIdentity")[-1]
    assert call.principal == actual["Arn"]


def test_two_sessions_have_different_secrets(cloud: Cloud, roles: dict[str, str]) -> None:
    sts = client(cloud, "sts")
    first, second = (
        keys_of(sts.assume_role(RoleArn=roles[PLAIN_ROLE], RoleSessionName="s1")) for _ in range(2)
    )

    assert len({*first, *second}) == 6
    assert refusal(cloud, first[0], second[1], first[2]) == "SignatureDoesNotMatch"
    assert refusal(cloud, first[0], first[1], second[2]) == "InvalidClientTokenId"
    assert refusal(cloud, first[0], first[1], None) == "InvalidClientTokenId"


def test_keys_of_a_session_expire_with_it(cloud: Cloud) -> None:
    session = role_session("arn:aws:iam::123456789012:role/gone", "s")
    keys = cloud.keys.issue(session, seconds=-1)

    assert refusal(cloud, keys.access_key, keys.secret_key, keys.token) == "ExpiredToken"


def test_missing_role_cannot_be_assumed(cloud: Cloud) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/none"

    with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole on") as no:
        client(cloud, "sts").assume_role(RoleArn=arn, RoleSessionName="session")

    assert no.value.response["Error"]["Code"] == "AccessDenied"


def test_session_longer_than_the_role_allows_is_refused(
    cloud: Cloud, roles: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        client(cloud, "sts").assume_role(
            RoleArn=roles[PLAIN_ROLE], RoleSessionName="session", DurationSeconds=3601
        )


@pytest.mark.parametrize("members", ["RoleSessionName=x", "RoleSessionName=with%20space",
                                     "RoleSessionName=ok&DurationSeconds=899"])  # fmt: skip
def test_names_and_durations_of_sessions_are_validated(
    cloud: Cloud, roles: dict[str, str], members: str
) -> None:
    # Signed by the test, because boto3 would refuse some of them.
    body = f"Action=AssumeRole&Version=2011-06-15&RoleArn={roles[PLAIN_ROLE]}&{members}"
    sent = Sent("POST", "/", FORM, body.encode())

    answer = send(cloud, signed_at(cloud, "sts", sent, timedelta()))

    assert (answer.status, "<Code>ValidationError</Code>" in answer.text) == (400, True)


@pytest.mark.feature(FEATURE)
def test_keys_of_a_user_are_valid_until_inactive_or_deleted(cloud: Cloud) -> None:
    iam = client(cloud, "iam")
    iam.create_user(UserName="ann", Path="/people/")
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    keys = (made["AccessKeyId"], made["SecretAccessKey"], None)
    other = iam.create_access_key(UserName="ann")["AccessKey"]

    actual = identity(cloud, *keys)
    assert actual["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/people/ann"
    assert actual["UserId"] == iam.get_user(UserName="ann")["User"]["UserId"]
    assert refusal(cloud, keys[0], other["SecretAccessKey"], None) == "SignatureDoesNotMatch"
    iam.update_access_key(UserName="ann", AccessKeyId=keys[0], Status="Inactive")
    assert refusal(cloud, *keys) == "InvalidClientTokenId"
    iam.update_access_key(UserName="ann", AccessKeyId=keys[0], Status="Active")
    assert identity(cloud, *keys)["Arn"] == actual["Arn"]
    iam.delete_access_key(UserName="ann", AccessKeyId=keys[0])
    assert refusal(cloud, *keys) == "InvalidClientTokenId"


def test_session_of_the_user_has_the_users_identity(cloud: Cloud) -> None:
    keys = keys_of(client(cloud, "sts").get_session_token())

    assert identity(cloud, *keys)["Arn"] == identity(cloud)["Arn"]
    with pytest.raises(ClientError, match="Cannot call GetSessionToken with session credentials"):
        client(cloud, "sts", *keys).get_session_token()


def test_federated_user_is_named_by_its_creator(cloud: Cloud) -> None:
    made = client(cloud, "sts").get_federation_token(Name="visitor")

    actual = identity(cloud, *keys_of(made))
    assert actual["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/visitor"
    assert actual["UserId"] == made["FederatedUser"]["FederatedUserId"] == f"{ACCOUNT}:visitor"


def test_account_of_a_key_is_returned(cloud: Cloud) -> None:
    actual = client(cloud, "sts").get_access_key_info(AccessKeyId=cloud.access.access_key_id)

    assert actual["Account"] == ACCOUNT


def test_account_of_an_unknown_key_is_refused(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        client(cloud, "sts").get_access_key_info(AccessKeyId="AKIAIOSFODNN7EXAMPLE")


def test_session_of_a_role_gets_no_session_token(cloud: Cloud, roles: dict[str, str]) -> None:
    made = client(cloud, "sts").assume_role(RoleArn=roles[PLAIN_ROLE], RoleSessionName="session")

    with pytest.raises(ClientError, match="Cannot call GetSessionToken with session credentials"):
        client(cloud, "sts", *keys_of(made)).get_session_token()


def test_session_of_a_session_has_an_hour_at_most(cloud: Cloud, roles: dict[str, str]) -> None:
    trust = client(cloud, "iam").get_role(RoleName=PLAIN_ROLE)["Role"]["AssumeRolePolicyDocument"]
    role = client(cloud, "iam").create_role(
        RoleName="long", AssumeRolePolicyDocument=json.dumps(trust), MaxSessionDuration=7200
    )["Role"]["Arn"]
    client(cloud, "iam").put_role_policy(
        RoleName="long", PolicyName="chain", PolicyDocument=json.dumps(allowing("sts:AssumeRole"))
    )
    sts = client(cloud, "sts")
    two_hours = {"RoleArn": role, "RoleSessionName": "session", "DurationSeconds": 7200}
    made = sts.assume_role(**two_hours)

    with pytest.raises(ClientError, match="ValidationError"):
        client(cloud, "sts", *keys_of(made)).assume_role(**two_hours)


def token(**claims: Any) -> str:
    """A token in a provider's format, without the provider's signature."""
    body = {
        "iss": f"https://{ISSUER}",
        "aud": "app",
        "sub": "ann",
        "exp": time.time() + 60,
    } | claims
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, body))
    return ".".join([*(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts), "sig"])


def test_token_of_trusted_provider_is_accepted_without_aws_signature(
    cloud: Cloud, roles: dict[str, str]
) -> None:
    sts = client(cloud, "sts", signature_version=UNSIGNED)

    made = sts.assume_role_with_web_identity(
        RoleArn=roles[TOKEN_ROLE], RoleSessionName="web", WebIdentityToken=token()
    )

    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{TOKEN_ROLE}/web"
    assert identity(cloud, *keys_of(made))["Arn"] == arn
    assert made["SubjectFromWebIdentityToken"] == "ann"


@pytest.mark.parametrize(
    ("role", "claims", "code"),
    [
        (PLAIN_ROLE, {}, "AccessDenied"),
        (SAML_ROLE, {}, "AccessDenied"),
        (TOKEN_ROLE, {"iss": "https://other.example.org"}, "InvalidIdentityToken"),
        (TOKEN_ROLE, {"aud": "another"}, "InvalidIdentityToken"),
        (TOKEN_ROLE, {"exp": 1}, "ExpiredTokenException"),
        (TOKEN_ROLE, {"iss": ""}, "InvalidIdentityToken"),
    ],
)
def test_token_that_the_role_does_not_trust_is_refused(
    cloud: Cloud, roles: dict[str, str], role: str, claims: dict[str, Any], code: str
) -> None:
    sts = client(cloud, "sts", signature_version=UNSIGNED)

    with pytest.raises(ClientError) as refused:
        sts.assume_role_with_web_identity(
            RoleArn=roles[role], RoleSessionName="web", WebIdentityToken=token(**claims)
        )

    assert refused.value.response["Error"]["Code"] == code


def assertion(role: str, provider: str) -> str:
    values = {
        "https://aws.amazon.com/SAML/Attributes/Role": f"{role},{provider}",
        "https://aws.amazon.com/SAML/Attributes/RoleSessionName": "ann@example.org",
    }
    attributes = "".join(
        f'<saml:Attribute Name="{name}"><saml:AttributeValue>{value}</saml:AttributeValue>'
        "</saml:Attribute>" for name, value in values.items()
    )  # fmt: skip
    text = (
        '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" '
        'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"><saml:Assertion>'
        f"<saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>"
        "</samlp:Response>"
    )
    return base64.b64encode(text.encode()).decode()


def test_assertion_of_trusted_provider_is_accepted_without_aws_signature(
    cloud: Cloud, roles: dict[str, str]
) -> None:
    sts, provider = client(cloud, "sts", signature_version=UNSIGNED), roles["saml-provider"]

    made = sts.assume_role_with_saml(
        RoleArn=roles[SAML_ROLE], PrincipalArn=provider,
        SAMLAssertion=assertion(roles[SAML_ROLE], provider),
    )  # fmt: skip

    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{SAML_ROLE}/ann@example.org"
    assert identity(cloud, *keys_of(made))["Arn"] == arn


@pytest.mark.parametrize("role", [PLAIN_ROLE, TOKEN_ROLE])
def test_assertion_that_the_role_does_not_trust_is_refused(
    cloud: Cloud, roles: dict[str, str], role: str
) -> None:
    provider = roles["saml-provider"]

    sts = client(cloud, "sts", signature_version=UNSIGNED)

    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role_with_saml(
            RoleArn=roles[role], PrincipalArn=provider,
            SAMLAssertion=assertion(roles[role], provider),
        )  # fmt: skip


def test_public_cognito_calls_are_refused_by_name(cloud: Cloud) -> None:
    headers = {
        "X-Amz-Target": "AWSCognitoIdentityService.GetId",
        "Content-Type": "application/x-amz-json-1.1",
    }

    answer = send(cloud, Sent("POST", "/", headers, b"{}"))

    assert (answer.status, "cognito-identity" in answer.text) == (501, True)


@pytest.mark.feature(FEATURE)
def test_function_calls_with_a_session_of_its_role(cloud: Cloud, roles: dict[str, str]) -> None:
    source = (
        "import boto3\ndef handler(event, context):\n"
        "    return boto3.client('sts').get_caller_identity()['Arn']\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", source)
    functions = client(cloud, "lambda")
    functions.create_function(
        FunctionName="who", Runtime="python3.11", Handler="index.handler", Role=roles[PLAIN_ROLE],
        Code={"ZipFile": packed.getvalue()},
    )  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName="who")

    answer = functions.invoke(FunctionName="who")["Payload"].read()

    assert json.loads(answer) == f"arn:aws:sts::{ACCOUNT}:assumed-role/{PLAIN_ROLE}/who"


def test_package_of_a_function_is_downloaded_by_its_location(cloud: Cloud) -> None:
    location = client(cloud, "lambda").get_function(FunctionName="who")["Code"]["Location"]
    path = location.removeprefix(cloud.endpoint_url)
    prefix, signature, name = path.rsplit("/", 2)

    assert send(cloud, Sent("GET", path, {})).status == 200
    assert send(cloud, Sent("GET", f"{prefix}/{signature[::-1]}/{name}", {})).status == 403


@pytest.mark.parametrize("session", [None, "anything"])
def test_configured_test_keys_authenticate_the_user(cloud: Cloud, session: str | None) -> None:
    assert identity(cloud, "testing", "testing", session)["Arn"] == identity(cloud)["Arn"]
    assert refusal(cloud, "testing", "other", session) == "SignatureDoesNotMatch"


def test_test_keys_are_refused_by_default() -> None:
    with served() as other:
        assert refusal(other, "testing", "testing", None) == "InvalidClientTokenId"
