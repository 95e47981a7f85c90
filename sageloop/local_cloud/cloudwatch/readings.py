"""Datapoints of queries, computed from the stored samples."""

from __future__ import annotations

from collections.abc import Mapping

from sageloop.local_cloud.cloudwatch.expressions.evaluate import Bands, Computation
from sageloop.local_cloud.cloudwatch.expressions.values import Span
from sageloop.local_cloud.cloudwatch.metrics import MetricStore, statistic
from sageloop.local_cloud.cloudwatch.queries import Query
from sageloop.local_cloud.cloudwatch.query_limits import earliest
from sageloop.local_cloud.core.samples import Sample


class Readings:
    """Retrieves the data of queries from the store of samples."""

    def __init__(self, store: MetricStore, bands: Bands) -> None:
        self._store = store
        self._bands = bands

    def computation(
        self, queries: Mapping[str, Query], span: Span, *, now: float | None = None
    ) -> Computation:
        """A lazy computation of queries over a span.

        Args:
            queries: The queries by id.
            span: The range of time.
            now: Without what CloudWatch no longer has at this time in a query's period.

        """
        if now is None:
            return Computation(queries, span, self.retrieve, self._bands)
        at = now

        def available(query: Query, part: Span) -> Mapping[float, float]:
            oldest = earliest(at, query.period)
            return {t: v for t, v in self.retrieve(query, part).items() if t >= oldest}

        return Computation(queries, span, available, self._bands)

    def retrieve(self, query: Query, span: Span) -> Mapping[float, float]:
        """The datapoints of one metric in a span."""
        values = {start: statistic(s, query.stat) for start, s in self.windows(query, span).items()}
        return {start: value for start, value in values.items() if value is not None}

    def windows(self, query: Query, span: Span) -> Mapping[float, list[Sample]]:
        """The samples of one metric by the start of their period."""
        starts = span.starts(query.period)
        if query.series is None or not starts:
            return {}
        first = starts[0]
        samples: dict[float, list[Sample]] = {}
        for sample in self._store.between(query.series, first, span.end, query.unit):
            start = first + (sample.time - first) // query.period * query.period
            samples.setdefault(start, []).append(sample)
        return samples
