"""Statistics over ranked values."""

from __future__ import annotations

import pytest

from sageloop.local_cloud.cloudwatch.metrics import Sample, statistic
from sageloop.local_cloud.core.errors import AwsError

HUNDRED = [Sample(0, float(v), 1, v, v) for v in range(1, 101)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p0", 1.0), ("p50", 50.0), ("p99.9", 100.0), ("p100", 100.0),
        ("tm90", 45.5), ("TM(10%:90%)", 50.5), ("TM(90:)", 95.5), ("TM(:10%)", 5.5),
        ("wm90", 49.95), ("WM(10%:90%)", 50.4), ("tc90", 90.0), ("TC(50:60)", 10.0),
        ("ts10", 55.0), ("TS(95:100)", 490.0), ("PR(:50)", 50.0), ("PR(90:200)", 10.0),
        ("IQM", 50.5),
    ],
)  # fmt: skip
def test_extended_statistics_of_one_to_a_hundred(name: str, value: float) -> None:
    assert statistic(HUNDRED, name) == pytest.approx(value)


def test_values_are_weighted_by_counts() -> None:
    samples = [Sample(0, 90.0, 9, 10, 10), Sample(0, 100.0, 1, 100, 100)]
    assert (statistic(samples, "p90"), statistic(samples, "p95")) == (10.0, 100.0)
    assert statistic(samples, "tm90") == pytest.approx(10.0)


@pytest.mark.parametrize(
    "name", ["Median", "p101", "TM(:)", "TM(90%:10%)", "TM(1:50%)", "PR(10%:20%)", "TM(0%:101%)"]
)
def test_unknown_statistic_is_refused_by_name(name: str) -> None:
    with pytest.raises(AwsError, match="is not supported"):
        statistic(HUNDRED, name)
