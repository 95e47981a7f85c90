"""Metrics read from what a container prints."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sageloop.local_cloud import images


def definitions_for(image: str, given: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The metric definitions of a job: the algorithm's own, then the user's."""
    return [dict(d) for d in (*images.metric_definitions(image), *given)]


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one metric."""

    name: str
    value: float


@dataclass
class MetricReader:
    """Finds metrics in lines and remembers the last value of each."""

    definitions: Sequence[Mapping[str, str]]
    last: dict[str, tuple[float, datetime]] = field(default_factory=dict)
    _compiled: list[tuple[str, re.Pattern[str]]] = field(init=False)

    def __post_init__(self) -> None:
        self._compiled = [(d["Name"], re.compile(d["Regex"])) for d in self.definitions]

    def read(self, line: str, now: datetime) -> list[Observation]:
        """What a line (control characters escaped) tells."""
        found = []
        for name, regex in self._compiled:
            match = regex.search(line)
            value = _number(match[1]) if match else None
            if value is not None:
                found.append(Observation(name, value))
                self.last[name] = (value, now)
        return found

    def final(self) -> list[dict[str, Any]]:
        """FinalMetricDataList."""
        return [
            {"MetricName": name, "Value": value, "Timestamp": at}
            for name, (value, at) in self.last.items()
        ]


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
