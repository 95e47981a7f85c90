"""Ranges of hyperparameters: allowed values, scale, and format of a value.

The rules are those of "Define Hyperparameter Ranges" in SageMaker's developer guide
(https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Ranges = Mapping[str, Any]
_INTERVALS = (("IntegerParameterRanges", True), ("ContinuousParameterRanges", False))
_CHOICES = "CategoricalParameterRanges"
_WIDE = 1000  # Auto uses a logarithmic scale from three orders of magnitude on
MAX_SEARCHED = 30


@dataclass(frozen=True, slots=True)
class Interval:
    """An integer or continuous range; ``scale`` is the scale that Auto resolves to."""

    name: str
    low: float
    high: float
    whole: bool
    scale: str

    @property
    def kind(self) -> str:
        """The range type in AWS's terms: Integer or Continuous."""
        return "Integer" if self.whole else "Continuous"

    @property
    def size(self) -> float:
        """The number of values."""
        return self.high - self.low + 1 if self.whole else math.inf

    @property
    def sample(self) -> str:
        """One value as a hyperparameter string."""
        return str(int(self.low)) if self.whole else repr(self.low)

    def distribution(self) -> BaseDistribution:
        """The optuna distribution; a reverse-logarithmic range is drawn as 1 - x."""
        from optuna.distributions import FloatDistribution, IntDistribution

        logarithmic = self.scale == "Logarithmic"
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=logarithmic)
        if self.scale == "ReverseLogarithmic":
            return FloatDistribution(1 - self.high, 1 - self.low, log=True)
        return FloatDistribution(self.low, self.high, log=logarithmic)

    def text(self, drawn: Any) -> str:
        """A drawn value as a hyperparameter string: integers plain, floats with full precision."""
        if self.whole:
            return str(int(drawn))
        value = 1 - drawn if self.scale == "ReverseLogarithmic" else float(drawn)
        return repr(min(max(value, self.low), self.high))

    def drawn(self, text: str) -> Any:
        """The drawn value of a hyperparameter string; ``None`` if it is outside the range."""
        value = number(text)
        if value is None or not self.low <= value <= self.high:
            return None
        if self.whole:
            return int(value) if value.is_integer() else None
        if self.scale == "ReverseLogarithmic":
            return min(max(1 - value, 1 - self.high), 1 - self.low)
        return value

    def texts(self) -> Iterator[str]:
        """All values of an integer range."""
        return (str(n) for n in range(int(self.low), int(self.high) + 1))


@dataclass(frozen=True, slots=True)
class Choice:
    """A categorical range."""

    name: str
    values: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The range type in AWS's terms."""
        return "Categorical"

    @property
    def size(self) -> float:
        """The number of values."""
        return len(self.values)

    @property
    def sample(self) -> str:
        """One value."""
        return self.values[0]

    def distribution(self) -> BaseDistribution:
        """The optuna distribution."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def text(self, drawn: Any) -> str:
        """A drawn value as a hyperparameter string."""
        return str(drawn)

    def drawn(self, text: str) -> Any:
        """The drawn value of a hyperparameter string; ``None`` if it is outside the range."""
        return text if text in self.values else None

    def texts(self) -> Iterator[str]:
        """All values."""
        return iter(self.values)


Parameter = Interval | Choice


def parameters(ranges: Ranges) -> tuple[Parameter, ...]:
    """The searched hyperparameters, by name, of ranges without :func:`violations`."""
    searched: list[Parameter] = [
        _interval(document, whole=whole)
        for member, whole in _INTERVALS
        for document in ranges.get(member, ())
    ]
    searched += [Choice(c["Name"], tuple(c["Values"])) for c in ranges.get(_CHOICES, ())]
    return tuple(sorted(searched, key=lambda p: p.name))


def combinations(searched: tuple[Parameter, ...]) -> float:
    """The number of combinations; infinite with a continuous range."""
    return math.prod((p.size for p in searched), start=1.0)


def number(text: str) -> float | None:
    """The finite number that a text represents, or ``None``."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def violations(ranges: Ranges) -> Iterator[str]:
    """The violated constraints of the ranges of a definition, one line each."""
    names = [g["Name"] for member in (*_members(), _CHOICES) for g in ranges.get(member, ())]
    if not names:
        yield "ParameterRanges has no hyperparameter to search; at least one range is required."
    if len(names) > MAX_SEARCHED:
        yield (
            f"ParameterRanges search {len(names)} hyperparameters; the maximum is {MAX_SEARCHED}."
        )
    yield from (
        f"The hyperparameter {name} has {names.count(name)} ranges; it may have one."
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    )
    for member, whole in _INTERVALS:
        for document in ranges.get(member, ()):
            yield from _of_interval(document, whole=whole)
    for document in ranges.get(_CHOICES, ()):
        yield from _of_choice(document)


def _members() -> tuple[str, ...]:
    return tuple(member for member, _ in _INTERVALS)


def _interval(document: Mapping[str, str], *, whole: bool) -> Interval:
    low, high = float(document["MinValue"]), float(document["MaxValue"])
    scale = document.get("ScalingType", "Auto")
    if scale == "Auto":
        scale = "Logarithmic" if low > 0 and high / low >= _WIDE else "Linear"
    return Interval(document["Name"], low, high, whole, scale)


def _of_interval(document: Mapping[str, str], *, whole: bool) -> Iterator[str]:
    name, kind = document["Name"], "integer" if whole else "continuous"
    bounds = {m: number(document[m]) for m in ("MinValue", "MaxValue")}
    for member, value in bounds.items():
        if value is None or (whole and not value.is_integer()):
            expected = "an integer" if whole else "a number"
            got = document[member]
            yield f"{member} of the {kind} range {name} must be {expected}, got {got!r}."
    low, high = bounds["MinValue"], bounds["MaxValue"]
    if low is None or high is None:
        return
    if low >= high:
        yield (
            f"MinValue of the {kind} range {name} must be less than its MaxValue, "
            f"got {document['MinValue']} and {document['MaxValue']}; a value that is fixed belongs "
            "to StaticHyperParameters."
        )
    yield from _of_scale(document, low, high, whole=whole)


def _of_scale(
    document: Mapping[str, str], low: float, high: float, *, whole: bool
) -> Iterator[str]:
    name, scale = document["Name"], document.get("ScalingType", "Auto")
    received = f"got {document['MinValue']} to {document['MaxValue']}"
    if scale == "Logarithmic" and low <= 0:
        yield f"Logarithmic scaling of {name} needs a range of values greater than 0, {received}."
    if scale == "ReverseLogarithmic" and whole:
        yield (
            f"ReverseLogarithmic scaling of {name} is for continuous ranges only; an integer "
            "range may be Auto, Linear or Logarithmic."
        )
    elif scale == "ReverseLogarithmic" and not (low >= 0 and high < 1):
        yield f"ReverseLogarithmic scaling of {name} needs a range within 0 <= x < 1, {received}."


def _of_choice(document: Mapping[str, Any]) -> Iterator[str]:
    values = document["Values"]
    for value in dict.fromkeys(values):
        if values.count(value) > 1:
            yield (
                f"The categorical range {document['Name']} has the value {value!r} "
                f"{values.count(value)} times; values must be unique."
            )
