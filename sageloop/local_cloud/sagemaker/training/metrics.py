"""Metrics read from what a container prints."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sageloop.local_cloud import images
from sageloop.local_cloud.core.user_patterns import PatternTooSlow, found_in

log = logging.getLogger(__name__)


def definitions_for(
    image: str, user_definitions: Sequence[Mapping[str, str]]
) -> list[dict[str, str]]:
    """The metric definitions of a job: the algorithm's own, then the user's."""
    return [dict(d) for d in (*images.metric_definitions(image), *user_definitions)]


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
    _slow: set[str] = field(default_factory=set)

    def read(self, line: str, now: datetime) -> list[Observation]:
        """What a line (control characters escaped) tells."""
        observations = []
        for definition in self.definitions:
            name, match = definition["Name"], self._match(definition, line)
            value = _number(match[1]) if match else None
            if value is not None:
                observations.append(Observation(name, value))
                self.last[name] = (value, now)
        return observations

    def _match(self, definition: Mapping[str, str], line: str) -> Any:
        name = definition["Name"]
        if name in self._slow:
            return None
        try:
            return found_in(definition["Regex"], line)
        except PatternTooSlow as error:
            # What CloudWatch does with such an expression AWS does not say.
            log.warning("metric %s is read no more: %s", name, error)
            self._slow.add(name)
            return None

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
