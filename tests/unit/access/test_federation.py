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


@pytest.fixture
def federation() -> Federation:
    iam = SimpleNamespace(
        open_id_providers={OIDC: SimpleNamespace(arn=OIDC, url=ISSUER.removeprefix("https://"),
                                                 client_id_list=["app", "other"])},
        saml_providers={SAML: SimpleNamespace(arn=SAML)},
    )  # fmt: skip
    return Federation(SimpleNamespace(iam=lambda: iam))  # type: ignore[arg-type]


def role() -> Any:
    return SimpleNamespace(arn=ROLE)


def token(**change: Any) -> str:
    claims = {"iss": ISSUER, "aud": "app", "sub": "someone", "exp": wall.time() + 60} | change
    kept = {name: value for name, value in claims.items() if value is not None}
    body = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode().rstrip("=")
    return f"e30.{body}.signature"


def code(error: pytest.ExceptionInfo[AwsError]) -> str:
    return error.value.code


def test_token_for_the_provider_and_the_role_is_taken(federation: Federation) -> None:
    identity = federation.of_token(token())

    assert (identity.subject, identity.audience, identity.provider) == ("someone", "app", OIDC)


@pytest.mark.parametrize("change", [{"aud": ["app"]}, {"aud": None, "azp": "other"}])
def test_audience_may_be_a_list_or_the_authorized_party(
    federation: Federation, change: dict[str, Any]
) -> None:
    assert federation.of_token(token(**change)).provider == OIDC


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
        federation.of_token(token(**change))

    assert code(refused) == expected


@pytest.mark.parametrize("text", ["", "e30", "e30.!!!.x", "e30.W10.x", "e30.bm8.x"])
def test_text_that_is_no_token_is_refused(federation: Federation, text: str) -> None:
    with pytest.raises(AwsError) as refused:
        federation.of_token(text)

    assert code(refused) == "InvalidIdentityToken"


def test_public_provider_needs_no_entry_in_iam(federation: Federation) -> None:
    identity = federation.of_token(token(iss="https://accounts.google.com"))

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
    identity = federation.of_assertion(assertion(pair), SAML, role())

    assert (identity.subject, identity.provider) == ("someone", SAML)


@pytest.mark.parametrize(
    ("text", "provider", "trusting", "expected"),
    [
        (assertion(), f"{SAML}2", role(), "InvalidIdentityToken"),
        (assertion(f"{ROLE}2,{SAML}"), SAML, role(), "AccessDenied"),
        (assertion(f"{ROLE},{SAML}2"), SAML, role(), "AccessDenied"),
        (assertion(before="<!DOCTYPE a>"), SAML, role(), "InvalidIdentityToken"),
        (assertion(before=" " * 100_000), SAML, role(), "InvalidIdentityToken"),
        ("not base64!", SAML, role(), "InvalidIdentityToken"),
        ("bm8geG1s", SAML, role(), "InvalidIdentityToken"),
    ],
)
def test_assertion_for_others_or_unreadable_is_refused(
    federation: Federation, text: str, provider: str, trusting: Any, expected: str
) -> None:
    with pytest.raises(AwsError) as refused:
        federation.of_assertion(text, provider, trusting)

    assert code(refused) == expected


def test_claims_are_condition_keys_of_the_provider(federation: Federation) -> None:
    identity = federation.of_token(token(aud=["app"], amr=["mfa"]))

    assert identity.keys == {
        "issuer.example:sub": "someone", "issuer.example:aud": ["app"],
        "issuer.example:amr": ["mfa"],
    }  # fmt: skip


def test_authorized_party_is_the_audience_and_the_audience_has_another_key(
    federation: Federation,
) -> None:
    identity = federation.of_token(token(aud="app", azp="party"))

    assert identity.keys["issuer.example:aud"] == "party"
    assert identity.keys["issuer.example:oaud"] == ["app"]


def test_tags_of_a_token_are_session_tags(federation: Federation) -> None:
    stated = {"principal_tags": {"team": ["a"]}, "transitive_tag_keys": ["team"]}

    identity = federation.of_token(token(**{"https://aws.amazon.com/tags": stated}))

    assert (dict(identity.tags), identity.transitive) == ({"team": "a"}, ("team",))


def test_assertion_has_the_condition_keys_of_saml(federation: Federation) -> None:
    identity = federation.of_assertion(assertion(), SAML, role())

    assert identity.keys == {
        "saml:aud": "https://signin.aws.amazon.com/saml", "saml:doc": "123456789012/corp",
    }  # fmt: skip
