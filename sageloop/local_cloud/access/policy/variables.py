"""Policy variables: ``${aws:username}``, ``${aws:PrincipalTag/team, 'none'}``, ``${*}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sageloop.local_cloud.access.policy import patterns

# The single value of a condition key in lower case, or None: absent, or with several values.
Lookup = Callable[[str], str | None]

_VARIABLE = re.compile(r"\$\{([^${}]*|\$)\}")
_NAMED = re.compile(r"([^,']+?)\s*(?:,\s*'([^']*)')?\s*\Z")
_CHARACTERS = ("*", "?", "$")


@dataclass(frozen=True, slots=True)
class _Variable:
    key: str
    default: str | None

    def value(self, lookup: Lookup) -> str | None:
        value = lookup(self.key)
        return self.default if value is None else value


@dataclass(frozen=True, slots=True)
class Template:
    """A text with policy variables.

    Build one with `template`. A variable's value is plain text: a wildcard in it matches only
    itself. AWS's documentation does not define this; as a wildcard, a session name or a tag could
    open a policy to every resource.
    """

    parts: tuple[str | _Variable, ...]
    literals: tuple[bool, ...]

    @property
    def constant(self) -> bool:
        """Whether it has no variable, so that it is the same in every request."""
        return not any(isinstance(part, _Variable) for part in self.parts)

    def tokens(self, lookup: Lookup) -> list[patterns.Token] | None:
        """Tokens of a pattern, or ``None`` if a variable has neither value nor default."""
        result: list[patterns.Token] = []
        for part, literal in zip(self.parts, self.literals, strict=True):
            if isinstance(part, _Variable):
                value = part.value(lookup)
                if value is None:
                    return None
                result += value
            else:
                result += part if literal else patterns.tokens(part)
        return result

    def text(self, lookup: Lookup) -> str | None:
        """The text itself, wildcards not interpreted; ``None`` as for `tokens`."""
        result: list[str] = []
        for part in self.parts:
            value = part.value(lookup) if isinstance(part, _Variable) else part
            if value is None:
                return None
            result.append(value)
        return "".join(result)


def template(text: str, *, variables: bool) -> Template:
    """Parse a text of a policy.

    Args:
        text: text of the policy.
        variables: whether its version has variables (2012-10-17); otherwise ``${`` is text.

    """
    if not variables or "${" not in text:
        return Template((text,), (False,))
    parts: list[str | _Variable] = []
    literals: list[bool] = []
    for part, literal in _parts(text):
        parts.append(part)
        literals.append(literal)
    return Template(tuple(parts), tuple(literals))


def keys(text: str) -> Sequence[str]:
    """The condition keys that a text refers to, in lower case."""
    return [part.key for part, _ in _parts(text) if isinstance(part, _Variable)]


def _parts(text: str) -> list[tuple[str | _Variable, bool]]:
    parts: list[tuple[str | _Variable, bool]] = []
    end = 0
    for match in _VARIABLE.finditer(text):
        parts.append((text[end : match.start()], False))
        parts.append(_part(match))
        end = match.end()
    parts.append((text[end:], False))
    return [(part, literal) for part, literal in parts if part != ""]


def _part(match: re.Match[str]) -> tuple[str | _Variable, bool]:
    inner = match[1]
    if inner in _CHARACTERS:
        return inner, True
    named = _NAMED.match(inner)
    if named is None or ":" not in named[1]:
        return match[0], True
    return _Variable(named[1].strip().lower(), named[2]), False
