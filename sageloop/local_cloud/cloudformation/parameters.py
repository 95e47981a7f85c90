"""Template parameters: values of the request, constraints, and values from SSM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.cloudformation.errors import invalid, refused
from sageloop.local_cloud.core.user_patterns import PatternTooSlow, matches_whole

_SSM_VALUE = "AWS::SSM::Parameter::Value<"
_PLAIN = ("String", "AWS::SSM::Parameter::Name")
MASK = "****"

FetchSsm = Callable[[str], str | None]


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
        return shown if self.resolved is None else {**shown, "ResolvedValue": self.resolved}


def resolve_parameters(
    declared: Mapping[str, Mapping[str, Any]],
    requested: Iterable[Mapping[str, Any]],
    *,
    previous: Mapping[str, Parameter],
    fetch_ssm: FetchSsm,
) -> dict[str, Parameter]:
    """The value of every declared parameter.

    Args:
        declared: The template's ``Parameters``.
        requested: The request's ``Parameters`` (``ParameterKey`` with ``ParameterValue`` or
            ``UsePreviousValue``).
        previous: The stack's parameters before this request.
        fetch_ssm: The value of an SSM parameter, or ``None`` if it does not exist.

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
        text = texts[name] if name in texts else _text(declaration["Default"])
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
            texts[name] = str(one["ParameterValue"])
    if unknown:
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    return texts


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _made(
    name: str, text: str, declaration: Mapping[str, Any], fetch_ssm: FetchSsm
) -> Parameter | None:
    kind = declaration["Type"]
    no_echo = _text(declaration.get("NoEcho", False)).lower() == "true"
    if kind.startswith(_SSM_VALUE):
        resolved = fetch_ssm(text)
        if resolved is None:
            return None
        inner = kind.removeprefix(_SSM_VALUE).removesuffix(">")
        return Parameter(
            name=name, text=text, value=_value(resolved, inner), resolved=resolved, no_echo=no_echo
        )
    return Parameter(name=name, text=text, value=_value(text, kind), no_echo=no_echo)


def _value(text: str, kind: str) -> Any:
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
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
    kind = declaration.get("Type")
    if not isinstance(kind, str):
        raise invalid(f"Template format error: Every Parameters object must contain a Type: {name}")
    known = kind in (*_PLAIN, "Number", "CommaDelimitedList") or kind.startswith(
        ("List<", "AWS::EC2::", "AWS::Route53::", _SSM_VALUE)
    )
    if not known:
        raise refused(f"the type {kind} of parameter {name}")
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
    allowed = [_text(value) for value in declaration.get("AllowedValues", [])]
    if allowed and not set(items) <= set(allowed):
        return f"Parameter '{name}' must be one of AllowedValues [{', '.join(allowed)}], got {text}"
    pattern = declaration.get("AllowedPattern")
    if pattern and not _all_match(name, pattern, items):
        return f"Parameter '{name}' must match pattern {pattern}"
    if "MinLength" in declaration and len(text) < int(declaration["MinLength"]):
        return f"Parameter '{name}' must contain at least {declaration['MinLength']} characters"
    if "MaxLength" in declaration and len(text) > int(declaration["MaxLength"]):
        return f"Parameter '{name}' must contain at most {declaration['MaxLength']} characters"
    return _broken_number(name, items, declaration) if numeric else None


def _all_match(name: str, pattern: str, items: list[str]) -> bool:
    try:
        return all(matches_whole(pattern, item) for item in items)
    except (ValueError, PatternTooSlow) as error:
        raise invalid(
            f"Template validation error: AllowedPattern of parameter {name}: {error}"
        ) from None


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
