"""Delivers events from a bus to the targets of its rules, with retries and dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.events import delivery, targets
from sageloop.local_cloud.events.bus import SERVICE, Bus, Buses, Rule
from sageloop.local_cloud.events.inputs import body_for
from sageloop.local_cloud.events.patterns import matches

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

# EventBridge limits loops between buses too.
_MOST_HOPS = 5


def stamp(moment: float) -> str:
    """An event's time: ISO 8601, UTC, whole seconds."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Dispatcher:
    """Delivers events to the targets of matching rules."""

    def __init__(self, cloud: Cloud, buses: Buses) -> None:
        self._cloud = cloud
        self._buses = buses

    def publish(self, bus: Bus, event: dict[str, Any], *, hops: int = 0) -> None:
        """Send one event to every enabled rule of a bus whose pattern matches."""
        if hops > _MOST_HOPS:
            raise AwsError("LoopDetected", f"the event passed more than {_MOST_HOPS} buses")
        with self._buses.lock:
            listening = [r for r in bus.rules.values() if r.is_enabled and r.pattern is not None]
        for rule in listening:
            if rule.pattern is not None and matches(rule.pattern, event):
                self.fire(rule, event, hops=hops)

    def fire(
        self, rule: Rule, event: dict[str, Any], *, hops: int = 0, inline: bool = False
    ) -> None:
        """Send an event to every target of a rule; ``inline`` sends it first in this thread."""
        self._count("TriggeredRules", rule)
        with self._buses.lock:
            targets = list(rule.targets.values())
        for target in targets:
            made = self._delivery(rule, target, event, hops)
            delivery.start(self._cloud, made, inline=inline)

    def _delivery(
        self, rule: Rule, target: dict[str, Any], event: dict[str, Any], hops: int
    ) -> delivery.Delivery:
        sender = targets.Sender(
            service=SERVICE, source_arn=rule.arn, role_arn=target.get("RoleArn")
        )
        reserved = self._reserved(rule, event)

        def send() -> None:
            self._count("Invocations", rule)
            message = targets.Message(
                body=body_for(target, event, reserved),
                group_id=target.get("SqsParameters", {}).get("MessageGroupId"),
                hops=hops,
            )
            targets.send(self._cloud, sender, target["Arn"], message)

        return delivery.Delivery(
            label=f"event {event['detail-type']} to {target['Arn']}",
            send=send,
            give_up=lambda dead: self._give_up(rule, target, event, dead),
            policy=_policy(target),
            wait=delivery.exponential,
        )

    def _give_up(
        self, rule: Rule, target: dict[str, Any], event: dict[str, Any], dead: delivery.DeadLetter
    ) -> None:
        self._count("FailedInvocations", rule)
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        if queue is None:
            return
        attributes = {
            "RULE_ARN": rule.arn,
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": dead.failure.kind,
            "ERROR_MESSAGE": dead.failure.message,
        } | exhaustion(dead)
        letter = targets.Message(body=json.dumps(event), attributes=as_text(attributes))
        sender = targets.Sender(service=SERVICE, source_arn=rule.arn)
        delivery.start(
            self._cloud,
            delivery.Delivery(
                label=f"dead letter of rule {rule.name}",
                send=lambda: self._send_letter(rule, sender, queue, letter),
                give_up=lambda _: self._count("InvocationsFailedToBeSentToDlq", rule),
                policy=delivery.RetryPolicy(),
                wait=delivery.exponential,
            ),
        )

    def _send_letter(
        self, rule: Rule, sender: targets.Sender, queue: str, letter: targets.Message
    ) -> None:
        targets.send(self._cloud, sender, queue, letter)
        self._count("InvocationsSentToDlq", rule)

    def _count(self, metric: str, rule: Rule) -> None:
        if self._cloud.services.has("cloudwatch"):
            self._cloud.services.cloudwatch.put(
                "AWS/Events", metric, 1.0, dimensions={"RuleName": rule.name}, unit="Count"
            )

    def _reserved(self, rule: Rule, event: dict[str, Any]) -> dict[str, Any]:
        return {
            "aws.events.rule-arn": rule.arn,
            "aws.events.rule-name": rule.name,
            # Without the detail, and with a key of its own for the type: so it is recorded on AWS.
            "aws.events.event": {
                "detailType" if k == "detail-type" else k: v
                for k, v in event.items()
                if k != "detail"
            },
            "aws.events.event.json": event,
            "aws.events.event.ingestion-time": stamp(self._cloud.clock.time()),
        }


def as_text(attributes: dict[str, str]) -> targets.Attributes:
    """Attributes of a message; SQS refuses empty ones."""
    return {
        name: {"DataType": "String", "StringValue": value or "-"}
        for name, value in attributes.items()
    }


def exhaustion(dead: delivery.DeadLetter) -> dict[str, str]:
    """The dead letter's attributes for the retries, if retries were allowed."""
    if dead.exhausted is None:
        return {}
    return {"EXHAUSTED_RETRY_CONDITION": dead.exhausted, "RETRY_ATTEMPTS": str(dead.retries)}


def _policy(target: dict[str, Any]) -> delivery.RetryPolicy:
    settings = target.get("RetryPolicy", {})
    return delivery.RetryPolicy(
        retries=settings.get("MaximumRetryAttempts", 185),
        age=settings.get("MaximumEventAgeInSeconds", 86_400),
    )
