"""Amazon SNS and Amazon SQS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sageloop.local_cloud.cloudformation.providers.api import (
    ApiResource,
    Name,
    Step,
    takes,
)
from sageloop.local_cloud.cloudformation.providers.calls import unless_gone
from sageloop.local_cloud.cloudformation.providers.context import ProviderContext
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.policies import PolicyOn
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging
from sageloop.local_cloud.cloudformation.scalars import document_text
from sageloop.local_cloud.core.naming import regional_arn

_NO_TOPIC = names("NotFound NotFoundException")
_NO_QUEUE = names(
    "AWS.SimpleQueueService.NonExistentQueue QueueDoesNotExist com.amazonaws.sqs#QueueDoesNotExist"
)
_TOPIC = (
    "ArchivePolicy ContentBasedDeduplication DisplayName FifoThroughputScope FifoTopic "
    "KmsMasterKeyId SignatureVersion TracingConfig"
)
_TOPIC_DEFAULTS = {
    "ContentBasedDeduplication": "false", "DisplayName": "", "KmsMasterKeyId": "",
    "SignatureVersion": "1", "TracingConfig": "PassThrough", "ArchivePolicy": "{}",
    "FifoThroughputScope": "Topic",
}  # fmt: skip
_SUBSCRIPTION = (
    "DeliveryPolicy FilterPolicy FilterPolicyScope RawMessageDelivery RedrivePolicy "
    "SubscriptionRoleArn"
)
_SUBSCRIPTION_DEFAULTS = {
    "DeliveryPolicy": "{}", "FilterPolicy": "{}", "FilterPolicyScope": "MessageAttributes",
    "RawMessageDelivery": "false", "RedrivePolicy": "{}", "SubscriptionRoleArn": "",
}  # fmt: skip
_QUEUE = (
    "ContentBasedDeduplication DeduplicationScope DelaySeconds FifoQueue FifoThroughputLimit "
    "KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize MessageRetentionPeriod "
    "ReceiveMessageWaitTimeSeconds RedriveAllowPolicy RedrivePolicy SqsManagedSseEnabled "
    "VisibilityTimeout"
)
_QUEUE_DEFAULTS = {
    "ContentBasedDeduplication": "false", "DeduplicationScope": "queue", "DelaySeconds": "0",
    "FifoThroughputLimit": "perQueue", "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "", "MaximumMessageSize": "262144", "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0", "RedriveAllowPolicy": "", "RedrivePolicy": "",
    "SqsManagedSseEnabled": "true", "VisibilityTimeout": "30",
}  # fmt: skip


def _gather(properties: str) -> Callable[[ProviderContext, dict[str, Any]], None]:
    """Move the named parameters into ``Attributes``, the form of SNS and SQS."""
    inside = names(properties)

    def prepare(context: ProviderContext, params: dict[str, Any]) -> None:
        attributes = {
            name: document_text(params.pop(name)) for name in sorted(inside & params.keys())
        }
        if attributes:
            params["Attributes"] = attributes

    return prepare


def _changes(context: ProviderContext, properties: str, defaults: dict[str, str]) -> dict[str, str]:
    changes = {}
    for name in properties.split():
        value = context.properties.get(name)
        if value != context.previous.get(name):
            changes[name] = defaults.get(name, "") if value is None else document_text(value)
    return changes


def _set_one_by_one(operation: str, arn: str, properties: str, defaults: dict[str, str]) -> Step:
    def apply(context: ProviderContext) -> None:
        for name, value in _changes(context, properties, defaults).items():
            context.call(
                operation, **{arn: context.id, "AttributeName": name, "AttributeValue": value}
            )

    return Step(properties=properties, apply=apply, on_create=False)


def _set_queue(context: ProviderContext) -> None:
    changes = _changes(context, _QUEUE, _QUEUE_DEFAULTS)
    context.call("SetQueueAttributes", QueueUrl=context.id, Attributes=changes)


_FEEDBACK = {"http/s": "HTTP", "sqs": "SQS", "lambda": "Lambda", "firehose": "Firehose",
             "application": "Application"}  # fmt: skip


def _log_deliveries(context: ProviderContext) -> None:
    for entry in context.properties.get("DeliveryStatusLogging") or ():
        prefix = _FEEDBACK[str(entry["Protocol"])]
        for name, value in entry.items():
            if name != "Protocol":
                context.call(
                    "SetTopicAttributes",
                    TopicArn=context.id,
                    AttributeName=f"{prefix}{name}",
                    AttributeValue=document_text(value),
                )


def _subscribe(context: ProviderContext) -> None:
    before = list(context.previous.get("Subscription") or ())
    after = list(context.properties.get("Subscription") or ())
    gone = [s for s in before if s not in after]
    if gone:
        subscriptions = context.call("ListSubscriptionsByTopic", TopicArn=context.id)[
            "Subscriptions"
        ]
        for old in gone:
            for each in subscriptions:
                if (each["Protocol"], each["Endpoint"]) == (old["Protocol"], old["Endpoint"]):
                    context.call("Unsubscribe", SubscriptionArn=each["SubscriptionArn"])
    for new in after:
        if new not in before:
            context.call("Subscribe", TopicArn=context.id, **new)


def _end_subscriptions(context: ProviderContext) -> None:
    _subscribe_none = context.call("ListSubscriptionsByTopic", TopicArn=context.id)["Subscriptions"]
    inline = [
        (s["Protocol"], s["Endpoint"])
        for s in {**context.previous, **context.properties}.get("Subscription") or ()
    ]
    for each in _subscribe_none:
        if (each["Protocol"], each["Endpoint"]) in inline:
            context.call("Unsubscribe", SubscriptionArn=each["SubscriptionArn"])


def _url(context: ProviderContext, name: str) -> str:
    return f"{context.request.cloud.endpoint_url}/{context.request.account_id}/{name}"


class _Fifo(ApiResource):
    """A FIFO topic or queue, whose generated name must end in ``.fifo``."""

    def _create_params(self, context: ProviderContext) -> dict[str, Any]:
        fifo = document_text(
            context.properties.get("FifoTopic", context.properties.get("FifoQueue", False))
        )
        if fifo == "true" and not context.name.endswith(".fifo"):
            context.name = f"{context.name[:75]}.fifo"
        return super()._create_params(context)


class _Queue(_Fifo):
    """A queue, whose ``Ref`` is its URL, which must have this cloud's address."""

    def _complete(self, context: ProviderContext) -> None:
        context.id = _url(context, context.name)
        super()._complete(context)


def _queue_attributes(context: ProviderContext) -> dict[str, Any]:
    name = context.id.rpartition("/")[2]
    arn = regional_arn("sqs", context.request.region, context.request.account_id, name)
    return {"Arn": arn, "QueueName": name, "QueueUrl": context.id}


def _unsubscribe(context: ProviderContext) -> None:
    unless_gone(_NO_TOPIC, lambda: context.call("Unsubscribe", SubscriptionArn=context.id))


PROVIDERS: dict[str, CoveredProvider] = {
    "AWS::SNS::Topic": _Fifo(
        service="sns",
        create_call="CreateTopic",
        name=Name(property="TopicName", param="Name", max_length=256),
        takes=takes(_TOPIC),
        prepare=_gather(_TOPIC),
        ref="TopicArn",
        attributes={"TopicArn": "{id}"},
        steps=(
            _set_one_by_one("SetTopicAttributes", "TopicArn", _TOPIC, _TOPIC_DEFAULTS),
            Step(properties="DeliveryStatusLogging", apply=_log_deliveries),
            Step(properties="Subscription", apply=_subscribe),
        ),
        tagging=Tagging(on={"ResourceArn": "{id}"}),
        before_delete=_end_subscriptions,
        delete_call="DeleteTopic",
        delete_on={"TopicArn": "{id}"},
        gone=_NO_TOPIC,
        stored=names("DataProtectionPolicy MaximumMessageSize"),
    ),
    "AWS::SNS::Subscription": ApiResource(
        service="sns",
        create_call="Subscribe",
        on_create={"ReturnSubscriptionArn": True},
        takes=takes(f"Endpoint Protocol TopicArn {_SUBSCRIPTION}"),
        prepare=_gather(_SUBSCRIPTION),
        ref="SubscriptionArn",
        attributes={"Arn": "{id}"},
        steps=(
            _set_one_by_one("SetSubscriptionAttributes", "SubscriptionArn", _SUBSCRIPTION,
                            _SUBSCRIPTION_DEFAULTS),
        ),
        before_delete=_unsubscribe,
        stored=names("Region"),
    ),
    "AWS::SNS::TopicPolicy": PolicyOn(
        service="sns", operation="SetTopicAttributes", on="Topics", target="TopicArn",
        as_attribute_pair=True, gone=_NO_TOPIC,
    ),
    "AWS::SNS::TopicInlinePolicy": PolicyOn(
        service="sns", operation="SetTopicAttributes", on="TopicArn", target="TopicArn",
        as_attribute_pair=True, gone=_NO_TOPIC,
    ),
    "AWS::SQS::Queue": _Queue(
        service="sqs",
        create_call="CreateQueue",
        name=Name(property="QueueName", param="QueueName", max_length=80),
        takes=takes(_QUEUE),
        prepare=_gather(_QUEUE),
        more_attributes=_queue_attributes,
        steps=(Step(properties=_QUEUE, apply=_set_queue, on_create=False),),
        tagging=Tagging(param="tags", as_map=True, tag="TagQueue", untag="UntagQueue",
                        on={"QueueUrl": "{id}"}),
        delete_call="DeleteQueue",
        delete_on={"QueueUrl": "{id}"},
        gone=_NO_QUEUE,
    ),
    "AWS::SQS::QueuePolicy": PolicyOn(
        service="sqs", operation="SetQueueAttributes", on="Queues", target="QueueUrl",
        as_attribute_pair=False, gone=_NO_QUEUE,
    ),
}  # fmt: skip
