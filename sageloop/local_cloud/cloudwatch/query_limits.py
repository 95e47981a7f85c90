"""Limits of the queries of metrics: datapoints of one request, and periods by the age of the data.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.paging import paginate

MOST_STATISTICS = 1_440
"""Datapoints of one GetMetricStatistics request; more are an error."""
MOST_VALUES = 100_800
"""Datapoints of one page of GetMetricData."""
LISTED_METRICS = 500
"""Metrics of one page of ListMetrics."""
HOUR, DAY = 3_600, 86_400
_HIGH_RESOLUTION = (1, 5, 10, 20, 30)
_RETENTION = ((63 * DAY, 3_600), (15 * DAY, 300), (3 * HOUR, 60))


def check_statistics(start: datetime, end: datetime, period: int) -> None:
    """Refuse what GetMetricStatistics refuses.

    Args:
        start: Start of the time range.
        end: End of the time range.
        period: Period in seconds.

    Raises:
        AwsError: If the range is empty, the period is not allowed, or the request has more than
            1,440 datapoints.

    """
    check_range(start, end, code="InvalidParameterValue")
    if period not in _HIGH_RESOLUTION and (period < 60 or period % 60):
        raise AwsError(
            "InvalidParameterValue",
            f"The parameter Period must be {', '.join(map(str, _HIGH_RESOLUTION))} or a multiple "
            f"of 60, got {period}.",
        )
    datapoints = -int(-(end - start).total_seconds() // period)
    if datapoints > MOST_STATISTICS:
        raise AwsError(
            "InvalidParameterCombination",
            f"You have requested up to {datapoints:,} datapoints, which exceeds the limit of "
            f"{MOST_STATISTICS:,}. You may reduce the datapoints requested by increasing Period, "
            "or decreasing the time range.",
        )


def check_range(start: datetime, end: datetime, *, code: str) -> None:
    """Refuse an empty range of time, with the code of the operation."""
    if start == end:
        raise AwsError(code, "The parameter StartTime must not equal parameter EndTime.")
    if start > end:
        raise AwsError(code, "The parameter StartTime must be less than the parameter EndTime.")


def earliest(now: float, period: int) -> float:
    """The time in epoch seconds before which CloudWatch has no datapoints of a period.

    Data older than 3 hours has periods that are multiples of 60 seconds, older than 15 days of
    300 seconds, and older than 63 days of 3,600 seconds.
    """
    return max((now - age for age, unit in _RETENTION if period % unit), default=0.0)


def page_of_values(
    results: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    """One page of GetMetricData's results.

    AWS does not say how it divides datapoints among the pages; here they are in the order of the
    results.

    Args:
        results: The results with all values.
        params: The request's ``MaxDatapoints`` and ``NextToken``.

    Raises:
        AwsError: If ``MaxDatapoints`` is out of range or the token is not of this operation.

    """
    size = int(params.get("MaxDatapoints", MOST_VALUES))
    if not 1 <= size <= MOST_VALUES:
        raise AwsError(
            "ValidationError", f"MaxDatapoints must be 1 to {MOST_VALUES:,}, got {size:,}"
        )
    total = range(sum(len(result["Values"]) for result in results))
    shown, token = paginate(total, params.get("NextToken"), size, _refused)
    first, last = (shown[0], shown[-1] + 1) if shown else (0, 0)
    pages, offset = [], 0
    for result in results:
        count = len(result["Values"])
        low, high = (min(max(at - offset, 0), count) for at in (first, last))
        offset += count
        if low < high or (count == 0 and first == 0):
            cut = {key: result[key][low:high] for key in ("Timestamps", "Values")}
            status = "Complete" if high == count else "PartialData"
            pages.append({**result, **cut, "StatusCode": status})
    page: dict[str, Any] = {"MetricDataResults": pages, "Messages": []}
    return page if token is None else page | {"NextToken": token}


def page_of_metrics(metrics: Sequence[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """One page of ListMetrics.

    Raises:
        AwsError: If the token is not of this operation.

    """
    shown, token = paginate(metrics, params.get("NextToken"), LISTED_METRICS, _refused)
    page: dict[str, Any] = {"Metrics": shown}
    return page if token is None else page | {"NextToken": token}


def _refused(token: str) -> AwsError:
    return AwsError(
        "InvalidParameterValue", f"Request parameter NextToken is invalid: {token[:100]}"
    )
