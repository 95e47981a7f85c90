"""Small checks that know what a token is and let it pass."""

from __future__ import annotations

import re
from collections.abc import Collection, Sized
from typing import Any

from aws_cdk import Token
from constructs import IConstruct

from .errors import ConfigurationError

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")


def known(value: Any) -> bool:
    """Whether a value can be judged now, that is, it is not a token."""
    return not Token.is_unresolved(value)


def between(
    where: IConstruct | str, name: str, value: float, low: float, high: float | None = None
) -> None:
    """Refuse a number outside ``low``..``high`` (both included)."""
    if not known(value) or (value >= low and (high is None or value <= high)):
        return
    allowed = f"at least {low}" if high is None else f"between {low} and {high}"
    raise ConfigurationError("ValueOutOfRange", where, f"{name} must be {allowed}, got {value}")


def one_of(where: IConstruct | str, name: str, value: str, allowed: Collection[str]) -> None:
    """Refuse a text that is not one of ``allowed``."""
    if not known(value) or value in allowed:
        return
    listed = ", ".join(sorted(allowed))
    raise ConfigurationError(
        "ValueNotAllowed", where, f"{name} must be one of {listed}, got {value!r}"
    )


def matches(where: IConstruct | str, name: str, value: str, pattern: str, limit: int) -> None:
    """Refuse a text longer than ``limit`` or not of the whole ``pattern``."""
    if not known(value):
        return
    if len(value) > limit:
        message = f"{name} must have at most {limit} characters, got {len(value)} ({value!r})"
        raise ConfigurationError("NameTooLong", where, message)
    if re.fullmatch(pattern, value) is None:
        raise ConfigurationError(
            "NameNotAllowed", where, f"{name} must match {pattern}, got {value!r}"
        )


def name(where: IConstruct | str, label: str, value: str, limit: int = 63) -> None:
    """Refuse what SageMaker does not take as a name."""
    matches(where, label, value, r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", limit)


def prefix(where: IConstruct | str, label: str, value: str) -> None:
    """Refuse an S3 prefix that is empty, absolute, or does not end in a slash."""
    if not known(value) or (value.endswith("/") and not value.startswith("/")):
        return
    message = f"{label} must be a relative S3 prefix ending in '/', got {value!r}"
    raise ConfigurationError("PrefixNotAllowed", where, message)


def instance_type(where: IConstruct | str, label: str, value: str) -> None:
    """Refuse what is not written like an ML instance type (``ml.m5.large``)."""
    if not known(value) or _INSTANCE_TYPE.fullmatch(value) is not None:
        return
    message = f"{label} must be an ML instance type such as 'ml.m5.large', got {value!r}"
    raise ConfigurationError("InstanceTypeNotAllowed", where, message)


def not_empty(where: IConstruct | str, label: str, value: Sized) -> None:
    """Refuse an empty collection."""
    if len(value) == 0:
        raise ConfigurationError(
            "ValueMissing", where, f"{label} must have at least one entry, got none"
        )
