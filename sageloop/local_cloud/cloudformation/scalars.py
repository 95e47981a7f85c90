"""Scalars of a template: numbers that keep their written form, and the one way to write text.

CloudFormation keeps values as text: a custom resource, a parameter, a tag and an output receive
``1.10`` as it was written, and a boolean as ``true`` or ``false``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sageloop.local_cloud.cloudformation.errors import invalid


class WrittenInt(int):
    """An integer with the text from which it was read."""

    written: str

    def __new__(cls, value: int, written: str) -> WrittenInt:
        """The number ``value``, read from ``written``."""
        made = super().__new__(cls, value)
        made.written = written
        return made

    def __getnewargs__(self) -> tuple[int, str]:  # type: ignore[override]
        """The arguments of a copy."""
        return int(self), self.written


class WrittenFloat(float):
    """A number with a fraction or exponent, with the text from which it was read."""

    written: str

    def __new__(cls, value: float, written: str) -> WrittenFloat:
        """The number ``value``, read from ``written``."""
        made = super().__new__(cls, value)
        made.written = written
        return made

    def __getnewargs__(self) -> tuple[float, str]:  # type: ignore[override]
        """The arguments of a copy."""
        return float(self), self.written


def scalar_text(value: Any) -> str:
    """A scalar as text: booleans in lower case, numbers as they were written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.written
    return str(value)


def text_of(value: Any) -> str:
    """A scalar as text. Raises ``ValidationError`` for a map, a list or no value."""
    if value is None or isinstance(value, dict | list):
        raise invalid(
            f"Template error: a string was expected, got {json.dumps(value, default=str)}"
        )
    if not isinstance(value, str | bool | int | float):
        raise invalid(f"Template error: a string was expected, got {value!r}")
    return scalar_text(value)


def document_text(value: Any) -> str:
    """A value as text for AWS's APIs: maps and lists as JSON, scalars as :func:`scalar_text`."""
    if isinstance(value, Mapping | list):
        return json.dumps(value)
    return scalar_text(value)


def is_true(value: Any) -> bool:
    """Whether a template's boolean (possibly a string) is true; ``None`` is not."""
    return value is not None and scalar_text(value).lower() == "true"
