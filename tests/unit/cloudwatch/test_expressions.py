"""Metric math without a cloud: parsing, values and errors."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.cloudwatch.expressions.evaluate import Computation
from sageloop.local_cloud.cloudwatch.expressions.functions import FUNCTIONS, REFUSED
from sageloop.local_cloud.cloudwatch.expressions.syntax import parse
from sageloop.local_cloud.cloudwatch.expressions.values import Span, TimeSeries
from sageloop.local_cloud.cloudwatch.queries import Query, queries_of
from sageloop.local_cloud.core.errors import AwsError

HOUR = 1_767_225_600.0  # 2026-01-01T00:00:00Z, a Thursday
A = {0: 1.0, 60: 2.0, 180: 4.0}
B = {0: 10.0, 120: 30.0, 180: 40.0}


def metric(id_: str, period: int = 60) -> dict[str, Any]:
    return {
        "Id": id_,
        "MetricStat": {
            "Metric": {"Namespace": "n", "MetricName": id_}, "Period": period, "Stat": "Average",
        },
    }  # fmt: skip


def compute(expression: str, data: Mapping[str, Mapping[float, float]] | None = None) -> Any:
    known = {"a": A, "b": B, "none": {}} if data is None else data
    queries = queries_of([*(metric(i) for i in known), {"Id": "result", "Expression": expression}])

    def retrieve(query: Query, _: Span) -> Mapping[float, float]:
        return {HOUR + t: v for t, v in known[query.id].items()}

    result = Computation(queries, Span(HOUR, HOUR + 240), retrieve).of("result")
    if isinstance(result, TimeSeries):
        return points(result)
    return [points(one) for one in result] if isinstance(result, tuple) else result


def points(series: TimeSeries) -> dict[float, float]:
    return {t - HOUR: v for t, v in series.points.items()}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("-2 ^ 2", -4.0),
        ("10 - 4 - 3", 3.0),
        ("1e3 / 10", 100.0),
        ("1 < 2 AND 2 < 1 OR 1", 1.0),
        ("1 == 1 && 0 || 0", 0.0),
        ("SUM(a) + MAX(b)", 47.0),
        ("AVG(a)", 7 / 3),
        ("MIN(a)", 1.0),
        ("DATAPOINT_COUNT(a)", 3.0),
        ("PERIOD(a)", 60.0),
        ("METRIC_COUNT(METRICS())", 3.0),
        ("STDDEV([a, b])", {0: 4.5, 60: 0.0, 120: 0.0, 180: 18.0}),
    ],
)
def test_operators_have_the_usual_precedence(expression: str, value: Any) -> None:
    assert compute(expression) == pytest.approx(value)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a / b", {0: 0.1, 180: 0.1}),
        ("100 * a", {0: 100, 60: 200, 180: 400}),
        ("1 / (a - 1)", {60: 1.0, 180: 1 / 3}),
        ("a >= 2", {0: 0, 60: 1, 180: 1}),
        ("SUM([a, b])", {0: 11, 60: 2, 120: 30, 180: 44}),
        ("MAX([a, 3])", {0: 3, 60: 3, 180: 4}),
        ("AVG(METRICS())", {0: 5.5, 60: 2, 120: 30, 180: 22}),
        ('SUM(METRICS("b"))', B),
        ("FILL(a, 0)", {0: 1, 60: 2, 120: 0, 180: 4}),
        ("FILL(none, 7)", {0: 7, 60: 7, 120: 7, 180: 7}),
        ("FILL(a, REPEAT)", {0: 1, 60: 2, 120: 2, 180: 4}),
        ("FILL(a, LINEAR)", {0: 1, 60: 2, 120: 3, 180: 4}),
        ("FILL(a, b)", {0: 1, 60: 2, 120: 30, 180: 4}),
        ("IF(a > 1, a, b)", {0: 10, 60: 2, 180: 4}),
        ("IF(a > 1, 5)", {60: 5, 180: 5}),
        ("IF(1, a, b)", A),
        ("DIFF(a)", {60: 1, 180: 2}),
        ("DIFF_TIME(a)", {60: 60, 180: 120}),
        ("RATE(a)", {60: 1 / 60, 180: 2 / 120}),
        ("RUNNING_SUM(a)", {0: 1, 60: 3, 180: 7}),
        ("ABS(-a)", A),
        ("CEIL(a / 4)", {0: 1, 60: 1, 180: 1}),
        ("FLOOR(a / 4)", {0: 0, 60: 0, 180: 1}),
        ("LOG10(b)", {0: 1, 120: 1.4771212547, 180: 1.6020599913}),
        ("LOG(a - 1)", {60: 0, 180: 1.0986122887}),
        ("MINUTE(a)", {0: 0, 60: 1, 180: 3}),
        ("DAY(a) * 10000 + YEAR(a) + MONTH(a) + DATE(a) + HOUR(a)",
         {0: 42028, 60: 42028, 180: 42028}),
        ("EPOCH(a) - EPOCH(a)", {0: 0, 60: 0, 180: 0}),
        ("TIME_SERIES(3)", {0: 3, 60: 3, 120: 3, 180: 3}),
        ("FIRST(SORT(METRICS(), MAX, DESC))", B),
        ("LAST(REMOVE_EMPTY([a, b, none]))", B),
        ("SLICE([a, b], 1)", B),
        ("none + 1", {}),
    ],
)  # fmt: skip
def test_series_are_computed_point_by_point(
    expression: str, expected: Mapping[float, float]
) -> None:
    assert compute(expression) == pytest.approx(dict(expected))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[a, b] * 2", [{t: v * 2 for t, v in A.items()}, {t: v * 2 for t, v in B.items()}]),
        ("a + [a, b]", [{t: v * 2 for t, v in A.items()}, {0: 11, 180: 44}]),
        ("SLICE([a, b, none], 0, 2)", [A, B]),
        ("SORT([a, b], SUM, DESC, 1)", [B]),
        ("FILL([a, b], 0)",
         [{0: 1, 60: 2, 120: 0, 180: 4}, {0: 10, 60: 0, 120: 30, 180: 40}]),
    ],
)  # fmt: skip
def test_arrays_are_computed_member_by_member(
    expression: str, expected: list[Mapping[float, float]]
) -> None:
    assert compute(expression) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a +", "the end at character 4"),
        ("a b", "'b' at character 3 where an operator"),
        ("SUM(a", "where '\\)' is expected"),
        ("a ? b", "'\\?' at character 3 is not part"),
        ("c + 1", "no metric or expression with the id c; there are a, b, none, result"),
        ("SQRT(a)", "there is no function SQRT; supported functions: ABS, AVG"),
        ("SEARCH('{n} x', 'Sum')", "SEARCH is not supported here"),
        ("SUM(a, b)", "SUM takes 1 arguments, got 2"),
        ("FILL(a, NEVER)", "REPEAT or LINEAR, got NEVER"),
        ("[a] + [b]", "'\\+' cannot be applied to an array of time series and an array"),
        ("SUM(3)", "not a number"),
        ("SORT([a], MEDIAN, ASC)", "got MEDIAN and ASC"),
        ("[1, 2]", "at least one time series"),
        ("result + 1", "form a circle"),
        ("TIME_SERIES(a)", "takes a number"),
        ("x" * 2049, "at most 2048 characters"),
    ],
)
def test_invalid_expressions_are_refused_with_a_reason(expression: str, message: str) -> None:
    with pytest.raises(AwsError, match=message) as error:
        compute(expression)
    assert error.value.code == "ValidationError"


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_unsupported_functions_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(AwsError, match=f"the function {name} is not supported here"):
        compute(f"{name}('x')")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_accepts_series_without_data(name: str) -> None:
    more = {"FILL": ", 0", "IF": ", 1, 2", "SLICE": ", 0", "SORT": ", SUM, ASC"}.get(name, "")
    of_arrays = {"FIRST", "LAST", "METRIC_COUNT", "REMOVE_EMPTY", "SLICE", "SORT"}
    given = {"METRICS": "", "TIME_SERIES": "1"}.get(name, "[none]" if name in of_arrays else "none")
    result = compute(f"{name}({given}{more})")
    assert isinstance(result, dict | list | float)


def test_longer_of_two_periods_is_used() -> None:
    queries = queries_of([metric("a", 60), metric("b", 120), {"Id": "e", "Expression": "a + b"}])
    result = Computation(
        queries, Span(HOUR, HOUR + 240),
        lambda q, _: {HOUR + t: 1.0 for t in range(0, 240, q.period)},
    ).of("e")  # fmt: skip
    assert isinstance(result, TimeSeries)
    assert (result.period, points(result)) == (120, {0: 2, 120: 2})


def test_expressions_refer_to_expressions() -> None:
    queries = queries_of(
        [metric("a"), {"Id": "e1", "Expression": "a * 2", "Label": "twice"},
         {"Id": "e2", "Expression": "e1 + e1"}]
    )  # fmt: skip
    computed = Computation(queries, Span(0, 60), lambda *_: {0.0: 1.0})
    (line,) = computed.lines("e2")
    assert dict(line.points) == {0.0: 4.0}
    assert computed.lines("e1")[0].label == "twice"


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from("+-*/"))
def test_operators_agree_with_arithmetic(left: float, right: float, sign: str) -> None:
    node = parse(f"({left!r}) {sign} ({right!r})")
    result = Computation({}, Span(0, 0)).value(node)
    assert isinstance(result, float)
    if sign == "/" and right == 0:
        assert isnan(result)
    else:
        assert result == {"+": left + right, "-": left - right, "*": left * right}.get(
            sign, left / (right or 1)
        )


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(AwsError):
        parse(text)
