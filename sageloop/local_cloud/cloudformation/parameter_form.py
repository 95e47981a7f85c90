"""Checks the declaration of a template's parameter, before any value of it is known."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.cloudformation.allowed_patterns import check_pattern
from sageloop.local_cloud.cloudformation.errors import invalid, refused
from sageloop.local_cloud.cloudformation.scalars import scalar_text

SSM_VALUE = "AWS::SSM::Parameter::Value<"
_PLAIN = ("String", "AWS::SSM::Parameter::Name", "Number", "CommaDelimitedList")
_MEMBERS = frozenset(
    ("Type", "Default", "NoEcho", "AllowedValues", "AllowedPattern", "MaxLength", "MinLength",
     "MaxValue", "MinValue", "Description", "ConstraintDescription")
)  # fmt: skip
_LONGEST_DESCRIPTION = 4000


def check_parameter(name: str, declaration: Any) -> None:
    """Check one declaration.

    Raises:
        AwsError: ``ValidationError`` with the problem.

    """
    kind = declaration.get("Type") if isinstance(declaration, dict) else None
    if not isinstance(kind, str):
        raise invalid(f"Template format error: Every Parameters object must contain a Type: {name}")
    unknown = sorted(declaration.keys() - _MEMBERS)
    if unknown:
        raise invalid(
            f"Invalid template parameter property '{', '.join(unknown)}' of {name}; allowed are "
            f"{', '.join(sorted(_MEMBERS))}"
        )
    if kind not in _PLAIN and not kind.startswith(
        ("List<", "AWS::EC2::", "AWS::Route53::", SSM_VALUE)
    ):
        raise refused(f"the type {kind} of parameter {name}")
    for member, value in declaration.items():
        _check_member(name, member, value)


def _check_member(name: str, member: str, value: Any) -> None:
    if member == "AllowedValues":
        if not isinstance(value, list) or any(isinstance(v, dict | list) for v in value):
            raise _wrong(name, member, "a list of strings", value)
    elif isinstance(value, dict | list):
        raise _wrong(name, member, "a string", value)
    elif member == "AllowedPattern":
        check_pattern(name, scalar_text(value))
    elif member == "NoEcho" and scalar_text(value).lower() not in ("true", "false"):
        raise _wrong(name, member, "true or false", value)
    elif member in ("MinLength", "MaxLength") and not scalar_text(value).isdigit():
        raise _wrong(name, member, "a whole number", value)
    elif member in ("MinValue", "MaxValue") and not _is_number(scalar_text(value)):
        raise _wrong(name, member, "a number", value)
    elif member == "Description" and len(scalar_text(value)) > _LONGEST_DESCRIPTION:
        raise _wrong(name, member, f"at most {_LONGEST_DESCRIPTION} characters", value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _wrong(name: str, member: str, expected: str, value: Any) -> Exception:
    shown = repr(value)
    return invalid(
        f"Template format error: {member} of parameter {name} must be {expected}, got "
        f"{shown if len(shown) <= 100 else shown[:100] + '…'}"
    )
