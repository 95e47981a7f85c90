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
from sageloop.local_cloud.cloudformation.providers.calls import text_of, unless_gone
from sageloop.local_cloud.cloudformation.providers.coverage import CoveredProvider, names
from sageloop.local_cloud.cloudformation.providers.policies import PolicyOn
from sageloop.local_cloud.cloudformation.providers.scene import Scene
from sageloop.local_cloud.cloudformation.providers.tagging import Tagging

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


def _gather(properties: str) -> Callable[[Scene, dict[str, Any]], None]:
    """Move the named parameters into ``Attributes``, the form of SNS and SQS."""
    inside = names(properties)

    def prepare(scene: Scene, params: dict[str, Any]) -> None:
        attributes = {name: text_of(params.pop(name)) for name in sorted(inside & params.keys())}
        if attributes:
            params["Attributes"] = attributes

    return prepare


def _changes(scene: Scene, properties: str, defaults: dict[str, str]) -> dict[str, str]:
    wanted = {}
    for name in properties.split():
        value = scene.properties.get(name)
        if value != scene.previous.get(name):
            wanted[name] = defaults.get(name, "") if value is None else text_of(value)
    return wanted


def _set_one_by_one(operation: str, arn: str, properties: str, defaults: dict[str, str]) -> Step:
    def apply(scene: Scene) -> None:
        for name, value in _changes(scene, properties, defaults).items():
            scene.call(operation, **{arn: scene.id, "AttributeName": name, "AttributeValue": value})

    return Step(properties=properties, apply=apply, on_create=False)


def _set_queue(scene: Scene) -> None:
    changes = _changes(scene, _QUEUE, _QUEUE_DEFAULTS)
    scene.call("SetQueueAttributes", QueueUrl=scene.id, Attributes=changes)


_FEEDBACK = {"http/s": "HTTP", "sqs": "SQS", "lambda": "Lambda", "firehose": "Firehose",
             "application": "Application"}  # fmt: skip


def _log_deliveries(scene: Scene) -> None:
    for entry in scene.properties.get("DeliveryStatusLogging") or ():
        prefix = _FEEDBACK[str(entry["Protocol"])]
        for name, value in entry.items():
            if name != "Protocol":
                scene.call(
                    "SetTopicAttributes",
                    TopicArn=scene.id,
                    AttributeName=f"{prefix}{name}",
                    AttributeValue=text_of(value),
                )


def _subscribe(scene: Scene) -> None:
    before = list(scene.previous.get("Subscription") or ())
    after = list(scene.properties.get("Subscription") or ())
    gone = [s for s in before if s not in after]
    if gone:
        found = scene.call("ListSubscriptionsByTopic", TopicArn=scene.id)["Subscriptions"]
        for old in gone:
            for each in found:
                if (each["Protocol"], each["Endpoint"]) == (old["Protocol"], old["Endpoint"]):
                    scene.call("Unsubscribe", SubscriptionArn=each["SubscriptionArn"])
    for new in after:
        if new not in before:
            scene.call("Subscribe", TopicArn=scene.id, **new)


def _end_subscriptions(scene: Scene) -> None:
    _subscribe_none = scene.call("ListSubscriptionsByTopic", TopicArn=scene.id)["Subscriptions"]
    inline = [
        (s["Protocol"], s["Endpoint"])
        for s in {**scene.previous, **scene.properties}.get("Subscription") or ()
    ]
    for each in _subscribe_none:
        if (each["Protocol"], each["Endpoint"]) in inline:
            scene.call("Unsubscribe", SubscriptionArn=each["SubscriptionArn"])


def _url(scene: Scene, name: str) -> str:
    return f"{scene.request.cloud.endpoint_url}/{scene.request.account_id}/{name}"


class _Fifo(ApiResource):
    """A made name of a FIFO topic or queue has to end in ``.fifo``."""

    def _create_params(self, scene: Scene) -> dict[str, Any]:
        fifo = text_of(scene.properties.get("FifoTopic", scene.properties.get("FifoQueue", False)))
        if fifo == "true" and not scene.name.endswith(".fifo"):
            scene.name = f"{scene.name[:75]}.fifo"
        return super()._create_params(scene)


class _Queue(_Fifo):
    """A queue is referred to by its URL, which has to lead back to this cloud."""

    def _complete(self, scene: Scene) -> None:
        scene.id = _url(scene, scene.name)
        super()._complete(scene)


def _queue_attributes(scene: Scene) -> dict[str, Any]:
    name = scene.id.rpartition("/")[2]
    arn = f"arn:aws:sqs:{scene.request.region}:{scene.request.account_id}:{name}"
    return {"Arn": arn, "QueueName": name, "QueueUrl": scene.id}


def _unsubscribe(scene: Scene) -> None:
    unless_gone(_NO_TOPIC, lambda: scene.call("Unsubscribe", SubscriptionArn=scene.id))


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
