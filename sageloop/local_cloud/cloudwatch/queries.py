"""MetricDataQuery: the queries of GetMetricData, alarms and anomaly detectors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sageloop.local_cloud.cloudwatch.expressions import syntax
from sageloop.local_cloud.cloudwatch.metrics import check_statistic
from sageloop.local_cloud.cloudwatch.units import UNITS
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.samples import Series

_ID = re.compile(r"[a-z][a-zA-Z0-9_]{0,254}")
_INSIGHTS = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_MOST = 500
_HIGH_RESOLUTION = (1, 5, 10, 20, 30)


@dataclass(frozen=True, slots=True)
class Query:
    """One metric with a statistic and a period in seconds, or one expression (``node``)."""

    id: str
    label: str
    period: int
    returned: bool
    series: Series | None = None
    stat: str = ""
    expression: str = ""
    node: syntax.Node | None = None
    unit: str | None = None


def queries_of(members: Sequence[Mapping[str, Any]]) -> dict[str, Query]:
    """Parse queries by id, in order.

    Raises ``ValidationError`` for invalid or duplicate ids, for a query that is neither metric
    nor expression, and for invalid expressions.
    """
    if len(members) > _MOST:
        raise _invalid(f"at most {_MOST} metrics and expressions are allowed, got {len(members)}")
    queries: dict[str, Query] = {}
    for one in members:
        id_ = str(one.get("Id", ""))
        if not _ID.fullmatch(id_):
            raise _invalid(
                f"the Id {id_!r} must begin with a lower-case letter and hold letters, digits "
                "and underscores"
            )
        if id_ in queries:
            raise _invalid(f"the Id {id_} is used twice")
        queries[id_] = _query(id_, one)
    queries = _labelled(queries, members)
    longest = max((q.period for q in queries.values() if q.node is None), default=60)
    return {
        id_: q if q.node is None or "Period" in one else _with_period(q, longest)
        for (id_, q), one in zip(queries.items(), members, strict=True)
    }


def dimensions_of(holder: Mapping[str, Any]) -> dict[str, str]:
    """The ``Dimensions`` member as a mapping."""
    return {d["Name"]: d["Value"] for d in holder.get("Dimensions", [])}


def check_period(period: int, what: str) -> int:
    """Return a period in seconds. Raises ``ValidationError`` if CloudWatch does not allow it."""
    if period not in _HIGH_RESOLUTION and (period < 60 or period % 60):
        allowed = ", ".join(map(str, _HIGH_RESOLUTION))
        raise _invalid(f"{what}: Period must be {allowed} or a multiple of 60, got {period}")
    return period


def check_unit(unit: str | None) -> None:
    """Raise ``ValidationError`` for a unit that CloudWatch does not have; ``None`` is any."""
    if unit is not None and unit not in UNITS:
        raise _invalid(f"The parameter Unit must be a value in the set [ {', '.join(UNITS)} ].")


def _query(id_: str, one: Mapping[str, Any]) -> Query:
    expression, metric = one.get("Expression"), one.get("MetricStat")
    if (expression is None) == (metric is None):
        raise _invalid(f"the query {id_} must have either Expression or MetricStat")
    if one.get("AccountId"):
        raise _invalid(f"the query {id_}: metrics of other accounts are not supported here")
    returned = bool(one.get("ReturnData", True))
    if metric is not None:
        named = metric["Metric"]
        series = Series.of(
            named.get("Namespace", ""), named.get("MetricName", ""), dimensions_of(named)
        )
        label = str(one.get("Label") or series.name)
        check_statistic(metric["Stat"])
        period = check_period(int(metric["Period"]), f"the query {id_}")
        unit = metric.get("Unit")
        check_unit(unit)
        return Query(id_, label, period, returned, series, str(metric["Stat"]), unit=unit)
    if _INSIGHTS.match(str(expression)):
        raise _invalid(
            f"the query {id_} uses Metrics Insights, which is not supported here; name the "
            "metrics and use metric math"
        )
    label = str(one.get("Label") or id_)
    period = check_period(int(one.get("Period", 60)), f"the query {id_}")
    text = str(expression)
    return Query(id_, label, period, returned, expression=text, node=syntax.parse(text))


def _labelled(
    queries: Mapping[str, Query], members: Sequence[Mapping[str, Any]]
) -> dict[str, Query]:
    """Queries with the labels that CloudWatch gives: statistic and period where they differ."""
    metrics = [query for query in queries.values() if query.series is not None]
    differ = [
        member for member in ("stat", "period") if len({getattr(q, member) for q in metrics}) > 1
    ]
    unnamed = {str(one["Id"]) for one in members if "MetricStat" in one and not one.get("Label")}
    return {
        id_: replace(q, label=" ".join([q.label, *(str(getattr(q, one)) for one in differ)]))
        if id_ in unnamed
        else q
        for id_, q in queries.items()
    }


def _with_period(query: Query, period: int) -> Query:
    return replace(query, period=period)


def _invalid(what: str) -> AwsError:
    return AwsError("ValidationError", what)
