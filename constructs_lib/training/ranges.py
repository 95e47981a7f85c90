"""Hyperparameter ranges of tuning jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .._private.checks import Checks, known, text_of

_VALUE_LIMIT = 256
_CHOICES = 30


class ScalingType(StrEnum):
    """Scaling type of a range.

    See https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html
    """

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


@dataclass(frozen=True, slots=True)
class IntegerRange:
    """An integer range, both limits included.

    Attributes:
        name: Name of the hyperparameter.
        minimum: Minimum.
        maximum: Maximum.
        scaling: A ``ScalingType``; a logarithmic one needs a minimum above 0.

    Example:
        >>> IntegerRange("max_depth", 3, 9)
        IntegerRange(name='max_depth', minimum=3, maximum=9, scaling='Auto')

    """

    name: str
    minimum: int
    maximum: int
    scaling: str = ScalingType.AUTO.value

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        label = f"the range of {self.name}"
        if self.scaling == ScalingType.REVERSE_LOGARITHMIC:
            check.refuse("ScalingNotAllowed", f"{label} cannot be scaled ReverseLogarithmic: "
                         "only a continuous range can")  # fmt: skip
        for end, value in (("minimum", self.minimum), ("maximum", self.maximum)):
            check.whole(f"{label}: {end}", value, -(2**31), 2**31 - 1)
        _check_ends(check, label, self.minimum, self.maximum, self.scaling)

    def rendered(self) -> dict[str, Any]:
        """The range for the request: numbers as strings."""
        return _rendered_ends(self.name, self.minimum, self.maximum, self.scaling)


@dataclass(frozen=True, slots=True)
class ContinuousRange:
    """A continuous range, both limits included.

    Attributes:
        name: Name of the hyperparameter.
        minimum: Minimum.
        maximum: Maximum.
        scaling: A ``ScalingType``; a logarithmic one needs a minimum above 0, a reversed
            logarithmic one a range within 0 and 1, 1 excluded.

    Example:
        >>> ContinuousRange("eta", 0.01, 0.3, scaling="Logarithmic").rendered()["MinValue"]
        '0.01'

    """

    name: str
    minimum: float
    maximum: float
    scaling: str = ScalingType.AUTO.value

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        label = f"the range of {self.name}"
        for end, value in (("minimum", self.minimum), ("maximum", self.maximum)):
            check.between(f"{label}: {end}", value)
        _check_ends(check, label, self.minimum, self.maximum, self.scaling)

    def rendered(self) -> dict[str, Any]:
        """The range for the request: numbers as strings."""
        return _rendered_ends(self.name, self.minimum, self.maximum, self.scaling)


@dataclass(frozen=True, slots=True)
class CategoricalRange:
    """A categorical range.

    Attributes:
        name: Name of the hyperparameter.
        values: 1 to 30 values; all are sent as strings.

    Example:
        >>> CategoricalRange("tree_method", ["approx", "hist"]).rendered()
        {'Name': 'tree_method', 'Values': ['approx', 'hist']}

    """

    name: str
    values: Sequence[str | int | float]

    def check(self, check: Checks) -> None:
        """Refuse values that SageMaker does not accept."""
        label = f"the range of {self.name}"
        if not 1 <= len(self.values) <= _CHOICES:
            check.refuse(
                "ValueOutOfRange",
                f"{label} must have 1 to {_CHOICES} values, got {len(self.values)}",
            )
        texts = self.texts
        for text in texts:
            check.matches(f"{label}: a value", text, r"[\s\S]*", _VALUE_LIMIT)
        if len(set(texts)) < len(texts):
            twice = sorted({text for text in texts if texts.count(text) > 1})
            check.refuse("ValueNotUnique", f"{label} has a value twice: {', '.join(twice)}")

    @property
    def texts(self) -> list[str]:
        """The values for the request."""
        return [value if isinstance(value, str) else text_of(value) for value in self.values]

    def rendered(self) -> dict[str, Any]:
        """The range for the request."""
        return {"Name": self.name, "Values": self.texts}


Range = IntegerRange | ContinuousRange | CategoricalRange


def render_ranges(ranges: Sequence[Range]) -> dict[str, list[dict[str, Any]]]:
    """``ParameterRanges`` of a request; empty kinds are omitted."""
    kinds: Mapping[str, type] = {
        "IntegerParameterRanges": IntegerRange,
        "ContinuousParameterRanges": ContinuousRange,
        "CategoricalParameterRanges": CategoricalRange,
    }
    by_kind = {
        key: [each.rendered() for each in ranges if isinstance(each, kind)]
        for key, kind in kinds.items()
    }
    return {key: rendered for key, rendered in by_kind.items() if rendered}


def _check_ends(check: Checks, label: str, minimum: float, maximum: float, scaling: str) -> None:
    check.one_of(f"{label}: scaling", scaling, [each.value for each in ScalingType])
    if not _comparable(minimum, maximum):
        return
    if minimum >= maximum:
        check.refuse("ValueOutOfRange", f"{label}: minimum must be less than maximum, got "
                     f"{minimum} and {maximum}; fix the value instead if it is one")  # fmt: skip
    if scaling == ScalingType.LOGARITHMIC and minimum <= 0:
        check.refuse(
            "ScalingNotAllowed",
            f"{label} is scaled Logarithmic: minimum must be above 0, got {minimum}",
        )
    if scaling == ScalingType.REVERSE_LOGARITHMIC and not 0 <= minimum <= maximum < 1:
        check.refuse("ScalingNotAllowed", f"{label} is scaled ReverseLogarithmic: it must lie "
                     f"within 0 and 1 (1 excluded), got {minimum} to {maximum}")  # fmt: skip


def _comparable(*values: float) -> bool:
    return known(*values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _rendered_ends(name: str, minimum: float, maximum: float, scaling: str) -> dict[str, Any]:
    return {
        "Name": name,
        "MinValue": text_of(minimum),
        "MaxValue": text_of(maximum),
        "ScalingType": str(scaling),
    }
