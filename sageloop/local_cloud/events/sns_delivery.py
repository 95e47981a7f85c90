"""Delivery of SNS messages to functions and queues.

moto keeps topics and subscriptions and would itself deliver: to functions through Docker, to
queues without a policy check, with time stamps of the wall clock. When the first topic is created,
the method of moto that passes a message to a subscription is replaced by this module. moto's SNS
is not loaded before its first use.
"""

from __future__ import annotations

import base64
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.events import delivery, targets
from sageloop.local_cloud.events.dispatch import as_text
from sageloop.local_cloud.events.patterns import matches

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.core.service import Call
    from sageloop.local_cloud.core.wire import Response

log = logging.getLogger(__name__)

_SERVICE = "sns.amazonaws.com"
# SNS's own policy for AWS endpoints: 100,015 attempts over 23 days.
_POLICY = delivery.RetryPolicy(retries=100_015, age=23 * 86_400)


class SnsDelivery:
    """Delivers published messages to the subscriptions of moto's topics."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def listen(self) -> None:
        """Replace moto's delivery with the first topic or subscription."""
        self._cloud.front.after("sns:CreateTopic", self._take_over)
        self._cloud.front.after("sns:Subscribe", self._take_over)

    def _take_over(self, _call: Call, _response: Response) -> None:
        from sageloop.local_cloud.core.moto_sns import deliver_by

        deliver_by(self.deliver, self._cloud.published.published)

    def deliver(
        self, subscription: Any, message: str, message_id: str, *, subject: str | None = None,
        message_attributes: dict[str, Any] | None = None, group_id: str | None = None,
        deduplication_id: str | None = None, message_structure: str | None = None,
    ) -> None:  # fmt: skip
        """Send one message to one subscription of moto's, in the background."""
        attributes = message_attributes or {}
        if not _accepts(subscription.attributes, message, attributes):
            return
        self._cloud.published.delivered(message_id, subscription.protocol, subscription.endpoint)
        if message_structure == "json":
            message = subscription._parse_message_structure(message, subscription.protocol)
        if subscription.protocol not in ("lambda", "sqs"):
            log.warning(
                "the local cloud sends nothing to other networks: %s subscription %s "
                "receives no message; sageloop local alerts shows it",
                subscription.protocol, subscription.arn,
            )  # fmt: skip
            return
        notification = self._notification(subscription, message, message_id, subject, attributes)
        made = targets.Message(
            body=_body(subscription, notification, message),
            attributes=_queue_attributes(attributes) if _is_raw(subscription) else None,
            group_id=group_id,
            deduplication_id=deduplication_id,
        )
        sender = targets.Sender(service=_SERVICE, source_arn=subscription.topic_arn)
        self._start(subscription, sender, made, notification)

    def _start(
        self, subscription: Any, sender: targets.Sender, made: targets.Message,
        notification: dict[str, Any],
    ) -> None:  # fmt: skip
        def give_up(dead: delivery.DeadLetter) -> None:
            self._give_up(subscription, sender, notification, dead)

        delivery.start(
            self._cloud,
            delivery.Delivery(
                label=f"notification to {subscription.endpoint}",
                send=lambda: targets.send(self._cloud, sender, subscription.endpoint, made),
                give_up=give_up,
                policy=_POLICY,
                wait=_wait,
            ),
        )

    def _give_up(
        self, subscription: Any, sender: targets.Sender, notification: dict[str, Any],
        dead: delivery.DeadLetter,
    ) -> None:  # fmt: skip
        policy = subscription.attributes.get("RedrivePolicy")
        queue = _as_object(policy).get("deadLetterTargetArn")
        if not queue:
            return
        letter = targets.Message(
            body=json.dumps(notification),
            attributes=as_text(
                {
                    "RequestID": notification["MessageId"],
                    "ErrorCode": dead.failure.code,
                    "ErrorMessage": dead.failure.message,
                }
            ),
        )
        delivery.start(
            self._cloud,
            delivery.Delivery(
                label=f"dead letter of {subscription.arn}",
                send=lambda: targets.send(self._cloud, sender, queue, letter),
                give_up=lambda _: None,
                policy=_POLICY,
                wait=_wait,
            ),
        )

    def _notification(
        self, subscription: Any, message: str, message_id: str, subject: str | None,
        attributes: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        now = datetime.fromtimestamp(self._cloud.clock.time(), UTC)
        region = subscription.topic_arn.split(":")[3]
        host = f"https://sns.{region}.amazonaws.com"
        return {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": subscription.topic_arn,
            "Subject": subject,
            "Message": message,
            "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z",
            "SignatureVersion": "1",
            "Signature": base64.b64encode(b"not signed by the local cloud").decode(),
            "SigningCertURL": f"{host}/SimpleNotificationService-local.pem",
            "UnsubscribeURL": (f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"),
            "MessageAttributes": {n: _attribute(a) for n, a in attributes.items()},
        }


def _body(subscription: Any, notification: dict[str, Any], message: str) -> str:
    if subscription.protocol == "lambda":
        record = _renamed(notification)
        return json.dumps(
            {
                "Records": [
                    {
                        "EventSource": "aws:sns",
                        "EventVersion": "1.0",
                        "EventSubscriptionArn": subscription.arn,
                        "Sns": record,
                    }
                ]
            }
        )
    if _is_raw(subscription):
        return message
    # A queue's copy omits empty members.
    return json.dumps({k: v for k, v in notification.items() if v not in (None, {})})


def _renamed(notification: dict[str, Any]) -> dict[str, Any]:
    # A function's copy spells two members differently.
    names = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}
    return {names.get(name, name): value for name, value in notification.items()}


def _is_raw(subscription: Any) -> bool:
    raw = str(subscription.attributes.get("RawMessageDelivery", "false")).lower() == "true"
    return bool(raw and subscription.protocol == "sqs")


def _attribute(attribute: dict[str, Any]) -> dict[str, str]:
    value = attribute["Value"]
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
    return {"Type": attribute["Type"], "Value": text}


def _queue_attributes(attributes: dict[str, Any]) -> targets.Attributes | None:
    made: targets.Attributes = {}
    for name, attribute in attributes.items():
        kind, value = attribute["Type"], attribute["Value"]
        if kind.startswith("Binary"):
            raw = value if isinstance(value, bytes) else base64.b64decode(value)
            made[name] = {"DataType": kind, "BinaryValue": raw}
        else:
            made[name] = {"DataType": kind.replace("String.Array", "String"),
                          "StringValue": str(value)}  # fmt: skip
    return made or None


def _accepts(settings: dict[str, Any], message: str, attributes: dict[str, Any]) -> bool:
    policy = _as_object(settings.get("FilterPolicy"))
    if not policy:
        return True
    if settings.get("FilterPolicyScope") == "MessageBody":
        try:
            body = json.loads(message)
        except ValueError:
            return False
        return isinstance(body, dict) and matches(policy, body)
    return matches(policy, {name: _comparable(a) for name, a in attributes.items()})


def _comparable(attribute: dict[str, Any]) -> Any:
    kind, value = attribute["Type"], attribute["Value"]
    if kind.startswith("Number"):
        return float(value)
    return json.loads(value) if kind == "String.Array" else value


def _as_object(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return dict(json.loads(value)) if value else {}


def _wait(retry: int) -> float:
    # Three without delay, two after a second each, ten with back-off to 20 s, then every 20 s.
    if retry <= 3:
        return 0.0
    return 1.0 if retry <= 5 else min(20.0, 2.0 ** (retry - 5))
