"""Amazon SNS, Amazon SQS, Amazon EventBridge and its Scheduler."""

from __future__ import annotations

from sageloop.local_cloud.access.policy.authorization.rules import (
    ApiCall,
    Permission,
    all_of,
    arns_at,
    arns_named,
    on,
    passes,
    when_set,
)
from sageloop.local_cloud.access.policy.authorization.service import ServiceRules

_SUBSCRIBE = {"sns:Protocol": "Protocol", "sns:Endpoint": "Endpoint"}


def _publish(call: ApiCall) -> list[str]:
    # A message to a phone number has no resource.
    return [call.text("TopicArn || TargetArn") or "*"]


SNS = ServiceRules(
    model="sns",
    prefix="sns",
    rules={
        "Publish": on(_publish, "sns:Publish"),
        "PublishBatch": on(_publish, "sns:Publish"),
        "Subscribe": on(arns_at("TopicArn"), "sns:Subscribe", _SUBSCRIBE),
        "CreateTopic": all_of(
            on(arns_named("sns", "", "Name"), "sns:CreateTopic"),
            when_set("Tags", on(arns_named("sns", "", "Name"), "sns:TagResource")),
        ),
    },
    placeholders={"TopicName": "TopicArn || ResourceArn"},
    state_keys=frozenset({*_SUBSCRIBE}),
)


def _queue(call: ApiCall) -> list[str]:
    url = call.text("QueueUrl")
    if not url:
        owner = call.text("QueueOwnerAWSAccountId") or call.account
        name = call.text("QueueName") or "*"
        return [f"arn:{call.partition}:sqs:{call.region}:{owner}:{name}"]
    account, _, name = url.rstrip("/").rpartition("/")
    owner = account.rpartition("/")[2]
    return [f"arn:{call.partition}:sqs:{call.region}:{owner}:{name}"]


_QUEUE_ACTIONS = {
    **{name: name for name in (
        "AddPermission", "ChangeMessageVisibility", "CreateQueue", "DeleteMessage", "DeleteQueue",
        "GetQueueAttributes", "GetQueueUrl", "ListDeadLetterSourceQueues", "ListQueueTags",
        "PurgeQueue", "ReceiveMessage", "RemovePermission", "SendMessage", "SetQueueAttributes",
        "TagQueue", "UntagQueue",
    )},
    # Batch operations require the action for one message.
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessageBatch": "DeleteMessage",
    "SendMessageBatch": "SendMessage",
}  # fmt: skip

SQS = ServiceRules(
    model="sqs",
    prefix="sqs",
    rules={operation: on(_queue, f"sqs:{action}") for operation, action in _QUEUE_ACTIONS.items()}
    | {
        "StartMessageMoveTask": on(arns_at("SourceArn"), "sqs:StartMessageMoveTask"),
        "ListMessageMoveTasks": on(arns_at("SourceArn"), "sqs:ListMessageMoveTasks"),
        # The queue is encoded in the handle of the task.
        "CancelMessageMoveTask": on(
            arns_named("sqs", "", "QueueName"), "sqs:CancelMessageMoveTask"
        ),
    },
)


def _bus_name(call: ApiCall) -> str:
    name = call.text("EventBusName") or "default"
    return name.partition("event-bus/")[2] if name.startswith("arn:") else name


def _rule_resources(call: ApiCall) -> list[str]:
    bus, name = _bus_name(call), call.text("Rule || Name")
    return [call.arn("events", f"rule/{name}" if bus == "default" else f"rule/{bus}/{name}")]


def _put_events(call: ApiCall) -> list[Permission]:
    permissions = []
    for entry in call.get("Entries") or []:
        bus = entry.get("EventBusName") or "default"
        arn = bus if bus.startswith("arn:") else call.arn("events", f"event-bus/{bus}")
        context = {
            "events:source": entry.get("Source"), "events:detail-type": entry.get("DetailType"),
        }  # fmt: skip
        permissions.append(
            Permission("events:PutEvents", arn, {k: v for k, v in context.items() if v})
        )
    return list(
        {
            (permission.resource, *permission.context.values()): permission
            for permission in permissions
        }.values()
    )


_EVENTS = "events.amazonaws.com"
_ON_RULES = ("DeleteRule", "DescribeRule", "DisableRule", "EnableRule", "ListTargetsByRule",
             "PutRule", "PutTargets", "RemoveTargets")  # fmt: skip
_ON_BUSES = ("CreateEventBus", "DeleteEventBus", "DescribeEventBus", "UpdateEventBus")
_NAMES = ("ApiDestinationName", "ArchiveName", "ConnectionName", "EndpointName",
          "EventSourceName", "ReplayName")  # fmt: skip
_BUS = arns_named("events", "event-bus/", "Name || 'default'")

EVENTS = ServiceRules(
    model="events",
    prefix="events",
    rules={operation: on(_rule_resources, f"events:{operation}") for operation in _ON_RULES}
    | {operation: on(_BUS, f"events:{operation}") for operation in _ON_BUSES}
    | {"PutEvents": _put_events}
    | {
        operation: on(arns_at("ResourceARN"), f"events:{operation}")
        for operation in ("ListTagsForResource", "TagResource", "UntagResource")
    },
    also={
        "PutRule": all_of(
            passes("RoleArn", _EVENTS),
            when_set("Tags", on(_rule_resources, "events:TagResource")),
        ),
        "PutTargets": passes("Targets[].RoleArn", _EVENTS),
        "CreateEventBus": when_set("Tags", on(_BUS, "events:TagResource")),
    },
    placeholders=dict.fromkeys(_NAMES, "Name"),
    keys={"events:TargetArn": "Targets[].Arn"},
    state_keys=frozenset({"events:source", "events:detail-type"}),
)  # fmt: skip

_SCHEDULER = "scheduler.amazonaws.com"
SCHEDULER = ServiceRules(
    model="scheduler",
    prefix="scheduler",
    rules={
        operation: on(arns_named("scheduler", "schedule-group/", "Name"), f"scheduler:{operation}")
        for operation in ("CreateScheduleGroup", "DeleteScheduleGroup", "GetScheduleGroup")
    }
    | {
        operation: on(arns_at("ResourceArn"), f"scheduler:{operation}")
        for operation in ("ListTagsForResource", "TagResource", "UntagResource")
    },
    also={
        "CreateSchedule": passes("Target.RoleArn", _SCHEDULER),
        "UpdateSchedule": passes("Target.RoleArn", _SCHEDULER),
    },
    placeholders={"GroupName": "GroupName || 'default'", "ScheduleName": "Name"},
    tagging="scheduler:TagResource",
)
