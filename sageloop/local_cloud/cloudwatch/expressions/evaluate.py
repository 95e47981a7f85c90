"""Evaluation of the queries of GetMetricData and of alarms over a span of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sageloop.local_cloud.cloudwatch.expressions import functions, syntax
from sageloop.local_cloud.cloudwatch.expressions.arithmetic import negated, operate
from sageloop.local_cloud.cloudwatch.expressions.syntax import Node, invalid
from sageloop.local_cloud.cloudwatch.expressions.values import (
    Many,
    Span,
    TimeSeries,
    Value,
    kind_of,
)
from sageloop.local_cloud.cloudwatch.queries import Query

BAND = "ANOMALY_DETECTION_BAND"


class Bands(Protocol):
    """Source of anomaly detection bands."""

    def band(self, computation: Computation, of: Node, width: float) -> Many:
        """The lower and the upper bound of the value of an expression's node."""
        ...


Retrieve = Callable[[Query, Span], Mapping[float, float]]


def _nothing(query: Query, span: Span) -> Mapping[float, float]:
    return {}


class _NoBands:
    def band(self, computation: Computation, of: Node, width: float) -> Many:
        """Return bounds without datapoints."""
        value = computation.value(of)
        if not isinstance(value, TimeSeries):
            raise invalid(f"{BAND} takes a time series, not {kind_of(value)}")
        return (value, value)


@dataclass(slots=True)
class Computation:
    """The values of queries over a span; each is computed once, at its first use."""

    queries: Mapping[str, Query]
    span: Span
    retrieve: Retrieve = _nothing
    bands: Bands = field(default_factory=_NoBands)
    _values: dict[str, Value] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def over(self, span: Span) -> Computation:
        """The computation of equal queries over another span."""
        return Computation(self.queries, span, self.retrieve, self.bands)

    def of(self, id: str) -> Value:  # noqa: A002 - CloudWatch's own word
        """The value of a query. Raises ``ValidationError`` for an unknown or circular id."""
        if id in self._values:
            return self._values[id]
        query = self.queries.get(id)
        if query is None:
            known = ", ".join(sorted(self.queries))
            raise invalid(f"there is no metric or expression with the id {id}; there are {known}")
        if id in self._open:
            raise invalid(f"the expressions {' -> '.join((*self._open, id))} form a circle")
        self._open.append(id)
        try:
            self._values[id] = self._computed(query)
        finally:
            self._open.pop()
        return self._values[id]

    def lines(self, id: str) -> Many:  # noqa: A002
        """The time series of a query, under its label.

        Raises ``ValidationError`` if its value is a number.
        """
        value = self.of(id)
        if isinstance(value, TimeSeries):
            return (value,)
        if isinstance(value, tuple):
            return value
        raise invalid(
            f"the expression {id} is {kind_of(value)}; a returned query must be a time series, "
            f"for instance TIME_SERIES({self.queries[id].expression})"
        )

    def value(self, node: Node) -> Value:
        """The value of a node of an expression."""
        if isinstance(node, syntax.Number | syntax.Text | syntax.Word):
            return node.value
        if isinstance(node, syntax.Reference):
            return self.of(node.id)
        if isinstance(node, syntax.Negation):
            return negated(self.value(node.of))
        if isinstance(node, syntax.Operation):
            return operate(node.sign, self.value(node.left), self.value(node.right))
        if isinstance(node, syntax.Array):
            return self._array(node)
        return self._called(node)

    def _computed(self, query: Query) -> Value:
        if query.node is None:
            points = self.retrieve(query, self.span)
            return TimeSeries(points, query.period, query.id, query.label, retrieved=True)
        value = self.value(query.node)
        if isinstance(value, TimeSeries):
            return value.named(query.id, query.label)
        return value

    def _called(self, node: syntax.FunctionCall) -> Value:
        if node.name == BAND:
            return self._band(node)
        # METRICS() contains all retrieved metrics, whether an expression refers to them or not.
        retrieved = self._retrieved() if node.name == "METRICS" else ()
        scope = functions.Scope(self.span, self._period(), retrieved)
        return functions.call(scope, node.name, [self.value(a) for a in node.arguments])

    def _band(self, node: syntax.FunctionCall) -> Value:
        if not 1 <= len(node.arguments) <= 2:
            raise invalid(f"{BAND} takes 1 to 2 arguments, got {len(node.arguments)}")
        width = self.value(node.arguments[1]) if len(node.arguments) > 1 else 2.0
        if not isinstance(width, float) or width <= 0:
            raise invalid(f"{BAND} takes a width above 0 as its second argument, got {width}")
        return self.bands.band(self, node.arguments[0], width)

    def _retrieved(self) -> Many:
        values = [self.of(q.id) for q in self.queries.values() if q.node is None]
        return tuple(one for one in values if isinstance(one, TimeSeries))

    def _period(self) -> int:
        return max((q.period for q in self.queries.values()), default=60)

    def _array(self, node: syntax.Array) -> Value:
        items: list[TimeSeries | float] = []
        for item in node.items:
            value = self.value(item)
            if isinstance(value, str):
                raise invalid("an array holds time series and numbers, not texts")
            items += value if isinstance(value, tuple) else [value]
        series = [item for item in items if isinstance(item, TimeSeries)]
        if not series:
            raise invalid("an array needs at least one time series")
        moments = {t for one in series for t in one.points}
        shape = TimeSeries(period=max(one.period for one in series))
        return tuple(
            item
            if isinstance(item, TimeSeries)
            else shape.with_points(dict.fromkeys(moments, item))
            for item in items
        )
