"""Federated identities: tokens of OpenID Connect providers, and SAML assertions.

STS accepts these without an AWS signature. IAM must contain the provider, the token must have the
right audience and be valid in time, and the role's trust policy must allow the provider with the
condition keys of the token, in every access mode. The provider's own signature is not verified,
since its keys are on the network: any token that names a trusted provider is accepted.
"""

from __future__ import annotations

import base64
import binascii
import json
import time as wall
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError, XMLParser, fromstring

from sageloop.local_cloud.access.caller import identity_provider
from sageloop.local_cloud.access.policy.authorization import Permission
from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from sageloop.local_cloud.access.parts import FederationParts
    from sageloop.local_cloud.core.operations import Call

_PUBLIC_PROVIDERS = (
    "accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com",
    "www.amazon.com",
)  # fmt: skip
_ASSERTION = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_ROLE = "https://aws.amazon.com/SAML/Attributes/Role"
_SESSION = "https://aws.amazon.com/SAML/Attributes/RoleSessionName"
_PRINCIPAL_TAG = "https://aws.amazon.com/SAML/Attributes/PrincipalTag:"
_TRANSITIVE = "https://aws.amazon.com/SAML/Attributes/TransitiveTagKeys"
_TAGS = "https://aws.amazon.com/tags"
_SIGN_IN = "https://signin.aws.amazon.com/saml"
_LONGEST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedIdentity:
    """The subject of a token or an assertion.

    Arguments:
        subject: Subject; of an assertion the name of the session.
        audience: Audience.
        provider: The principal of trust policies: ARN of the provider in IAM, or a public
            provider's name.
        keys: Condition keys of the token, such as ``issuer.example:sub``.
        tags: Session tags that the token states.
        transitive: Keys of those that are transitive.

    """

    subject: str
    audience: str
    provider: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()


class Federation:
    """Reads tokens and assertions, and decides whether a role trusts their provider."""

    def __init__(self, cloud: FederationParts) -> None:
        self._cloud = cloud

    def check_trust(self, call: Call, identity: FederatedIdentity, role: Any) -> None:
        """Decide the call by the trust policy of a role. Raises ``AwsError`` if it is denied."""
        caller = identity_provider(call.account_id, identity.provider)
        session = {
            f"sts:{name}": call.params.get(name) for name in ("RoleSessionName", "DurationSeconds")
        }
        keys = self._cloud.authorizer.keys_of(call)
        context = {**identity.keys, **session}
        actions = [f"sts:{call.operation}"]
        if identity.tags:
            actions.append("sts:TagSession")
            context |= {f"aws:RequestTag/{key}": value for key, value in identity.tags.items()}
            context["aws:TagKeys"] = list(identity.tags)
        for action in actions:
            permission = Permission(action, str(role.arn), context)
            if not self._cloud.authorizer.decide(caller, permission, keys).allowed:
                raise AwsError("AccessDenied", f"Not authorized to perform {action}", 403)

    def of_token(self, token: str) -> FederatedIdentity:
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
        tags, transitive = _claimed_tags(claims)
        return FederatedIdentity(
            subject=str(claims.get("sub", "")), audience=str(allowed[0]),
            provider=provider if known is None else str(known.arn),
            keys=_keys_of_token(provider, claims, allowed), tags=tags, transitive=transitive,
        )  # fmt: skip

    def of_assertion(self, assertion: str, provider_arn: str, role: Any) -> FederatedIdentity:
        """The identity in a SAML assertion. Raises ``AwsError`` as STS does."""
        known = [str(p.arn) for p in self._cloud.iam().saml_providers.values()]
        if provider_arn not in known:
            raise _invalid(f"Specified provider doesn't exist: {provider_arn}")
        root = _assertion(assertion)
        attributes = _attributes(root)
        pairs = [set(value.replace(" ", "").split(",")) for value in attributes.get(_ROLE, [])]
        if {str(role.arn), provider_arn} not in pairs:
            raise AwsError(
                "AccessDenied", "The assertion names neither this role nor this provider", 403
            )
        tags = {
            name.removeprefix(_PRINCIPAL_TAG): (values or [""])[0]
            for name, values in attributes.items() if name.startswith(_PRINCIPAL_TAG)
        }  # fmt: skip
        keys = _keys_of_assertion(root, provider_arn)
        return FederatedIdentity(
            subject=(attributes.get(_SESSION) or [""])[0], audience=str(keys["saml:aud"]),
            provider=provider_arn, keys=keys, tags=tags,
            transitive=tuple(attributes.get(_TRANSITIVE, ())),
        )  # fmt: skip

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


def _keys_of_token(
    provider: str, claims: Mapping[str, Any], audiences: list[Any]
) -> dict[str, Any]:
    """The condition keys of a token: those that AWS documents for every provider."""
    audience: Any = [str(one) for one in audiences]
    if claims.get("azp"):
        # The authorized party is the audience then, and the audience itself has another key.
        return _present(provider, {
            "sub": claims.get("sub"), "aud": claims["azp"], "oaud": audience,
            "amr": claims.get("amr"),
        })  # fmt: skip
    return _present(provider, {"sub": claims.get("sub"), "aud": audience, "amr": claims.get("amr")})


def _present(provider: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{provider}:{name}": value for name, value in keys.items() if value}


def _claimed_tags(claims: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    stated = claims.get(_TAGS)
    if not isinstance(stated, dict):
        return {}, ()
    tags = stated.get("principal_tags")
    keys = stated.get("transitive_tag_keys")
    pairs = tags.items() if isinstance(tags, dict) else ()
    return (
        {str(key): str((_listed(value) or [""])[0]) for key, value in pairs},
        tuple(str(key) for key in _listed(keys)) if keys else (),
    )


def _assertion(assertion: str) -> Element:
    try:
        text = base64.b64decode(assertion, validate=True)
        if len(text) > _LONGEST or b"<!DOCTYPE" in text:
            raise ValueError("too long, or with a document type")
        return fromstring(text, XMLParser())  # noqa: S314 - small, and without entities
    except (ValueError, ParseError) as error:
        raise _invalid(f"The SAML assertion cannot be read: {error}") from error


def _attributes(root: Element) -> dict[str, list[str]]:
    return {
        str(attribute.get("Name")): list(_values(attribute))
        for attribute in root.iter(f"{_ASSERTION}Attribute")
    }


def _keys_of_assertion(root: Element, provider_arn: str) -> dict[str, Any]:
    account = provider_arn.split(":")[4]
    name = provider_arn.rpartition("/")[2]
    confirmation = next(root.iter(f"{_ASSERTION}SubjectConfirmationData"), None)
    recipient = None if confirmation is None else confirmation.get("Recipient")
    keys = {
        "saml:aud": recipient or _SIGN_IN, "saml:iss": _text(root, "Issuer"),
        "saml:sub": _text(root, "NameID"), "saml:doc": f"{account}/{name}",
    }  # fmt: skip
    return {key: value for key, value in keys.items() if value}


def _text(root: Element, name: str) -> str:
    element = next(root.iter(f"{_ASSERTION}{name}"), None)
    return "" if element is None else (element.text or "").strip()


def _values(attribute: Element) -> Iterator[str]:
    for value in attribute.iter(f"{_ASSERTION}AttributeValue"):
        yield (value.text or "").strip()


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidIdentityToken", message)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
