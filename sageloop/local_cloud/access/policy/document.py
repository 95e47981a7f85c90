"""A policy document, parsed once and evaluated many times."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sageloop.local_cloud.access.policy.errors import PolicyError
from sageloop.local_cloud.access.policy.statements import Statement, parse_statement, services_of

VERSIONS = ("2008-10-17", "2012-10-17")
_WITH_VARIABLES = "2012-10-17"
_MOST_ACTIONS_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document ready to be evaluated. Build one with `parse_policy`.

    ``name`` identifies the policy in decisions: an ARN, or the name of an inline policy.
    """

    name: str
    version: str
    statements: tuple[Statement, ...]
    _by_service: Mapping[str, tuple[Statement, ...]] = field(repr=False, compare=False)
    _of_any_service: tuple[Statement, ...] = field(repr=False, compare=False)
    _by_action: dict[str, tuple[Statement, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def has_variables(self) -> bool:
        """Whether its version of the policy language has policy variables."""
        return self.version == _WITH_VARIABLES

    def without_action(self, statement: Statement, action: str) -> Policy:
        """The policy with one action less in one of its statements, which stays in its place.

        Args:
            statement: a statement of this policy.
            action: a text of its ``Action`` element.

        """
        statements = tuple(
            one.without_action(action) if one.index == statement.index else one
            for one in self.statements
        )
        by_service, of_any = _index(statements)
        return Policy(self.name, self.version, statements, by_service, of_any)

    def about(self, action: str) -> tuple[Statement, ...]:
        """The statements whose actions include one, in the policy's order.

        Args:
            action: such as ``s3:getobject``, in lower case.

        """
        statements = self._by_action.get(action)
        if statements is None:
            service = action.partition(":")[0]
            candidates = self._by_service.get(service, self._of_any_service)
            statements = tuple(one for one in candidates if one.actions.include(action))
            if len(self._by_action) >= _MOST_ACTIONS_REMEMBERED:
                self._by_action.clear()
            self._by_action[action] = statements
        return statements


def parse_policy(document: str | bytes | Mapping[str, Any], *, name: str = "") -> Policy:
    """Read a policy document.

    Refuses what cannot be evaluated. `validation` checks what each service refuses beyond that.

    Args:
        document: JSON text, or what it holds.
        name: identifies the policy in decisions.

    Returns:
        The policy.

    Raises:
        PolicyError: the document is no policy.

    Example:
        >>> policy = parse_policy(
        ...     {
        ...         "Version": "2012-10-17",
        ...         "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"},
        ...     }
        ... )
        >>> [statement.name for statement in policy.about("s3:getobject")]
        ['Statement[0]']

    """
    body = load(document)
    version = body.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        raise PolicyError("Version", f"must be one of {', '.join(VERSIONS)}, not {version!r}")
    element = body.get("Statement")
    if element is None:
        raise PolicyError("Statement", "is missing")
    listed = element if isinstance(element, list) else [element]
    statements = tuple(
        parse_statement(one, index=i, variables=version == _WITH_VARIABLES)
        for i, one in enumerate(listed)
    )
    by_service, of_any = _index(statements)
    return Policy(name, version, statements, by_service, of_any)


def load(document: str | bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """The object in a policy document; raises `PolicyError` if it is not an object."""
    if isinstance(document, (str, bytes)):
        try:
            document = json.loads(document, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise PolicyError("", f"is not JSON: {error}") from None
    if not isinstance(document, Mapping):
        raise PolicyError("", f"must be an object, not {type(document).__name__}")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    element = dict(pairs)
    if len(element) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise PolicyError("", f"has the element {twice} more than once")
    return element


def _index(
    statements: tuple[Statement, ...],
) -> tuple[dict[str, tuple[Statement, ...]], tuple[Statement, ...]]:
    services = {one.index: _services(one) for one in statements}
    named = set[str]().union(*(prefixes for prefixes in services.values() if prefixes is not None))

    def of(service: str | None) -> Iterator[Statement]:
        for one in statements:
            prefixes = services[one.index]
            if prefixes is None or service in prefixes:
                yield one

    return {service: tuple(of(service)) for service in named}, tuple(of(None))


def _services(statement: Statement) -> set[str] | None:
    return None if statement.actions.negated else services_of(statement.actions.texts)
