"""Whether two patterns of ARNs can match the same ARN."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sageloop.local_cloud.access.policy.patterns import ANY_CHARACTER, ANY_TEXT, Token, tokens

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_ARN_FIELDS = 6
# Names that hold no slash, so that what follows one is another kind of resource.
_WITHOUT_SLASH = frozenset({"BucketName"})


@dataclass(frozen=True, slots=True)
class _WithoutSlash:
    """Any text without a slash."""


_Item = Token | _WithoutSlash


def arns_overlap(form: str, pattern: str) -> bool:
    """Whether a pattern of a policy can match an ARN of a resource type.

    Args:
        form: the ARN of a resource type in the Service Authorization Reference, with
            placeholders: ``arn:${Partition}:s3:::${BucketName}``.
        pattern: ARN with wildcards and policy variables.

    """
    pattern = _VARIABLE.sub("*", pattern)
    forms, parts = form.split(":", _ARN_FIELDS - 1), pattern.split(":", _ARN_FIELDS - 1)
    if len(forms) == len(parts) == _ARN_FIELDS:
        return all(
            _overlap(_of_form(a), list(tokens(b))) for a, b in zip(forms, parts, strict=True)
        )
    return _overlap(_of_form(form), list(tokens(pattern)))


def _of_form(text: str) -> list[_Item]:
    items: list[_Item] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        items += text[end : match.start()]
        items.append(_WithoutSlash() if match[1] in _WITHOUT_SLASH else ANY_TEXT)
        end = match.end()
    # Some forms of the reference have an asterisk of their own.
    items += tokens(text[end:])
    return items


def _overlap(left: Sequence[_Item], right: Sequence[_Item]) -> bool:
    """Whether some text matches both, by the pairs of places that can be reached together."""
    reached = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        if i == len(left) and j == len(right):
            return True
        for place in _steps(left, right, i, j):
            if place not in reached:
                reached.add(place)
                waiting.append(place)
    return False


def _steps(left: Sequence[_Item], right: Sequence[_Item], i: int, j: int) -> list[tuple[int, int]]:
    a = left[i] if i < len(left) else ""
    b = right[j] if j < len(right) else ""
    steps = []
    if _is_many(a):
        steps.append((i + 1, j))
        if b != "" and (_is_many(b) or _takes(a, b)):
            steps.append((i, j + 1))
    if _is_many(b):
        steps.append((i, j + 1))
        if a != "" and (_is_many(a) or _takes(b, a)):
            steps.append((i + 1, j))
    if not _is_many(a) and not _is_many(b) and "" not in (a, b) and _same(a, b):
        steps.append((i + 1, j + 1))
    return steps


def _is_many(item: _Item) -> bool:
    return item is ANY_TEXT or isinstance(item, _WithoutSlash)


def _takes(many: _Item, one: _Item) -> bool:
    return not (isinstance(many, _WithoutSlash) and one == "/")


def _same(a: _Item, b: _Item) -> bool:
    return a is ANY_CHARACTER or b is ANY_CHARACTER or a == b
