"""Whether a target lets a service in: its resource policy, and the policy of its key.

The second half is the one everybody forgets: a queue or topic encrypted with a customer key
takes nothing from a service that may not use that key, and on AWS the message is then lost
without a word. Every service-to-queue and service-to-topic delivery here asks first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.events.policies import Question, allows

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

# Who reads policies here. Not the service itself: it makes no such calls on AWS, and the
# record of calls must not say it did.
READER = "local-cloud.internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Knock:
    cloud: Cloud
    principal: str
    arn: str
    context: dict[str, str]

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    def client(self, service: str) -> Any:
        return self.cloud.client(service, principal=READER, region=self.region)

    def may(self, policy: str | None, action: str, resource: str, **more: str) -> bool:
        """Whether a policy allows an action; ``more`` adds condition keys."""
        question = Question(self.principal, action, resource, self.context | more)
        return allows(policy, question)

    def refused(self, action: str, by: str) -> str:
        return f"{by} does not let {self.principal} {action}"


def admits(cloud: Cloud, service_principal: str, target_arn: str, source_arn: str) -> str | None:
    """Why a target would refuse a service's message, or ``None`` if it takes it.

    Args:
        cloud: the cloud that holds the target.
        service_principal: who knocks, such as ``events.amazonaws.com``.
        target_arn: ARN of a queue, a topic, a log group or a function; a bus takes everything.
        source_arn: ARN of what the service acts for (rule, topic, alarm, bucket).

    """
    ask = _REFUSALS.get(target_arn.split(":")[2])
    if ask is None:
        return None
    context = _context(cloud, service_principal, source_arn)
    try:
        return ask(
            _Knock(cloud=cloud, principal=service_principal, arn=target_arn, context=context)
        )
    except ClientError as error:
        return f"{target_arn} cannot be reached: {error}"


def queue_url(cloud: Cloud, arn: str) -> str:
    """The URL of the queue behind an ARN; raises ``ClientError`` if there is none."""
    region, account, name = arn.split(":")[3:6]
    sqs = cloud.client("sqs", principal=READER, region=region)
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
        # Alarms alone still carry the old key that a topic's default policy asks for.
        context["aws:SourceOwner"] = cloud.account_id
    return context


def _queue_refusal(knock: _Knock) -> str | None:
    url = queue_url(knock.cloud, knock.arn)
    found = knock.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    attributes: dict[str, str] = found.get("Attributes", {})
    if not knock.may(attributes.get("Policy"), "sqs:SendMessage", knock.arn):
        return knock.refused("sqs:SendMessage", f"the policy of {knock.arn}")
    return _key_refusal(knock, attributes.get("KmsMasterKeyId"), "aws:sqs:arn")


def _topic_refusal(knock: _Knock) -> str | None:
    found = knock.client("sns").get_topic_attributes(TopicArn=knock.arn)
    attributes: dict[str, str] = found["Attributes"]
    if not knock.may(attributes.get("Policy"), "sns:Publish", knock.arn):
        return knock.refused("sns:Publish", f"the policy of {knock.arn}")
    return _key_refusal(knock, attributes.get("KmsMasterKeyId"), "aws:sns:topicArn")


def _log_group_refusal(knock: _Knock) -> str | None:
    resource = f"{knock.arn.removesuffix(':*')}:*"
    for policy in knock.client("logs").describe_resource_policies()["resourcePolicies"]:
        if knock.may(policy["policyDocument"], "logs:PutLogEvents", resource):
            return None
    return knock.refused("logs:PutLogEvents", f"no resource policy of the logs for {knock.arn}")


def _function_refusal(knock: _Knock) -> str | None:
    parts = knock.arn.split(":")
    qualifier = {"Qualifier": parts[7]} if len(parts) == 8 else {}
    found = knock.client("lambda").get_policy(FunctionName=":".join(parts[:7]), **qualifier)
    if knock.may(found["Policy"], "lambda:InvokeFunction", knock.arn):
        return None
    return knock.refused("lambda:InvokeFunction", f"the policy of {knock.arn}")


def _key_refusal(knock: _Knock, key: str | None, encryption_context: str) -> str | None:
    if not key:
        return None
    if "alias/aws/" in key:
        return (
            f"{knock.arn} is encrypted with {key}, which {knock.principal} can never use; "
            "it needs a key of its own"
        )
    kms = knock.client("kms")
    found = kms.describe_key(KeyId=key)["KeyMetadata"]
    if not found["Enabled"]:
        return f"the key {found['Arn']} of {knock.arn} is {found['KeyState']}"
    policy = kms.get_key_policy(KeyId=found["KeyId"], PolicyName="default")["Policy"]
    more = {
        "kms:ViaService": f"{knock.arn.split(':')[2]}.{knock.region}.amazonaws.com",
        f"kms:EncryptionContext:{encryption_context}": knock.arn,
    }
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        if not knock.may(policy, action, found["Arn"], **more):
            return knock.refused(action, f"the policy of the key {found['Arn']} of {knock.arn}")
    return None


_REFUSALS: dict[str, Callable[[_Knock], str | None]] = {
    "sqs": _queue_refusal,
    "sns": _topic_refusal,
    "logs": _log_group_refusal,
    "lambda": _function_refusal,
}
