"""Tokens and assertions of identity providers: each check by what it refuses."""

from __future__ import annotations

import base64
import json
import time as wall
from types import SimpleNamespace
from typing import Any

import pytest

from sageloop.local_cloud.access.federation import Federation
from sageloop.local_cloud.core.errors import AwsError

ISSUER = "https://issuer.example"
OIDC = "arn:aws:iam::123456789012:oidc-provider/issuer.example"
SAML = "arn:aws:iam::123456789012:saml-provider/corp"
ROLE = "arn:aws:iam::123456789012:role/federated"
WEB, WITH_SAML = "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML"


@pytest.fixture
def federation() -> Federation:
    iam = SimpleNamespace(
        open_id_providers={OIDC: SimpleNamespace(arn=OIDC, url=ISSUER.removeprefix("https://"),
                                                 client_id_list=["app", "other"])},
        saml_providers={SAML: SimpleNamespace(arn=SAML)},
    )  # fmt: skip
    return Federation(SimpleNamespace(iam=lambda: iam))  # type: ignore[arg-type]


def role(provider: str = OIDC, action: Any = WEB, **change: Any) -> Any:
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": action}
    document = json.dumps({"Statement": [statement | change]})
    return SimpleNamespace(arn=ROLE, assume_role_policy_document=document)


def token(**change: Any) -> str:
    claims = {"iss": ISSUER, "aud": "app", "sub": "someone", "exp": wall.time() + 60} | change
    kept = {name: value for name, value in claims.items() if value is not None}
    body = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode().rstrip("=")
    return f"e30.{body}.signature"


def code(error: pytest.ExceptionInfo[AwsError]) -> str:
    return error.value.code


def test_token_for_the_provider_and_the_role_is_taken(federation: Federation) -> None:
    identity = federation.of_token(token(), role())

    assert (identity.subject, identity.audience, identity.provider) == ("someone", "app", OIDC)


@pytest.mark.parametrize("change", [{"aud": ["app"]}, {"aud": None, "azp": "other"}])
def test_audience_may_be_a_list_or_the_authorized_party(
    federation: Federation, change: dict[str, Any]
) -> None:
    assert federation.of_token(token(**change), role()).provider == OIDC


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"iss": "https://elsewhere.example"}, "InvalidIdentityToken"),
        ({"iss": None}, "InvalidIdentityToken"), ({"aud": "other-app"}, "InvalidIdentityToken"),
        ({"aud": None}, "InvalidIdentityToken"), ({"exp": 1}, "ExpiredTokenException"),
        ({"exp": None}, "ExpiredTokenException"), ({"exp": "9999999999"}, "ExpiredTokenException"),
    ],
)  # fmt: skip
def test_token_with_another_claim_is_refused(
    federation: Federation, change: dict[str, Any], expected: str
) -> None:
    with pytest.raises(AwsError) as refused:
        federation.of_token(token(**change), role())

    assert code(refused) == expected


@pytest.mark.parametrize("text", ["", "e30", "e30.!!!.x", "e30.W10.x", "e30.bm8.x"])
def test_text_that_is_no_token_is_refused(federation: Federation, text: str) -> None:
    with pytest.raises(AwsError) as refused:
        federation.of_token(text, role())

    assert code(refused) == "InvalidIdentityToken"


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny"}, {"Action": WITH_SAML}, {"Action": []}, {"Principal": "*"},
        {"Principal": {"Federated": SAML}}, {"Principal": {"AWS": OIDC}},
    ],
)  # fmt: skip
def test_role_that_does_not_trust_the_provider_is_refused(
    federation: Federation, change: dict[str, Any]
) -> None:
    with pytest.raises(AwsError) as refused:
        federation.of_token(token(), role(**change))

    assert code(refused) == "AccessDenied"


def test_public_provider_needs_no_entry_in_iam(federation: Federation) -> None:
    trusting = role("accounts.google.com")

    identity = federation.of_token(token(iss="https://accounts.google.com"), trusting)

    assert identity.provider == "accounts.google.com"


def assertion(pair: str = f"{ROLE},{SAML}", before: str = "") -> str:
    text = (
        f'{before}<a:Assertion xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion">'
        '<a:Attribute Name="https://aws.amazon.com/SAML/Attributes/Role">'
        f"<a:AttributeValue>{pair}</a:AttributeValue></a:Attribute>"
        '<a:Attribute Name="https://aws.amazon.com/SAML/Attributes/RoleSessionName">'
        "<a:AttributeValue>someone</a:AttributeValue></a:Attribute></a:Assertion>"
    )
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("pair", [f"{ROLE},{SAML}", f"{SAML}, {ROLE}"])
def test_assertion_for_the_role_and_the_provider_is_taken(
    federation: Federation, pair: str
) -> None:
    identity = federation.of_assertion(assertion(pair), SAML, role(SAML, WITH_SAML))

    assert (identity.subject, identity.provider) == ("someone", SAML)


@pytest.mark.parametrize(
    ("text", "provider", "trusting", "expected"),
    [
        (assertion(), f"{SAML}2", role(f"{SAML}2", WITH_SAML), "InvalidIdentityToken"),
        (assertion(f"{ROLE}2,{SAML}"), SAML, role(SAML, WITH_SAML), "AccessDenied"),
        (assertion(f"{ROLE},{SAML}2"), SAML, role(SAML, WITH_SAML), "AccessDenied"),
        (assertion(), SAML, role(SAML, WEB), "AccessDenied"),
        (assertion(), SAML, role(OIDC, WITH_SAML), "AccessDenied"),
        (assertion(before="<!DOCTYPE a>"), SAML, role(SAML, WITH_SAML), "InvalidIdentityToken"),
        (assertion(before=" " * 100_000), SAML, role(SAML, WITH_SAML), "InvalidIdentityToken"),
        ("not base64!", SAML, role(SAML, WITH_SAML), "InvalidIdentityToken"),
        ("bm8geG1s", SAML, role(SAML, WITH_SAML), "InvalidIdentityToken"),
    ],
)
def test_assertion_for_others_or_unreadable_is_refused(
    federation: Federation, text: str, provider: str, trusting: Any, expected: str
) -> None:
    with pytest.raises(AwsError) as refused:
        federation.of_assertion(text, provider, trusting)

    assert code(refused) == expected
