"""The functions of a template: which there are, where they may stand, and their arguments.

Nothing is evaluated: a template is checked before its parameters have values, so that
ValidateTemplate, stacks and change sets refuse the same templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.cloudformation.errors import invalid, refused

SUB_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_COMMON = (
    "Fn::Base64", "Fn::GetAtt", "Fn::GetAZs", "Fn::ImportValue", "Fn::Join", "Fn::Split",
    "Fn::FindInMap", "Fn::Select", "Ref", "Fn::Equals", "Fn::If", "Fn::Not", "Condition",
    "Fn::And", "Fn::Or", "Fn::Sub", "Fn::Cidr",
)  # fmt: skip
_OF_RULES = ("Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn")
# AWS has them; the local cloud does not evaluate them.
_NOT_SUPPORTED = ("Fn::Transform", "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll")


@dataclass(frozen=True, slots=True)
class Use:
    """One function in a template, with its argument."""

    name: str
    argument: Any


def uses(value: Any, *, in_rules: bool = False) -> Iterator[Use]:
    """The functions of an expression, the outer ones first.

    Raises:
        AwsError: ``ValidationError`` for a function that does not exist, may not stand here, or
            has wrong arguments; or one that the local cloud does not support.

    """
    if isinstance(value, list):
        for inner in value:
            yield from uses(inner, in_rules=in_rules)
    if not isinstance(value, dict):
        return
    for name in value:
        if name == "Ref" or name.lower().startswith("fn::"):
            _check_use(name, value, in_rules=in_rules)
            if len(value) == 1:
                yield Use(name, value[name])
    for inner in value.values():
        yield from uses(inner, in_rules=in_rules)


def _check_use(name: str, owner: Mapping[str, Any], *, in_rules: bool) -> None:
    if name in _NOT_SUPPORTED:
        raise refused(f"the function {name}")
    allowed = _COMMON + _OF_RULES if in_rules else _COMMON
    if name not in allowed:
        raise invalid(
            f"Template error: Encountered unsupported function: {name} Supported functions are: "
            f"[{', '.join(allowed)}]"
        )
    if len(owner) == 1:
        _check_argument(name, owner[name])
    elif name != "Ref":  # an object may have a member of that name; what AWS does is unverified
        raise invalid(
            f"Template error: {name} must be the only member of its object, which has "
            f"{', '.join(sorted(owner))}"
        )


def _check_argument(name: str, argument: Any) -> None:
    rule = _ARGUMENTS.get(name)
    if rule is not None and not rule[0](argument):
        raise invalid(f"Template error: {rule[1]}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_function(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1


def _is_list(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and least <= len(value) <= most


def _is_attribute(value: Any) -> bool:
    if isinstance(value, str):
        return all(value.partition("."))
    return (
        isinstance(value, list)
        and len(value) >= 2
        and all(_is_text(part) and part != "" for part in value[:1])
        and all(_is_text(part) or _is_function(part) for part in value[1:])
    )


def _is_substitution(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)
    return isinstance(value, str)


def _is_join(value: Any) -> bool:
    # The delimiter may be a function only with AWS::LanguageExtensions.
    return (
        _is_list(2, 2)(value)
        and _is_text(value[0])
        and (isinstance(value[1], list) or _is_function(value[1]))
    )


def _is_if(value: Any) -> bool:
    return _is_list(3, 3)(value) and isinstance(value[0], str)


_BOOLEANS = "object requires a list of at least 2 and at most 10 boolean parameters."
# The texts of AWS, as far as reports of users show them; their last words are unverified.
_ARGUMENTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Ref": (_is_text, "every Ref object must have a single String value."),
    "Fn::GetAtt": (
        _is_attribute,
        "every Fn::GetAtt object requires two non-empty parameters, the resource name and the "
        "resource attribute",
    ),
    "Fn::Sub": (
        _is_substitution,
        "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a "
        "string as first argument, and an optional second argument to specify a mapping of values "
        "to replace in the string",
    ),
    "Fn::Join": (
        _is_join,
        "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of "
        "strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to "
        "be joined.",
    ),
    "Fn::Split": (
        _is_list(2, 2),
        "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string "
        "to be split or a function that returns a string to be split.",
    ),
    "Fn::Select": (
        _is_list(2, 2),
        "Fn::Select requires a list argument with two elements: an integer index and a list",
    ),
    "Fn::If": (_is_if, "Fn::If requires a list argument with three elements"),
    "Fn::FindInMap": (
        _is_list(3, 3),
        "every Fn::FindInMap object requires three parameters, the map name, map key and the "
        "attribute for return value",
    ),
    "Fn::Equals": (_is_list(2, 2), "Fn::Equals requires a list argument with two elements"),
    "Fn::And": (_is_list(2, 10), f"every Fn::And {_BOOLEANS}"),
    "Fn::Or": (_is_list(2, 10), f"every Fn::Or {_BOOLEANS}"),
    "Fn::Not": (_is_list(1, 1), "Fn::Not requires a list argument with one element"),
    "Fn::Cidr": (
        _is_list(2, 3),
        "every Fn::Cidr object requires a list of two or three parameters: an address block, the "
        "number of blocks and the bits of their size",
    ),
    "Fn::Contains": (_is_list(2, 2), "every Fn::Contains object requires two parameters"),
    "Fn::EachMemberEquals": (
        _is_list(2, 2), "every Fn::EachMemberEquals object requires two parameters",
    ),
    "Fn::EachMemberIn": (_is_list(2, 2), "every Fn::EachMemberIn object requires two parameters"),
}  # fmt: skip
