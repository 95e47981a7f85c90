"""Stored samples as datapoints of queries: what expressions are computed from."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop.local_cloud.cloudwatch.expressions.evaluate import Bands, Computation
from sageloop.local_cloud.cloudwatch.expressions.values import Span
from sageloop.local_cloud.cloudwatch.metrics import MetricStore, statistic
from sageloop.local_cloud.cloudwatch.queries import Query
from sageloop.local_cloud.core.samples import Sample


class Readings:
    """Reads queries off the store of samples."""

    def __init__(self, store: MetricStore, bands: Bands) -> None:
        self._store = store
        self._bands = bands

    def computation(self, queries: Mapping[str, Query], span: Span) -> Computation:
        """Queries that are ready to be computed over a span."""
        return Computation(queries, span, self.retrieve, self._bands)

    def retrieve(self, query: Query, span: Span) -> Mapping[float, float]:
        """The datapoints of one metric in a span."""
        found = {start: statistic(s, query.stat) for start, s in self.windows(query, span).items()}
        return {start: value for start, value in found.items() if value is not None}

    def windows(self, query: Query, span: Span) -> Mapping[float, list[Sample]]:
        """The samples of one metric by the moment their period begins at."""
        starts = span.starts(query.period)
        if query.series is None or not starts:
            return {}
        first = starts[0]
        found: dict[float, list[Sample]] = {}
        for sample in self._store.between(query.series, first, span.end):
            start = first + (sample.time - first) // query.period * query.period
            found.setdefault(start, []).append(sample)
        return found
