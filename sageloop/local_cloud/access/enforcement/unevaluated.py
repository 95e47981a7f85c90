"""Condition keys that AWS fills and the local cloud does not: decisions on AWS may differ.

A policy that uses one is refused, unless the key is allowed by name (``--allow aws:SourceOrgID``):
then the key is absent from every request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sageloop.local_cloud.access.enforcement.resource_tags import EVALUATED
from sageloop.local_cloud.access.policy import variables
from sageloop.local_cloud.access.policy.authorization import SERVICES, filled_keys
from sageloop.local_cloud.access.policy.context_keys import Availability, availability
from sageloop.local_cloud.access.policy.statements import services_of

_SERVED = frozenset(rules.prefix for rules in SERVICES.values())
_TAGS = "aws:resourcetag/"
# Keys of tokens and assertions that STS fills when a role is assumed with them.
_CLAIMS = ("sub", "aud", "oaud", "amr")
_SAML = ("saml:aud", "saml:iss", "saml:sub", "saml:doc")


@dataclass(frozen=True, slots=True)
class Unevaluated:
    """A condition key that is not filled, and the statement that uses it."""

    key: str
    statement: str

    def problem(self, policy: str) -> str:
        """What is wrong, and what is allowed, in one line."""
        return (
            f"{policy}, statement {self.statement}: the local cloud does not fill the condition "
            f"key {self.key}, on AWS the decision may differ; --allow {self.key} leaves it absent"
        )


def unevaluated(node: Any, allow: Iterable[str] = ()) -> list[Unevaluated]:
    """The condition keys in a document, or in a part of a template, that are not filled.

    Statements whose actions are all of services that the local cloud does not serve are left out.

    Args:
        node: a policy document, or any structure that contains statements.
        allow: condition keys that are allowed by name; case is ignored.

    """
    allowed = frozenset(name.lower() for name in allow)
    unfilled = (
        Unevaluated(key, str(statement.get("Sid") or f"[{index}]"))
        for index, statement in enumerate(_statements(node))
        for key in sorted(_keys(statement), key=str.lower)
        if key.lower() not in allowed and not _is_filled(key, statement)
    )
    return list(dict.fromkeys(unfilled))


def _statements(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        if "Effect" in node and ("Action" in node or "NotAction" in node):
            yield node
            return
        for part in node.values():
            yield from _statements(part)
    elif isinstance(node, list):
        for part in node:
            yield from _statements(part)


def _keys(statement: Mapping[str, Any]) -> set[str]:
    conditions = statement.get("Condition")
    operators = conditions.values() if isinstance(conditions, Mapping) else ()
    pairs = [pair for one in operators if isinstance(one, Mapping) for pair in one.items()]
    texts = [text for _, value in pairs for text in _texts(value)]
    texts += [*_texts(statement.get("Resource")), *_texts(statement.get("NotResource"))]
    used = {key for text in texts if "${" in text for key in variables.keys(text)}
    return {str(key) for key, _ in pairs} | used


def _texts(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str)]


def _is_filled(key: str, statement: Mapping[str, Any]) -> bool:
    lowered = key.lower()
    if lowered.startswith(_SAML):
        return True
    prefix, _, name = lowered.partition(":")
    if "." in prefix and name in _CLAIMS:
        return True
    actions = _texts(statement.get("Action"))
    services = services_of(actions) if actions else None
    if services is not None and not services & _SERVED:
        return True  # nothing that the local cloud decides
    if lowered.startswith(_TAGS):
        return services is None or not (services & _SERVED) - EVALUATED
    return _availability(lowered) is not Availability.UNFILLED


@cache
def _availability(key: str) -> Availability:
    return availability(key, filled=filled_keys())
