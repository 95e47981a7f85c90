"""The metric of an example, beside the same metric of the library without SageMaker."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A metric and its reference value.

    Attributes:
        name: Name and unit, for example ``mean absolute error (minutes)``.
        value: The result of the deployed stack.
        outside: The result of the library without SageMaker, on the same data.
        tolerance: Largest difference that counts as noise; 0 requires equality.
        noise: The source of the noise, and the seed.

    """

    name: str
    value: float
    outside: float
    tolerance: float
    noise: str

    @property
    def holds(self) -> bool:
        """Whether both values are equal within the tolerance."""
        return abs(self.value - self.outside) <= self.tolerance


@dataclass
class Outcome:
    """The result of an example: seconds of each step, metrics, notes and denied calls."""

    example: str
    ok: bool = False
    figures: list[Figure] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    denied: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain data."""
        figures = [{**asdict(figure), "holds": figure.holds} for figure in self.figures]
        return {**asdict(self), "figures": figures}
