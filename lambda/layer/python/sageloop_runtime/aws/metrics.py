"""CloudWatch metrics of the loop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop_runtime.log import log
from sageloop_runtime.times import DAY, moment

_MOST_DATAPOINTS = 1440
_UNITS = ((15 * DAY, 60), (63 * DAY, 300))
_LONGEST_UNIT = 3600


def statistics_period(seconds: float) -> int:
    """The shortest period in seconds in which one GetMetricStatistics request has a time range.

    A request has 1,440 datapoints at most. Data older than 15 days has periods of 5 minutes, data
    older than 63 days of one hour. A range that begins within a period has one datapoint more.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricStatistics.html

    Args:
        seconds: the length of the range, which ends now.

    """
    unit = next((unit for longest, unit in _UNITS if seconds <= longest), _LONGEST_UNIT)
    return unit * max(1, math.ceil(seconds / (unit * (_MOST_DATAPOINTS - 1))))


class Metrics:
    """Publishes samples in one namespace.

    Args:
        cloudwatch: a CloudWatch client.
        namespace: the namespace of the metrics.

    """

    def __init__(self, cloudwatch: Any, namespace: str) -> None:
        self._cloudwatch = cloudwatch
        self._namespace = namespace

    def put(
        self, name: str, value: float, dimensions: Mapping[str, str], *, at: float | None = None
    ) -> None:
        """Publish one sample with the timestamp ``at``; None leaves the timestamp to CloudWatch."""
        self.put_all({name: value}, [dimensions], at=at)

    def put_optional(
        self, samples: Mapping[str, float], dimensions: Mapping[str, str], *, at: float | None
    ) -> None:
        """Publish samples; an error is logged and not raised."""
        try:
            self.put_all(samples, [dimensions], at=at)
        except (ClientError, BotoCoreError) as error:
            log("metrics were not published", names=list(samples), error=str(error))

    def put_all(
        self,
        samples: Mapping[str, float],
        by: Sequence[Mapping[str, str]],
        *,
        at: float | None = None,
    ) -> None:
        """Publish each sample once for each set of dimensions."""
        data = []
        for name, value in samples.items():
            for dimensions in by:
                pairs = [{"Name": key, "Value": text} for key, text in dimensions.items()]
                datum: dict[str, Any] = {"MetricName": name, "Value": value, "Dimensions": pairs}
                if name.endswith("Seconds"):
                    datum["Unit"] = "Seconds"
                if at is not None:
                    datum["Timestamp"] = moment(at)
                data.append(datum)
        self._cloudwatch.put_metric_data(Namespace=self._namespace, MetricData=data)
