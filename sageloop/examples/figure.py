"""What an example shows: one figure of merit, beside the same work done outside."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of merit.

    Attributes:
        name: What is measured, with its unit, for example ``mean absolute error (minutes)``.
        value: What the provisioned stack came to.
        outside: What a plain run of the same library came to, on the same data.
        tolerance: Largest difference that is noise; 0 demands equality.
        noise: Where the noise comes from, and the seed.

    """

    name: str
    value: float
    outside: float
    tolerance: float
    noise: str

    @property
    def holds(self) -> bool:
        """Whether both are equal within the noise."""
        return abs(self.value - self.outside) <= self.tolerance


@dataclass
class Outcome:
    """How an example ended: steps' seconds, figures, what else it told, and what was denied."""

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
