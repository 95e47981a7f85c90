"""Sends messages to targets: function, queue, topic, log group or event bus."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.enforcement.service_acts import can_assume, role_actor
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.events.permissions import admits, queue_url

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

Attributes = dict[str, dict[str, str | bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The principal that sends a message.

    ``service`` is the principal that a resource policy must allow and ``source_arn`` the resource
    behind the message. With a ``role_arn`` the service assumes that role instead, for the resource
    ``role_source`` (by default ``source_arn``): the role's trust policy applies, and policies of
    targets apply to the role.
    """

    service: str
    source_arn: str
    role_arn: str | None = None
    role_source: str | None = None

    @property
    def principal(self) -> str:
        """The principal of the call."""
        return self.service if self.role_arn is None else self.role_arn

    def assume_role(self, cloud: Cloud) -> None:
        """Raise ``AwsError`` AccessDenied if the service may not assume the sender's role."""
        source = self.source_arn if self.role_source is None else self.role_source
        if self.role_arn is not None and not can_assume(cloud, self.service, self.role_arn, source):
            raise AwsError(
                "AccessDenied",
                f"the role {self.role_arn} does not exist, or its trust policy does not allow "
                f"{self.service} to call sts:AssumeRole for {source}",
                403,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message: ``body`` is the text; the other members are for queues and topics."""

    body: str
    subject: str | None = None
    attributes: Attributes | None = None
    group_id: str | None = None
    deduplication_id: str | None = None
    hops: int = 0


def send(cloud: Cloud, sender: Sender, target_arn: str, message: Message) -> None:
    """Deliver once. Raises ``AwsError`` or ``ClientError`` with the target's reason."""
    sender.assume_role(cloud)
    _CARRIERS[kind_of(target_arn)](cloud, sender, target_arn, message)


def kind_of(arn: str) -> str:
    """The service in an ARN, or an empty string if the text is not an ARN."""
    parts = arn.split(":")
    return parts[2] if len(parts) >= 6 and parts[0] == "arn" else ""


def is_supported(arn: str) -> bool:
    """Whether :func:`send` supports a target."""
    return kind_of(arn) in _CARRIERS


def supported() -> str:
    """The supported kinds of targets, for error messages."""
    return ", ".join(sorted(_CARRIERS))


def _check_access(cloud: Cloud, sender: Sender, target_arn: str) -> None:
    if sender.role_arn is None:
        refusal = admits(cloud, sender.service, target_arn, sender.source_arn)
        if refusal:
            code = "ResourceNotFoundException" if "cannot be reached" in refusal else "AccessDenied"
            raise AwsError(code, refusal, 404 if code.startswith("Resource") else 403)


def _to_function(cloud: Cloud, sender: Sender, arn: str, message: Message) -> None:
    payload = message.body.encode()
    if sender.role_arn is None:
        cloud.services.functions.invoke_for(
            sender.service, arn, payload, source_arn=sender.source_arn
        )
        return
    client = cloud.client("lambda", principal=sender.role_arn, region=arn.split(":")[3])
    client.invoke(FunctionName=arn, InvocationType="Event", Payload=payload)


def _to_queue(cloud: Cloud, sender: Sender, arn: str, message: Message) -> None:
    _check_access(cloud, sender, arn)
    more = _present(
        MessageAttributes=message.attributes,
        MessageGroupId=message.group_id,
        MessageDeduplicationId=message.deduplication_id,
    )
    client = cloud.client("sqs", principal=sender.principal, region=arn.split(":")[3])
    client.send_message(QueueUrl=queue_url(cloud, arn), MessageBody=message.body, **more)


def _to_topic(cloud: Cloud, sender: Sender, arn: str, message: Message) -> None:
    _check_access(cloud, sender, arn)
    more = _present(Subject=message.subject, MessageGroupId=message.group_id)
    client = cloud.client("sns", principal=sender.principal, region=arn.split(":")[3])
    client.publish(TopicArn=arn, Message=message.body, **more)


def _to_log_group(cloud: Cloud, sender: Sender, arn: str, message: Message) -> None:
    _check_access(cloud, sender, arn)
    group, stream = arn.split(":")[6], secrets.token_hex(16)
    logs = cloud.client("logs", principal=sender.principal, region=arn.split(":")[3])
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    entry = {"timestamp": int(cloud.clock.time() * 1000), "message": message.body}
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[entry])


def _to_bus(cloud: Cloud, sender: Sender, arn: str, message: Message) -> None:
    # Without a role a bus of the same account is not refused: AWS documents none for this case.
    if sender.role_arn is not None:
        role = role_actor(cloud, sender.role_arn, "service", region=arn.split(":")[3])
        denial = role.denial("events:PutEvents", arn)
        if denial is not None:
            raise AwsError("AccessDenied", denial.message, 403)
    cloud.services.events.forward(json.loads(message.body), arn, hops=message.hops + 1)


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


_CARRIERS: dict[str, Callable[[Cloud, Sender, str, Message], None]] = {
    "lambda": _to_function,
    "sqs": _to_queue,
    "sns": _to_topic,
    "logs": _to_log_group,
    "events": _to_bus,
}
