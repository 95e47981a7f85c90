"""Whether a target admits a service: its resource policy and the policy of its KMS key.

A queue or topic that is encrypted with a customer managed key receives nothing from a service that
may not use the key; on AWS the message is then lost without an error. Every delivery from a
service to a queue or topic is checked first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.access.caller import INTERNAL
from sageloop.local_cloud.events.policies import AccessRequest, allows

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


@dataclass(frozen=True, slots=True, kw_only=True)
class _Access:
    cloud: Cloud
    principal: str
    arn: str
    context: dict[str, str]

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    def client(self, service: str) -> Any:
        return self.cloud.client(service, principal=INTERNAL, region=self.region)

    def may(self, policy: str | None, action: str, resource: str, **more: str) -> bool:
        """Whether a policy allows an action; ``more`` adds condition keys."""
        request = AccessRequest(self.principal, action, resource, self.context | more)
        return allows(policy, request)

    def refused(self, action: str, by: str) -> str:
        return f"{by} does not allow {self.principal} to call {action}"


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
    context = _context(cloud, service_principal, source_arn)
    try:
        return refusal_of(
            _Access(cloud=cloud, principal=service_principal, arn=target_arn, context=context)
        )
    except ClientError as error:
        return f"{target_arn} cannot be reached: {error}"


def queue_url(cloud: Cloud, arn: str) -> str:
    """The URL of the queue with an ARN. Raises ``ClientError`` if it does not exist."""
    region, account, name = arn.split(":")[3:6]
    sqs = cloud.client("sqs", principal=INTERNAL, region=region)
    return str(sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])


def _context(cloud: Cloud, service_principal: str, source_arn: str) -> dict[str, str]:
    context = {
        "aws:SourceArn": source_arn,
        "aws:SourceAccount": cloud.account_id,
        "aws:SecureTransport": "true",
        "aws:PrincipalIsAWSService": "true",
        "aws:PrincipalServiceName": service_principal,
        "kms:CallerAccount": cloud.account_id,
    }
    if service_principal == "cloudwatch.amazonaws.com":
        # Only alarms still send the old key that a topic's default policy requires.
        context["aws:SourceOwner"] = cloud.account_id
    return context


def _queue_refusal(access: _Access) -> str | None:
    url = queue_url(access.cloud, access.arn)
    response = access.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    attributes: dict[str, str] = response.get("Attributes", {})
    if not access.may(attributes.get("Policy"), "sqs:SendMessage", access.arn):
        return access.refused("sqs:SendMessage", f"the policy of {access.arn}")
    return _key_refusal(access, attributes.get("KmsMasterKeyId"), "aws:sqs:arn")


def _topic_refusal(access: _Access) -> str | None:
    response = access.client("sns").get_topic_attributes(TopicArn=access.arn)
    attributes: dict[str, str] = response["Attributes"]
    if not access.may(attributes.get("Policy"), "sns:Publish", access.arn):
        return access.refused("sns:Publish", f"the policy of {access.arn}")
    return _key_refusal(access, attributes.get("KmsMasterKeyId"), "aws:sns:topicArn")


def _log_group_refusal(access: _Access) -> str | None:
    resource = f"{access.arn.removesuffix(':*')}:*"
    for policy in access.client("logs").describe_resource_policies()["resourcePolicies"]:
        if access.may(policy["policyDocument"], "logs:PutLogEvents", resource):
            return None
    return access.refused(
        "logs:PutLogEvents", f"no CloudWatch Logs resource policy for {access.arn}"
    )


def _function_refusal(access: _Access) -> str | None:
    parts = access.arn.split(":")
    qualifier = {"Qualifier": parts[7]} if len(parts) == 8 else {}
    response = access.client("lambda").get_policy(FunctionName=":".join(parts[:7]), **qualifier)
    if access.may(response["Policy"], "lambda:InvokeFunction", access.arn):
        return None
    return access.refused("lambda:InvokeFunction", f"the policy of {access.arn}")


def _key_refusal(access: _Access, key: str | None, encryption_context: str) -> str | None:
    if not key:
        return None
    if "alias/aws/" in key:
        return (
            f"{access.arn} is encrypted with {key}, which {access.principal} cannot use; "
            "the resource needs a customer managed key"
        )
    kms = access.client("kms")
    description = kms.describe_key(KeyId=key)["KeyMetadata"]
    if not description["Enabled"]:
        return f"the key {description['Arn']} of {access.arn} is {description['KeyState']}"
    policy = kms.get_key_policy(KeyId=description["KeyId"], PolicyName="default")["Policy"]
    more = {
        "kms:ViaService": f"{access.arn.split(':')[2]}.{access.region}.amazonaws.com",
        f"kms:EncryptionContext:{encryption_context}": access.arn,
    }
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        if not access.may(policy, action, description["Arn"], **more):
            return access.refused(
                action, f"the policy of the key {description['Arn']} of {access.arn}"
            )
    return None


_REFUSALS: dict[str, Callable[[_Access], str | None]] = {
    "sqs": _queue_refusal,
    "sns": _topic_refusal,
    "logs": _log_group_refusal,
    "lambda": _function_refusal,
}
