"""Event patterns of EventBridge, which are SNS's filter policies too.

A pattern is a tree of objects whose leaves are arrays of alternatives. ``checked`` refuses what
EventBridge refuses, so ``matches`` expects a valid tree.
"""

from __future__ import annotations

import ipaddress
import json
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sageloop.local_cloud.core.errors import AwsError

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT_MATCHERS = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_AFFIXES = ("prefix", "suffix")
# Numbers of matchers are limited, and compared with six digits after the point:
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
_LARGEST = 5.0e9
_PRECISION = 1e6
_OUT_OF_RANGE = f"takes numbers between {-_LARGEST:.1e} and {_LARGEST:.1e}, inclusive"
_NOTHING: Any = object()


def parsed(text: str) -> dict[str, Any]:
    """The pattern in a JSON document. Raises ``InvalidEventPatternException``."""
    try:
        pattern = json.loads(text)
    except ValueError as error:
        raise _invalid(f"the pattern is not JSON ({error})") from error
    return checked(pattern)


def checked(pattern: Any) -> dict[str, Any]:
    """The pattern, if it is valid. Raises ``InvalidEventPatternException``."""
    if not isinstance(pattern, dict):
        raise _invalid("Filter is not an object")
    if not pattern:
        raise _invalid("Empty patterns are not allowed")
    _check_object(pattern, "")
    return pattern


def matches(pattern: dict[str, Any], event: Any) -> bool:
    """Whether an event satisfies every member of a valid pattern.

    A key with dots is the same as nested objects, in patterns and in events.
    """
    return _matches(_nested(pattern), _nested(event))


def _nested(value: Any) -> Any:
    """A value whose keys with dots are nested objects."""
    if isinstance(value, list):
        return [_nested(one) for one in value]
    if not isinstance(value, dict):
        return value
    nested: dict[str, Any] = {}
    for key, member in value.items():
        first, _, rest = key.partition(".")
        if not (first and rest):
            first, rest = key, ""
        nested[first] = _both(nested.get(first), _nested({rest: member} if rest else member))
    return nested


def _both(first: Any, second: Any) -> Any:
    """The members of two objects, or the second value."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        return second
    return first | {key: _both(first.get(key), value) for key, value in second.items()}


def _matches(pattern: dict[str, Any], event: Any) -> bool:
    for key, expected in pattern.items():
        if key == "$or":
            if not any(_matches(branch, event) for branch in expected):
                return False
            continue
        value = event.get(key, _NOTHING) if isinstance(event, dict) else _NOTHING
        if isinstance(expected, dict):
            if not _object_matches(expected, value):
                return False
        elif not _leaf_matches(expected, value):
            return False
    return True


def _object_matches(expected: dict[str, Any], value: Any) -> bool:
    # An array of objects matches if one of its elements satisfies the whole sub-pattern.
    if isinstance(value, list):
        return any(_object_matches(expected, element) for element in value)
    return _matches(expected, value if isinstance(value, dict) else {})


def _leaf_matches(alternatives: list[Any], value: Any) -> bool:
    present = value is not _NOTHING and not isinstance(value, dict) and value != []
    values = value if isinstance(value, list) else [value]
    for alternative in alternatives:
        if isinstance(alternative, dict) and "exists" in alternative:
            if alternative["exists"] == present:
                return True
        elif present and any(_matches_one(alternative, one) for one in values):
            return True
    return False


def _matches_one(alternative: Any, value: Any) -> bool:
    if not isinstance(alternative, dict):
        return _same(alternative, value)
    ((kind, expected),) = alternative.items()
    if kind in _TEXT_MATCHERS:
        return isinstance(value, str) and _text_matches(kind, expected, value)
    if kind == "anything-but":
        return _is_anything_but(expected, value)
    if kind == "numeric":
        return _is_comparable(value) and _in_range(expected, value)
    return isinstance(value, str) and _in_network(expected, value)


def _same(expected: Any, value: Any) -> bool:
    if isinstance(expected, bool) or isinstance(value, bool) or expected is None or value is None:
        return expected is value
    if _is_comparable(expected) and _is_comparable(value):
        # 300 matches 300.0: AWS's documentation denies it, recordings and Event Ruler do it.
        # Beyond the limit the texts are compared.
        return _rounded(expected) == _rounded(value)
    return type(expected) is type(value) and bool(expected == value)


def _is_comparable(value: Any) -> bool:
    return _is_number(value) and -_LARGEST <= value <= _LARGEST


def _rounded(value: float) -> int:
    return int(_PRECISION * (_LARGEST + value))


def _text_matches(kind: str, expected: Any, value: str) -> bool:
    if isinstance(expected, dict):  # {"prefix": {"equals-ignore-case": "..."}}
        expected, value = expected["equals-ignore-case"].lower(), value.lower()
    if kind == "prefix":
        return bool(value.startswith(expected))
    if kind == "suffix":
        return bool(value.endswith(expected))
    if kind == "wildcard":
        return _wildcard_matches(_wildcard(expected), value)
    return bool(value.lower() == expected.lower())


@lru_cache(maxsize=512)
def _wildcard(text: str) -> tuple[str, ...]:
    """The literal texts between the asterisks."""
    parts, escaped = [""], False
    for char in text:
        if not escaped and char == "\\":
            escaped = True
        elif not escaped and char == "*":
            parts.append("")
        else:
            parts[-1] += char
            escaped = False
    return tuple(parts)


def _wildcard_matches(parts: tuple[str, ...], value: str) -> bool:
    first, *between, last = parts if len(parts) > 1 else (*parts, "")
    if len(parts) == 1:
        return value == first
    if not (value.startswith(first) and value.endswith(last)):
        return False
    # Each text at its first position: linear, where a regular expression would backtrack.
    place, end = len(first), len(value) - len(last)
    for part in between:
        position = value.find(part, place, end)
        if position < 0:
            return False
        place = position + len(part)
    return place <= end


def _is_anything_but(expected: Any, value: Any) -> bool:
    if isinstance(expected, dict):
        ((kind, texts),) = expected.items()
        every = texts if isinstance(texts, list) else [texts]
        return not (isinstance(value, str) and any(_text_matches(kind, t, value) for t in every))
    excluded = expected if isinstance(expected, list) else [expected]
    return not any(_same(one, value) for one in excluded)


def _in_range(terms: list[Any], value: float) -> bool:
    pairs = zip(terms[::2], terms[1::2], strict=True)
    return all(_COMPARE[symbol](_rounded(value), _rounded(bound)) for symbol, bound in pairs)


def _in_network(network: str, value: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _check_object(pattern: dict[str, Any], path: str) -> None:
    for key, expected in pattern.items():
        where = f"{path}.{key}" if path else key
        if key == "$or":
            _check_or(expected, where)
        elif isinstance(expected, dict):
            if not expected:
                raise _invalid(f'Empty objects are not allowed at "{where}"')
            _check_object(expected, where)
        elif not isinstance(expected, list):
            raise _invalid(f'"{where}" must be an object or an array')
        elif not expected:
            raise _invalid(f'Empty arrays are not allowed at "{where}"')
        else:
            for alternative in expected:
                _check_alternative(alternative, where)


def _check_or(branches: Any, where: str) -> None:
    if not isinstance(branches, list) or len(branches) < 2:
        raise _invalid(f'"{where}" must be an array of at least two objects')
    for branch in branches:
        if not isinstance(branch, dict) or not branch:
            raise _invalid(f'every element of "{where}" must be an object that is not empty')
        _check_object(branch, where)


def _check_alternative(alternative: Any, where: str) -> None:
    if isinstance(alternative, list):
        raise _invalid(f'Match value must be String, number, true, false, or null at "{where}"')
    if not isinstance(alternative, dict):
        return
    if len(alternative) != 1:
        raise _invalid(f'Only one key allowed in match expression at "{where}"')
    ((kind, expected),) = alternative.items()
    check = _CHECKS.get(kind)
    if check is None:
        raise _invalid(f'Unrecognized match type {kind} at "{where}"')
    problem = check(expected)
    if problem:
        raise _invalid(f'{kind} at "{where}" {problem}')


def _check_affix(expected: Any) -> str | None:
    if isinstance(expected, dict):
        inner = expected.get("equals-ignore-case")
        fine = len(expected) == 1 and isinstance(inner, str)
        return None if fine else "takes a string or one equals-ignore-case of a string"
    return None if isinstance(expected, str) else "match pattern must be a string"


def _check_text(expected: Any) -> str | None:
    return None if isinstance(expected, str) else "match pattern must be a string"


def _check_wildcard(expected: Any) -> str | None:
    if not isinstance(expected, str):
        return "match pattern must be a string"
    plain = re.sub(r"\\[\\*]", "", expected)
    if "**" in plain:
        return "may not hold two consecutive wildcards"
    return "has an escape other than \\* and \\\\" if "\\" in plain else None


def _check_exists(expected: Any) -> str | None:
    return None if isinstance(expected, bool) else "match pattern must be either true or false"


def _check_numeric(expected: Any) -> str | None:
    if not isinstance(expected, list) or len(expected) not in (2, 4):
        return "takes one or two pairs of an operator and a number"
    symbols, bounds = expected[::2], expected[1::2]
    if any(s not in _COMPARE for s in symbols) or not all(map(_is_number, bounds)):
        return f"takes the operators {' '.join(_COMPARE)} each with a number"
    if not all(map(_is_comparable, bounds)):
        return _OUT_OF_RANGE
    if len(symbols) == 2 and (symbols[0][0], symbols[1][0]) != (">", "<"):
        return "takes a range as a lower bound (> or >=) and then an upper one (< or <=)"
    return "has an empty range" if len(bounds) == 2 and bounds[0] >= bounds[1] else None


def _check_cidr(expected: Any) -> str | None:
    try:
        ipaddress.ip_network(str(expected), strict=False)
    except ValueError:
        return "is malformed; it takes an address range such as 10.0.0.0/24"
    return None if "/" in str(expected) else "is malformed; it takes a range with a / in it"


def _check_anything_but(expected: Any) -> str | None:
    if isinstance(expected, dict):
        return _check_anything_but_text(expected)
    values = expected if isinstance(expected, list) else [expected]
    if not values:
        return "list may not be empty"
    if all(isinstance(v, str) for v in values):
        return None
    if not all(map(_is_number, values)):
        return "list must contain only strings or only numbers"
    return None if all(map(_is_comparable, values)) else _OUT_OF_RANGE


def _check_anything_but_text(expected: dict[str, Any]) -> str | None:
    if len(expected) != 1 or next(iter(expected)) not in _TEXT_MATCHERS:
        return f"takes one of {', '.join(_TEXT_MATCHERS)}"
    ((kind, texts),) = expected.items()
    every = texts if isinstance(texts, list) else [texts]
    if not every or not all(isinstance(t, str) for t in every):
        return f"{kind} takes a string or an array of strings"
    if kind in _AFFIXES and "" in every:
        return "does not allow a null prefix/suffix"
    return next(filter(None, map(_check_wildcard, every)), None) if kind == "wildcard" else None


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "prefix": _check_affix,
    "suffix": _check_affix,
    "equals-ignore-case": _check_text,
    "wildcard": _check_wildcard,
    "anything-but": _check_anything_but,
    "numeric": _check_numeric,
    "exists": _check_exists,
    "cidr": _check_cidr,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _invalid(reason: str) -> AwsError:
    return AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")
