"""Metrics that are parsed from container output."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sageloop.local_cloud import images
from sageloop.local_cloud.core.user_patterns import PatternTooSlow, search_in

log = logging.getLogger(__name__)


def definitions_for(
    image: str, user_definitions: Sequence[Mapping[str, str]]
) -> list[dict[str, str]]:
    """The metric definitions of a job: those of the algorithm, then those of the user."""
    return [dict(d) for d in (*images.metric_definitions(image), *user_definitions)]


@dataclass(frozen=True, slots=True)
class Observation:
    """A value of a metric."""

    name: str
    value: float


@dataclass
class MetricReader:
    """Parses metrics from output lines and keeps the last value of each."""

    definitions: Sequence[Mapping[str, str]]
    last: dict[str, tuple[float, datetime]] = field(default_factory=dict)
    _slow: set[str] = field(default_factory=set)

    def read(self, line: str, now: datetime) -> list[Observation]:
        """The metric values in a line (control characters escaped)."""
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
            return search_in(definition["Regex"], line)
        except PatternTooSlow as error:
            # AWS does not document how it handles such an expression.
            log.warning("metric %s is no longer parsed: %s", name, error)
            self._slow.add(name)
            return None

    def final(self) -> list[dict[str, Any]]:
        """The value of FinalMetricDataList."""
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
