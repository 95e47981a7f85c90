"""One statement of a policy, compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sageloop.local_cloud.access.policy import patterns
from sageloop.local_cloud.access.policy.conditions import (
    Condition,
    Values,
    parse_conditions,
    texts_of,
)
from sageloop.local_cloud.access.policy.errors import PolicyError
from sageloop.local_cloud.access.policy.patterns import Test
from sageloop.local_cloud.access.policy.principals import (
    Principal,
    PrincipalElement,
    PrincipalMatch,
    parse_principals,
)
from sageloop.local_cloud.access.policy.variables import Lookup, Template, template

_EFFECTS = ("Allow", "Deny")
_ARN_FIELDS = 6


@dataclass(frozen=True, slots=True)
class _Actions:
    """An ``Action`` or ``NotAction`` element."""

    texts: tuple[str, ...]
    negated: bool
    tests: tuple[Test, ...]

    def include(self, action: str) -> bool:
        """Whether the element matches an action in lower case."""
        return any(test(action) for test in self.tests) != self.negated


@dataclass(frozen=True, slots=True)
class _Resources:
    """A ``Resource`` or ``NotResource`` element."""

    texts: tuple[str, ...]
    negated: bool
    tests: tuple[Test, ...]
    templates: tuple[tuple[str, Template], ...]

    def include(self, resource: str, lookup: Lookup) -> bool:
        """Whether the element matches a resource; ``lookup`` returns values of policy variables."""
        listed = any(test(resource) for test in self.tests) or any(
            _matches(prefix, part, resource, lookup) for prefix, part in self.templates
        )
        return listed != self.negated


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy.

    ``principals`` is ``None`` in policies that are attached to a principal. ``resources`` is
    ``None`` in policies that are attached to their only resource.
    """

    index: int
    sid: str
    allows: bool
    actions: _Actions
    resources: _Resources | None
    principals: PrincipalElement | None
    conditions: tuple[Condition, ...]

    @property
    def name(self) -> str:
        """Its ``Sid``, or its place in the policy."""
        return self.sid or f"Statement[{self.index}]"

    def is_about(self, resource: str, context: Values, lookup: Lookup) -> bool:
        """Whether resource and conditions match; action and principal are matched separately."""
        return (self.resources is None or self.resources.include(resource, lookup)) and all(
            condition.holds(context, lookup) for condition in self.conditions
        )

    def without_action(self, action: str) -> Statement:
        """The statement with one text of its ``Action`` element less."""
        kept = tuple(text for text in self.actions.texts if text != action)
        tests = tuple(patterns.wildcard(text.lower()) for text in kept)
        return replace(self, actions=_Actions(kept, self.actions.negated, tests))

    def match_principal(self, principal: Principal) -> PrincipalMatch:
        """How the statement's principals match the principal of the request."""
        if self.principals is None:
            return PrincipalMatch.DIRECT
        return self.principals.applies(principal, allows=self.allows)


def parse_statement(element: Any, *, index: int, variables: bool) -> Statement:
    """Read one statement; raises `PolicyError` naming the element that is wrong."""
    where = f"Statement[{index}]"
    if not isinstance(element, Mapping):
        raise PolicyError(where, f"must be an object, not {type(element).__name__}")
    effect = element.get("Effect")
    if effect not in _EFFECTS:
        raise PolicyError(f"{where}.Effect", f"must be Allow or Deny, not {effect!r}")
    sid = element.get("Sid", "")
    return Statement(
        index=index,
        sid=str(sid),
        allows=effect == "Allow",
        actions=_actions(element, where),
        resources=_resources(element, where, variables),
        principals=_principals(element, where),
        conditions=parse_conditions(
            element.get("Condition", {}), variables=variables, where=f"{where}.Condition"
        ),
    )


def _choice(element: Mapping[str, Any], name: str, where: str) -> str | None:
    """The element of a pair (``Action`` and ``NotAction``) that a statement has."""
    negated = f"Not{name}"
    present = [one for one in (name, negated) if one in element]
    if len(present) == 2:
        raise PolicyError(where, f"has both {name} and {negated}; one is allowed")
    return present[0] if present else None


def _actions(element: Mapping[str, Any], where: str) -> _Actions:
    chosen = _choice(element, "Action", where)
    if chosen is None:
        raise PolicyError(where, "has neither Action nor NotAction")
    texts = texts_of(element[chosen], f"{where}.{chosen}")
    if not texts:
        raise PolicyError(f"{where}.{chosen}", "must name at least one action")
    tests = tuple(patterns.wildcard(text.lower()) for text in texts)
    return _Actions(texts, chosen == "NotAction", tests)


def _resources(element: Mapping[str, Any], where: str, variables: bool) -> _Resources | None:
    chosen = _choice(element, "Resource", where)
    if chosen is None:
        return None
    texts = texts_of(element[chosen], f"{where}.{chosen}")
    if not texts:
        raise PolicyError(f"{where}.{chosen}", "must name at least one resource")
    constant: list[Test] = []
    variable: list[tuple[str, Template]] = []
    for text in texts:
        prefix, part = _split_at_resource(text)
        read = template(part, variables=variables)
        if len(read.literals) > 1 or not read.constant:
            variable.append((prefix, read))
        else:
            constant.append(patterns.resource(text))
    return _Resources(texts, chosen == "NotResource", tuple(constant), tuple(variable))


def _split_at_resource(text: str) -> tuple[str, str]:
    """An ARN split before its resource part, the only part in which variables are replaced."""
    fields = text.split(":", _ARN_FIELDS - 1)
    if len(fields) < _ARN_FIELDS:
        return text, ""
    return ":".join(fields[:-1]) + ":", fields[-1]


def _matches(prefix: str, part: Template, resource: str, lookup: Lookup) -> bool:
    tokens = part.tokens(lookup)
    if tokens is None:
        return False
    return patterns.resource_from_tokens([*patterns.tokens(prefix), *tokens])(resource)


def _principals(element: Mapping[str, Any], where: str) -> PrincipalElement | None:
    chosen = _choice(element, "Principal", where)
    if chosen is None:
        return None
    negated = chosen == "NotPrincipal"
    return parse_principals(element[chosen], negated=negated, where=f"{where}.{chosen}")


def services_of(actions: Sequence[str]) -> set[str] | None:
    """The services whose actions these patterns can match; ``None`` if it can be any."""
    services = {text.lower().partition(":")[0] for text in actions}
    return None if any("*" in one or "?" in one for one in services) else services
