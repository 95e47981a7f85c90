"""Checks of arguments; tokens are not checked."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sized
from types import TracebackType
from typing import Any, Self

from aws_cdk import Duration, Tokenization
from constructs import IConstruct

from .errors import ConfigurationError, Fault
from .keys import prefix_fault
from .tokens import is_token
from .zones import zone_fault

_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"

_HIGH_RESOLUTION = (10, 20, 30)


def known(*values: Any) -> bool:
    """Whether no value is a token."""
    return not any(is_token(value) for value in values)


def text_of(number: float) -> str:
    """A number as a string; a token stays a token, which ``str`` would not preserve."""
    return Tokenization.stringify_number(number)


class Checks:
    """Collects the errors of a construct's arguments, and raises them together.

    Example:
        >>> with Checks("Demo") as check:
        ...     check.between("weight", 0.5, 0)
        ...     check.name("job", "demo-flights")

    """

    def __init__(self, where: IConstruct | str) -> None:
        self._where = where
        self._faults: list[Fault] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None and self._faults:
            raise ConfigurationError.of(self._where, self._faults)

    def refuse(self, code: str, message: str) -> None:
        """Add an error."""
        self._faults.append(Fault(code, message))

    def between(
        self, name: str, value: float, low: float | None = None, high: float | None = None
    ) -> None:
        """Refuse a number that is not finite or not from ``low`` to ``high`` (inclusive)."""
        if not known(value):
            return
        bounds = (low if known(low) else None, high if known(high) else None)
        if not _is_number(value):
            self.refuse("TypeNotAllowed", f"{name} must be a number, got {value!r}")
        elif not _lies(value, *bounds):
            self.refuse("ValueOutOfRange", f"{name} must be {_range(*bounds)}, got {value}")

    def whole(self, name: str, value: float, low: float, high: float | None = None) -> None:
        """Refuse a number outside of ``low`` to ``high``, and one that is not an integer."""
        if known(value) and _is_number(value) and math.isfinite(value) and value % 1 != 0:
            self.refuse("ValueNotWhole", f"{name} must be a whole number, got {value}")
        else:
            self.between(name, value, low, high)

    def one_of(self, name: str, value: str, allowed: Collection[str]) -> None:
        """Refuse a string that is not one of ``allowed``."""
        if known(value) and value not in allowed:
            listed = ", ".join(sorted(allowed))
            self.refuse("ValueNotAllowed", f"{name} must be one of {listed}, got {value!r}")

    def matches(self, name: str, value: str, pattern: str, limit: int) -> None:
        """Refuse a string that is longer than ``limit`` or does not match ``pattern``."""
        if not known(value) or not self._is_text(name, value):
            return
        if len(value) > limit:
            message = f"{name} must have at most {limit} characters, got {len(value)} ({value!r})"
            self.refuse("NameTooLong", message)
        elif re.fullmatch(pattern, value) is None:
            self.refuse("NameNotAllowed", f"{name} must match {pattern}, got {value!r}")

    def name(self, label: str, value: str, limit: int = 63) -> None:
        """Refuse an invalid name of a SageMaker resource."""
        self.matches(label, value, _NAME, limit)

    def prefix(self, label: str, value: str) -> None:
        """Refuse an S3 prefix that is absolute, open-ended, or a pattern in a policy."""
        if not known(value) or not self._is_text(label, value):
            return
        fault = prefix_fault(value)
        if fault is not None:
            self.refuse("PrefixNotAllowed", f"{label} {fault}, got {value[:80]!r}")

    def instance_type(self, label: str, value: str) -> None:
        """Refuse an invalid ML instance type; valid is ``ml.m5.large``."""
        if not known(value) or not self._is_text(label, value):
            return
        if _INSTANCE_TYPE.fullmatch(value) is None:
            message = f"{label} must be an ML instance type such as 'ml.m5.large', got {value!r}"
            self.refuse("InstanceTypeNotAllowed", message)

    def timezone(self, label: str, value: str) -> None:
        """Refuse an invalid IANA time zone."""
        if not known(value) or not self._is_text(label, value):
            return
        fault = zone_fault(value)
        if fault is not None:
            self.refuse("TimezoneNotAllowed", f"{label} {fault}; got {value!r}")

    def not_empty(self, label: str, value: Sized) -> None:
        """Refuse an empty collection."""
        if len(value) == 0:
            self.refuse("ValueMissing", f"{label} must have at least one entry, got none")

    def alarm(self, label: str, period: float, periods: float) -> None:
        """Refuse an alarm whose evaluation is longer than CloudWatch allows.

        Args:
            label: Name of the alarm in the message.
            period: Period in seconds: 10, 20, 30 or a multiple of 60.
            periods: Evaluation periods.

        See https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html

        """
        if not known(period, periods) or not _is_number(period) or not _is_number(periods):
            return
        if period not in _HIGH_RESOLUTION and (period < 60 or period % 60):
            self.refuse("PeriodNotAllowed", f"the period of {label} must be 10, 20, 30 or a "
                        f"multiple of 60 seconds, got {period}")  # fmt: skip
        days = 7 if period >= 3600 else 1
        if period * periods > days * 86_400:
            self.refuse("EvaluationTooLong", f"{label} must evaluate {days} day(s) at most, got "
                        f"{periods} periods of {period} seconds")  # fmt: skip

    def literal(self, label: str, value: float | Duration | None) -> None:
        """Refuse a token where the value is required at synthesis."""
        unknown = value.is_unresolved() if isinstance(value, Duration) else not known(value)
        if unknown:
            message = f"{label} must be known when the stack is built, got a token"
            self.refuse("TokenNotAllowed", message)

    def _is_text(self, label: str, value: object) -> bool:
        if isinstance(value, str):
            return True
        self.refuse("TypeNotAllowed", f"{label} must be a text, got {value!r}")
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lies(value: float, low: float | None, high: float | None) -> bool:
    return math.isfinite(value) and (
        (low is None or value >= low) and (high is None or value <= high)
    )


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return "finite" if high is None else f"at most {high}"
    return f"at least {low}" if high is None else f"between {low} and {high}"
