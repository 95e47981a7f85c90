"""Metric samples: the values that services publish and CloudWatch stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """``count`` observations at one time (virtual epoch seconds) with their sum and extremes."""

    time: float
    total: float
    count: float
    minimum: float
    maximum: float

    @classmethod
    def one(cls, time: float, value: float) -> Sample:
        """A single observation."""
        return cls(time, value, 1, value, value)

    def again(self, value: float) -> Sample:
        """The sample with one more observation of its value."""
        return Sample(self.time, self.total + value, self.count + 1, value, value)


@dataclass(frozen=True, slots=True)
class Series:
    """A metric of CloudWatch: namespace, name and set of dimensions."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> Series:
        """The series with these dimensions, in any order."""
        return cls(namespace, name, tuple(sorted(dimensions.items())))
