"""Alarms of step scaling policies.

AWS deletes the action of an alarm with its policy, and keeps the alarm.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DeleteScalingPolicy.html
"""

from __future__ import annotations

import re
from typing import Any

from sageloop_runtime.log import log

_SETTINGS = (
    "AlarmName", "AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions",
    "InsufficientDataActions", "MetricName", "Namespace", "Statistic", "ExtendedStatistic",
    "Dimensions", "Period", "Unit", "EvaluationPeriods", "DatapointsToAlarm", "Threshold",
    "ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile", "Metrics",
    "ThresholdMetricId",
)  # fmt: skip


class PolicyAlarms:
    """Adds step scaling policies to the actions of their alarms.

    Args:
        cloudwatch: a CloudWatch client.
        endpoint: the endpoint's name, with which its alarms' names begin; other alarms are not
            changed.

    """

    def __init__(self, cloudwatch: Any, endpoint: str) -> None:
        self._cloudwatch = cloudwatch
        self._own = re.compile(rf"{re.escape(endpoint)}-scaling-[0-9a-f]+-[0-9a-f]+")

    def is_own(self, name: str) -> bool:
        """Whether an alarm's name is that of a step policy of the endpoint."""
        return self._own.fullmatch(name) is not None

    def attach(self, name: str, policy: str) -> None:
        """Make a policy an action of an alarm, if the alarm exists and is the endpoint's own.

        Args:
            name: the alarm's name.
            policy: ARN of the policy; it replaces an earlier policy of the same name.

        """
        if not self.is_own(name):
            return
        for alarm in self._cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
            actions = alarm.get("AlarmActions", [])
            if policy in actions:
                return
            others = [each for each in actions if _without_id(each) != _without_id(policy)]
            settings = {member: alarm[member] for member in _SETTINGS if member in alarm}
            self._cloudwatch.put_metric_alarm(**{**settings, "AlarmActions": [*others, policy]})
            log("policy attached to its alarm", alarm=name, policy=policy)


def _without_id(arn: str) -> str:
    """The ARN of a scaling policy without the id that each creation assigns."""
    prefix, separator, rest = arn.partition("scalingPolicy:")
    return arn if not separator else prefix + rest.partition(":")[2]
