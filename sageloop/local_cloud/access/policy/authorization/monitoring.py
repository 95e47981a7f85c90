"""Amazon CloudWatch and CloudWatch Logs."""

from __future__ import annotations

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Resources,
    Rule,
    arns_at,
    arns_named,
    fixed,
    on,
    when_set,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules


def _described_alarms(call: ApiCall) -> list[str]:
    # Composite alarms require the resource ``*``.
    if "CompositeAlarm" in (call.get("AlarmTypes") or ()):
        return ["*"]
    return arns_named("cloudwatch", "alarm:", "AlarmNames")(call)


_ALARMS = arns_named("cloudwatch", "alarm:", "AlarmNames || AlarmName")
_DASHBOARDS = arns_named(
    "cloudwatch", "dashboard/", "DashboardNames || DashboardName", with_region=False
)

CLOUDWATCH = ServiceRules(
    model="cloudwatch",
    prefix="cloudwatch",
    rules={
        operation: on(_ALARMS, f"cloudwatch:{operation}")
        for operation in ("DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions",
                          "DescribeAlarmHistory", "PutCompositeAlarm", "PutMetricAlarm",
                          "SetAlarmState")
    }
    | {
        operation: on(_DASHBOARDS, f"cloudwatch:{operation}")
        for operation in ("DeleteDashboards", "GetDashboard", "PutDashboard")
    }
    | {
        operation: on(arns_at("ResourceARN"), f"cloudwatch:{operation}")
        for operation in ("ListTagsForResource", "TagResource", "UntagResource")
    }
    | {"DescribeAlarms": on(_described_alarms, "cloudwatch:DescribeAlarms")},
    also={
        operation: when_set("Tags", on(_ALARMS, "cloudwatch:TagResource"))
        for operation in ("PutMetricAlarm", "PutCompositeAlarm")
    },
    placeholders={"MetricStreamName": "Name"},
    keys={
        "cloudwatch:namespace": "Namespace",
        "cloudwatch:AlarmActions": "AlarmActions",
    },
)  # fmt: skip


def _group(call: ApiCall) -> list[str]:
    """The resource of most actions on a log group: its ARN with an empty log stream."""
    name = call.text("logGroupName || logGroupIdentifier || logGroupNamePrefix")
    if name.startswith("arn:"):
        return [f"{name.removesuffix(':*')}:log-stream:"]
    return [call.arn("logs", f"log-group:{name}:log-stream:")]


def _groups(call: ApiCall) -> list[str]:
    names = call.get("logGroupNames || logGroupIdentifiers") or []
    if not names:
        return _group(call)
    return [
        f"{name.removesuffix(':*')}:log-stream:" if name.startswith("arn:") else
        call.arn("logs", f"log-group:{name}:log-stream:")
        for name in names
    ]  # fmt: skip


def _stream(call: ApiCall) -> list[str]:
    group, stream = call.text("logGroupName || logGroupIdentifier"), call.text("logStreamName")
    return [call.arn("logs", f"log-group:{group}:log-stream:{stream}")]


def _bare_group(call: ApiCall) -> list[str]:
    """The resource of actions on the tags of a log group: its ARN without log streams."""
    arn = call.text("resourceArn")
    return [arn.removesuffix(":*") or call.arn("logs", f"log-group:{call.text('logGroupName')}")]


_GROUP_ACTIONS = (
    "AssociateKmsKey", "CreateLogGroup", "DeleteLogGroup", "DeleteMetricFilter",
    "DeleteRetentionPolicy", "DeleteSubscriptionFilter", "DescribeLogGroups",
    "DescribeLogStreams", "DescribeMetricFilters", "DescribeSubscriptionFilters",
    "DisassociateKmsKey", "FilterLogEvents", "GetLogGroupFields", "PutMetricFilter",
    "PutRetentionPolicy", "PutSubscriptionFilter", "CreateExportTask",
    "PutDataProtectionPolicy", "GetDataProtectionPolicy", "DeleteDataProtectionPolicy",
)  # fmt: skip
_TAG_ACTIONS = ("ListTagsForResource", "ListTagsLogGroup", "TagLogGroup", "TagResource",
                "UntagLogGroup", "UntagResource")  # fmt: skip


def _on(resources: Resources, *operations: str) -> dict[str, Rule]:
    return {operation: on(resources, f"logs:{operation}") for operation in operations}


LOGS = ServiceRules(
    model="logs",
    prefix="logs",
    rules={
        **_on(_group, *_GROUP_ACTIONS),
        **_on(_stream, "CreateLogStream", "DeleteLogStream", "GetLogEvents", "PutLogEvents"),
        **_on(_groups, "StartQuery", "StartLiveTail"),
        **_on(_bare_group, *_TAG_ACTIONS),
        **_on(fixed("*"), "GetQueryResults", "GetLogRecord", "StopQuery"),
    },
    also={"CreateLogGroup": when_set("tags", on(_bare_group, "logs:TagResource"))},
)
