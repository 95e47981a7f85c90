"""Federated identities: tokens of OpenID Connect providers, and SAML assertions.

STS accepts these without an AWS signature. The role must trust the provider, IAM must contain it,
and the token must have the right audience and be valid in time. The provider's own signature is
not verified, since its keys are on the network: any token that names a trusted provider is
accepted.
"""

from __future__ import annotations

import base64
import binascii
import json
import time as wall
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError, XMLParser, fromstring

from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from sageloop.local_cloud.access.parts import IamState

_PUBLIC_PROVIDERS = (
    "accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com",
    "www.amazon.com",
)  # fmt: skip
_ASSERTION = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_ROLE = "https://aws.amazon.com/SAML/Attributes/Role"
_SESSION = "https://aws.amazon.com/SAML/Attributes/RoleSessionName"
_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """The subject of a token or an assertion."""

    subject: str
    audience: str
    provider: str


class Federation:
    """Reads tokens and assertions, and checks that a role trusts their provider."""

    def __init__(self, cloud: IamState) -> None:
        self._cloud = cloud

    def of_token(self, token: str, role: Any) -> FederatedIdentity:
        """The identity in a JSON web token. Raises ``AwsError`` as STS does."""
        claims = _claims(token)
        provider = str(claims.get("iss", "")).removeprefix("https://")
        audiences = claims.get("aud", claims.get("azp", ""))
        allowed = audiences if isinstance(audiences, list) else [str(audiences)]
        known = self._provider(provider)
        if known is None and provider not in _PUBLIC_PROVIDERS:
            raise _invalid(f"No OpenIDConnect provider found in your account for {claims['iss']}")
        if known is not None and not set(allowed) & set(known.client_id_list):
            raise _invalid("Incorrect token audience")
        expires = claims.get("exp")
        if not isinstance(expires, int | float) or wall.time() > expires:
            raise AwsError(
                "ExpiredTokenException", "Token expired: current date/time must be before the "
                "expiration date/time",
            )  # fmt: skip
        named = provider if known is None else str(known.arn)
        _check_trust(role, "sts:AssumeRoleWithWebIdentity", named)
        return FederatedIdentity(str(claims.get("sub", "")), str(allowed[0]), named)

    def of_assertion(self, assertion: str, provider_arn: str, role: Any) -> FederatedIdentity:
        """The identity in a SAML assertion. Raises ``AwsError`` as STS does."""
        known = [str(p.arn) for p in self._cloud.iam().saml_providers.values()]
        if provider_arn not in known:
            raise _invalid(f"Specified provider doesn't exist: {provider_arn}")
        attributes = _attributes(assertion)
        pairs = [set(value.replace(" ", "").split(",")) for value in attributes.get(_ROLE, [])]
        if {str(role.arn), provider_arn} not in pairs:
            raise AwsError(
                "AccessDenied", "The assertion names neither this role nor this provider", 403
            )
        _check_trust(role, "sts:AssumeRoleWithSAML", provider_arn)
        session = (attributes.get(_SESSION) or [""])[0]
        return FederatedIdentity(session, "https://signin.aws.amazon.com/saml", provider_arn)

    def _provider(self, url: str) -> Any:
        providers = self._cloud.iam().open_id_providers.values()
        return next((p for p in providers if str(p.url).rstrip("/") == url.rstrip("/")), None)


def _claims(token: str) -> dict[str, Any]:
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if isinstance(claims, dict) and claims.get("iss"):
            return claims
    except (IndexError, ValueError, binascii.Error):
        pass
    raise _invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent "
                   "an Access Token)")  # fmt: skip


def _attributes(assertion: str) -> dict[str, list[str]]:
    try:
        text = base64.b64decode(assertion, validate=True)
        if len(text) > _LONGEST or b"<!DOCTYPE" in text:
            raise ValueError("too long, or with a document type")
        root = fromstring(text, XMLParser())  # noqa: S314 - small, and without entities
    except (ValueError, ParseError) as error:
        raise _invalid(f"The SAML assertion cannot be read: {error}") from error
    return {
        str(attribute.get("Name")): list(_values(attribute))
        for attribute in root.iter(f"{_ASSERTION}Attribute")
    }


def _values(attribute: Element) -> Iterator[str]:
    for value in attribute.iter(f"{_ASSERTION}AttributeValue"):
        yield (value.text or "").strip()


def _check_trust(role: Any, action: str, provider: str) -> None:
    document = json.loads(role.assume_role_policy_document or "{}")
    for statement in _listed(document.get("Statement", [])):
        principal = statement.get("Principal", {})
        named = _listed(principal.get("Federated", [])) if isinstance(principal, dict) else []
        actions = [str(a).lower() for a in _listed(statement.get("Action", []))]
        allowed = statement.get("Effect") == "Allow" and action.lower() in actions
        if allowed and provider in named:
            return
    raise AwsError("AccessDenied", f"Not authorized to perform {action}", 403)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidIdentityToken", message)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
