"""Template parameters: values of the request, constraints, and values from SSM."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.cloudformation.allowed_patterns import all_match
from sageloop.local_cloud.cloudformation.errors import invalid
from sageloop.local_cloud.cloudformation.parameter_form import SSM_VALUE
from sageloop.local_cloud.cloudformation.plain_parameters import FetchParameter, StoredParameter
from sageloop.local_cloud.cloudformation.scalars import is_true, scalar_text

_LONGEST_VALUE = 4096
# The only dynamic reference that AWS resolves in the Parameters section has a version.
_DYNAMIC_DEFAULT = re.compile(r"\{\{resolve:ssm:([a-zA-Z0-9_.\-/]+)(:\d+)?\}\}")
MASK = "****"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """One parameter's value.

    ``text`` is from the request or the default, ``value`` is that of ``Ref``, ``resolved`` is the
    value of the SSM parameter, for a parameter of an SSM type.
    """

    name: str
    text: str
    value: Any
    resolved: str | None = None
    no_echo: bool = False

    def described(self) -> dict[str, Any]:
        """The parameter as DescribeStacks returns it."""
        shown = {"ParameterKey": self.name, "ParameterValue": MASK if self.no_echo else self.text}
        if self.resolved is None:
            return shown
        return {**shown, "ResolvedValue": MASK if self.no_echo else self.resolved}

    @property
    def masked(self) -> Any:
        """The value of ``Ref`` where it is shown."""
        return [MASK] if isinstance(self.value, list) else MASK


def resolve_parameters(
    declared: Mapping[str, Mapping[str, Any]],
    requested: Iterable[Mapping[str, Any]],
    *,
    previous: Mapping[str, Parameter],
    fetch_ssm: FetchParameter,
) -> dict[str, Parameter]:
    """The value of every declared parameter.

    Args:
        declared: The template's ``Parameters``.
        requested: The request's ``Parameters`` (``ParameterKey`` with ``ParameterValue`` or
            ``UsePreviousValue``).
        previous: The stack's parameters before this request.
        fetch_ssm: Reads a parameter of Systems Manager.

    Raises:
        AwsError: A parameter is unknown, missing or not allowed.

    """
    texts = _texts(declared, requested, previous)
    missing = [n for n, d in declared.items() if n not in texts and "Default" not in d]
    if missing:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    made = {}
    absent = []
    for name, declaration in declared.items():
        text = texts[name] if name in texts else _default(name, declaration, fetch_ssm)
        _check(name, text, declaration)
        parameter = _made(name, text, declaration, fetch_ssm)
        if parameter is None:
            absent.append(text)
        else:
            made[name] = parameter
    if absent:
        raise invalid(
            f"Unable to fetch parameters [{','.join(absent)}] from parameter store "
            "for this account."
        )
    return made


def _texts(
    declared: Mapping[str, Any],
    requested: Iterable[Mapping[str, Any]],
    previous: Mapping[str, Parameter],
) -> dict[str, str]:
    texts = {}
    unknown = []
    for one in requested:
        name = one["ParameterKey"]
        if name not in declared:
            unknown.append(name)
        elif one.get("UsePreviousValue"):
            if name not in previous:
                raise invalid(
                    f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as "
                    "true for a parameter key not in the previous template"
                )
            texts[name] = previous[name].text
        elif "ParameterValue" in one:
            texts[name] = scalar_text(one["ParameterValue"])
    if unknown:
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    return texts


def _default(name: str, declaration: Mapping[str, Any], fetch_ssm: FetchParameter) -> str:
    text = scalar_text(declaration["Default"])
    match = _DYNAMIC_DEFAULT.search(text)
    if match is None:
        return text
    if match[2] is None:
        raise invalid(
            f"Template error: parameter {name} should not contain ssm versionless resolver"
        )
    stored = fetch_ssm(match[1] + match[2])
    if stored is None:
        raise invalid(f"Parameters: [ssm:{match[1]}{match[2]}] cannot be found.")
    return text.replace(match[0], stored.value)


def _made(
    name: str, text: str, declaration: Mapping[str, Any], fetch_ssm: FetchParameter
) -> Parameter | None:
    kind = declaration["Type"]
    no_echo = is_true(declaration.get("NoEcho"))
    if not kind.startswith(SSM_VALUE):
        return Parameter(name=name, text=text, value=_value(text, kind), no_echo=no_echo)
    stored = fetch_ssm(text)
    if stored is None:
        return None
    inner = kind.removeprefix(SSM_VALUE).removesuffix(">")
    _check_stored(text, stored, is_list=_is_list(inner))
    value = _value(stored.value, inner)
    # AWS shows a list without the spaces around its elements.
    resolved = ",".join(map(scalar_text, value)) if isinstance(value, list) else stored.value
    return Parameter(name=name, text=text, value=value, resolved=resolved, no_echo=no_echo)


def _is_list(kind: str) -> bool:
    return kind == "CommaDelimitedList" or kind.startswith("List<")


def _check_stored(name: str, stored: StoredParameter, *, is_list: bool) -> None:
    if stored.kind == "SecureString":
        raise invalid(
            f"Parameters [{name}] referenced by template have types not supported by "
            "CloudFormation."
        )
    if (stored.kind == "StringList") != is_list:
        raise invalid(
            f"Types for SSM parameters [{name}] defined in CFN template and SSM are incompatible"
        )


def _value(text: str, kind: str) -> Any:
    if _is_list(kind):
        parts = [part.strip() for part in text.split(",")] if text else []
        return [_number(p) for p in parts] if kind == "List<Number>" else parts
    return _number(text) if kind == "Number" else text


def _number(text: str) -> Any:
    # Only where the text is preserved by the conversion: 1.10 and 007 stay as they are.
    if str(_int(text)) == text:
        return int(text)
    return float(text) if repr(float(text)) == text else text


def _int(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _check(name: str, text: str, declaration: Mapping[str, Any]) -> None:
    kind = declaration["Type"]
    size = len(text.encode())
    if size > _LONGEST_VALUE:
        raise invalid(
            f"Parameter '{name}' has a value of {size} bytes, of at most {_LONGEST_VALUE}"
        )
    items = [p.strip() for p in text.split(",")] if "List" in kind else [text]
    broken = _broken_rule(name, text, items, declaration, numeric="Number" in kind)
    if broken:
        constraint = declaration.get("ConstraintDescription")
        raise invalid(
            f"Parameter {name} failed to satisfy constraint: {constraint}" if constraint else broken
        )


def _broken_rule(
    name: str, text: str, items: list[str], declaration: Mapping[str, Any], *, numeric: bool
) -> str | None:
    allowed = [scalar_text(value) for value in declaration.get("AllowedValues", [])]
    if allowed and not set(items) <= set(allowed):
        return f"Parameter '{name}' must be one of AllowedValues [{', '.join(allowed)}], got {text}"
    pattern = declaration.get("AllowedPattern")
    if pattern is not None and not all_match(name, scalar_text(pattern), items):
        return f"Parameter '{name}' must match pattern {pattern}"
    if "MinLength" in declaration and len(text) < int(declaration["MinLength"]):
        return f"Parameter '{name}' must contain at least {declaration['MinLength']} characters"
    if "MaxLength" in declaration and len(text) > int(declaration["MaxLength"]):
        return f"Parameter '{name}' must contain at most {declaration['MaxLength']} characters"
    return _broken_number(name, items, declaration) if numeric else None


def _broken_number(name: str, items: list[str], declaration: Mapping[str, Any]) -> str | None:
    try:
        values = [float(item) for item in items]
    except ValueError:
        return f"Parameter '{name}' must be a number."
    if "MinValue" in declaration and min(values) < float(declaration["MinValue"]):
        return f"Parameter '{name}' must be a number not less than {declaration['MinValue']}"
    if "MaxValue" in declaration and max(values) > float(declaration["MaxValue"]):
        return f"Parameter '{name}' must be a number not greater than {declaration['MaxValue']}"
    return None
