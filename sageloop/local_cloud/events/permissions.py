"""Whether a target admits a service: its resource policy and the policy of its KMS key.

A queue or topic that is encrypted with a customer managed key receives nothing from a service that
may not use the key; on AWS the message is then lost without an error. Every delivery from a
service to a queue, topic, log group or function is decided first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.access.enforcement.service_acts import Actor, service_actor

if TYPE_CHECKING:
    from sageloop.local_cloud.access.policy import Decision
    from sageloop.local_cloud.core.cloud import Cloud

_ALARMS = "cloudwatch.amazonaws.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    cloud: Cloud
    sender: Actor
    arn: str

    def client(self, service: str) -> Any:
        return self.cloud.client(service, principal=INTERNAL, region=self.sender.region)

    def refusal(self, action: str, resource: str, of: str, **context: str) -> str | None:
        """The reason for which ``of``, a policy, does not allow an action, or ``None``."""
        denial = self.sender.denial(action, resource, **context)
        return None if denial is None else _worded(denial, of)


def admits(cloud: Cloud, service_principal: str, target_arn: str, source_arn: str) -> str | None:
    """The reason for which a target refuses a service's message, or ``None``.

    Args:
        cloud: The cloud of the target.
        service_principal: The sending service, such as ``events.amazonaws.com``.
        target_arn: ARN of a queue, a topic, a log group or a function; a bus admits every service.
        source_arn: ARN of the resource behind the message (rule, topic, alarm, bucket).

    """
    refusal_of = _REFUSALS.get(target_arn.split(":")[2])
    if refusal_of is None:
        return None
    # Only alarms still send the old key that a topic's default policy requires.
    old = {"aws:SourceOwner": cloud.account_id} if service_principal == _ALARMS else {}
    sender = service_actor(
        cloud, service_principal, source_arn=source_arn, region=target_arn.split(":")[3], **old
    )
    try:
        return refusal_of(_Delivery(cloud=cloud, sender=sender, arn=target_arn))
    except ClientError as error:
        return f"{target_arn} cannot be reached: {error}"


def queue_url(cloud: Cloud, arn: str) -> str:
    """The URL of the queue with an ARN. Raises ``ClientError`` if it does not exist."""
    region, account, name = arn.split(":")[3:6]
    sqs = cloud.client("sqs", principal=INTERNAL, region=region)
    return str(sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])


def _worded(denial: Decision, of: str) -> str:
    request = denial.request
    by = f" (statement {denial.statement.name})" if denial.statement is not None else ""
    return f"{of} does not allow {request.principal.arn} to call {request.action}{by}"


def _queue_refusal(delivery: _Delivery) -> str | None:
    url = queue_url(delivery.cloud, delivery.arn)
    response = delivery.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    key = response.get("Attributes", {}).get("KmsMasterKeyId")
    refusal = delivery.refusal("sqs:SendMessage", delivery.arn, f"the policy of {delivery.arn}")
    return refusal or _key_refusal(delivery, key, "aws:sqs:arn")


def _topic_refusal(delivery: _Delivery) -> str | None:
    response = delivery.client("sns").get_topic_attributes(TopicArn=delivery.arn)
    key = response["Attributes"].get("KmsMasterKeyId")
    refusal = delivery.refusal("sns:Publish", delivery.arn, f"the policy of {delivery.arn}")
    return refusal or _key_refusal(delivery, key, "aws:sns:topicArn")


def _log_group_refusal(delivery: _Delivery) -> str | None:
    # EventBridge names each stream at random; a policy cannot know it.
    stream = f"{delivery.arn.removesuffix(':*')}:log-stream:-"
    policies = f"no CloudWatch Logs resource policy for {delivery.arn}: it"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        refusal = delivery.refusal(action, stream, policies)
        if refusal:
            return refusal
    return None


def _function_refusal(delivery: _Delivery) -> str | None:
    # A function that does not exist is an error of its own.
    delivery.client("lambda").get_function_configuration(FunctionName=delivery.arn)
    return delivery.refusal(
        "lambda:InvokeFunction", delivery.arn, f"the policy of {delivery.arn}"
    )  # fmt: skip


def _key_refusal(delivery: _Delivery, key: str | None, encryption_context: str) -> str | None:
    if not key:
        return None
    sender, arn = delivery.sender, delivery.arn
    if "alias/aws/" in key:
        # The policy of an AWS managed key, which is fixed, names principals of the
        # account only.
        alias = f"arn:{arn.split(':')[1]}:kms:{sender.region}:{delivery.cloud.account_id}:{key}"
        managed = (
            f"{arn} is encrypted with {key}, which {sender.caller.name} cannot use; "
            "the resource needs a customer managed key"
        )
        return managed if sender.denial("kms:GenerateDataKey", alias) else None
    description = delivery.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    if not description["Enabled"]:
        return f"the key {description['Arn']} of {arn} is {description['KeyState']}"
    context = {
        "kms:ViaService": f"{arn.split(':')[2]}.{sender.region}.amazonaws.com",
        "kms:CallerAccount": delivery.cloud.account_id,
        f"kms:EncryptionContext:{encryption_context}": arn,
        "kms:EncryptionContextKeys": encryption_context,
    }
    of = f"the policy of the key {description['Arn']} of {arn}"
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        refusal = delivery.refusal(action, description["Arn"], of, **context)
        if refusal:
            return refusal
    return None


_REFUSALS: dict[str, Callable[[_Delivery], str | None]] = {
    "sqs": _queue_refusal,
    "sns": _topic_refusal,
    "logs": _log_group_refusal,
    "lambda": _function_refusal,
}
