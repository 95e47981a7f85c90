"""Alarms that run step policies: with a policy goes the alarm's action, and not the alarm.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DeleteScalingPolicy.html
"""

from __future__ import annotations

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
    """Lets alarms run the policies there are.

    Args:
        cloudwatch: a CloudWatch client.
        endpoint: the endpoint's name; alarms that do not begin with it belong to others.

    """

    def __init__(self, cloudwatch: Any, endpoint: str) -> None:
        self._cloudwatch = cloudwatch
        self._own = f"{endpoint}-scaling-"

    def run(self, name: str, policy: str) -> None:
        """Let an alarm of the endpoint run a policy; one that is not there yet will be told so.

        Args:
            name: the alarm's name.
            policy: ARN of the policy, which takes the place of an earlier one of its name.

        """
        if not name.startswith(self._own):
            return
        for alarm in self._cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]:
            before = alarm.get("AlarmActions", [])
            if policy in before:
                return
            others = [each for each in before if _place(each) != _place(policy)]
            settings = {member: alarm[member] for member in _SETTINGS if member in alarm}
            self._cloudwatch.put_metric_alarm(**{**settings, "AlarmActions": [*others, policy]})
            log("alarm runs the new policy", alarm=name, policy=policy)


def _place(action: str) -> str:
    """What a policy's ARN says besides the number that each policy made gets."""
    before, found, rest = action.partition("scalingPolicy:")
    return action if not found else before + rest.partition(":")[2]
