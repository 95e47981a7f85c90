"""Checks that each service may use the key and the policy of the target to which it sends.

The message of an alarm is lost if the key of its topic does not admit CloudWatch; so is a dead
letter that EventBridge cannot encrypt. No linter checks relations across resources like this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.security.checks.flatten import Template, as_list, properties, resources

_SERVICE_OF_SENDER = {
    "AWS::CloudWatch::Alarm": "cloudwatch.amazonaws.com",
    "AWS::Events::Rule": "events.amazonaws.com",
    "AWS::SNS::Topic": "sns.amazonaws.com",
    "AWS::S3::Bucket": "logging.s3.amazonaws.com",
    "AWS::Logs::LogGroup": "logs.",
}


@dataclass(frozen=True, slots=True)
class Edge:
    """A sender of one type and its target, as texts of the flat template."""

    sender: str
    service: str
    target: str


class CombinedStacks:
    """All stacks of an app combined: names are prefixed by their template."""

    def __init__(self, templates: Mapping[str, Template]) -> None:
        self.flat: dict[str, dict[str, Any]] = {}
        self.types: dict[str, str] = {}
        self._exports = _exports(templates)
        for stack, template in templates.items():
            for name, resource in resources(template).items():
                self.flat[f"{stack}/{name}"] = properties(resource)
                self.types[f"{stack}/{name}"] = resource["Type"]

    def of(self, kind: str) -> Iterable[tuple[str, dict[str, Any]]]:
        """Resources of a type with their properties."""
        return ((n, p) for n, p in self.flat.items() if self.types[n] == kind)

    def named(self, reference: Any, near: str) -> str | None:
        """The resource of a flat reference in the resource ``near``."""
        text = str(reference)
        if not text.startswith("<"):
            return None
        if text.startswith("<import "):
            return self._exports.get(text[len("<import ") : -1])
        local = f"{near.split('/', maxsplit=1)[0]}/{text[1:-1].split('.', maxsplit=1)[0]}"
        return local if local in self.flat else None

    def edges(self) -> list[Edge]:
        """Every pair of a sender and an (often encrypted) target."""
        result: list[Edge] = []
        for name, alarm in self.of("AWS::CloudWatch::Alarm"):
            for member in ("AlarmActions", "OKActions", "InsufficientDataActions"):
                result += self._edge(name, as_list(alarm.get(member)))
        for name, rule in self.of("AWS::Events::Rule"):
            for target in as_list(rule.get("Targets")):
                dead = target.get("DeadLetterConfig", {}).get("Arn")
                result += self._edge(name, [target["Arn"], *as_list(dead)])
        for name, subscription in self.of("AWS::SNS::Subscription"):
            if subscription.get("Protocol") == "sqs":
                topic = self.named(subscription["TopicArn"], name)
                if topic:
                    result += self._edge(topic, [subscription["Endpoint"]])
        for name, bucket in self.of("AWS::S3::Bucket"):
            logs = bucket.get("LoggingConfiguration", {}).get("DestinationBucketName")
            result += self._edge(name, as_list(logs))
        return result

    def _edge(self, sender: str, targets: Iterable[Any]) -> list[Edge]:
        service = _SERVICE_OF_SENDER[self.types[sender]]
        named = (self.named(t, sender) for t in targets)
        return [Edge(sender, service, t) for t in named if t]


def findings(templates: Mapping[str, Template]) -> list[str]:
    """Messages for every pair that would lose messages."""
    combined = CombinedStacks(templates)
    result = []
    for edge in combined.edges():
        kind = combined.types[edge.target]
        if kind not in ("AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::S3::Bucket"):
            continue
        pair = f"{edge.sender} -> {edge.target}"
        key = _key_of(combined, edge.target)
        if key and kind != "AWS::S3::Bucket" and not _admits(combined.flat[key], "KeyPolicy", edge):
            result.append(f"{pair}: the key's policy does not admit {edge.service}")
        if not _is_admitted(combined, edge):
            result.append(f"{pair}: the target's policy does not admit {edge.service}")
    for name, group in combined.of("AWS::Logs::LogGroup"):
        key = combined.named(group.get("KmsKeyId"), name)
        if key and not _admits(combined.flat[key], "KeyPolicy", Edge(name, "logs.", key)):
            result.append(f"{name}: its key's policy does not admit CloudWatch Logs")
    return sorted(result)


def _key_of(combined: CombinedStacks, target: str) -> str | None:
    properties_ = combined.flat[target]
    reference = properties_.get("KmsMasterKeyId")
    return combined.named(reference, target) if reference else None


def _is_admitted(combined: CombinedStacks, edge: Edge) -> bool:
    kind = combined.types[edge.target]
    policy_type, member = {
        "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
        "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
        "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    }[kind]
    for name, policy in combined.of(policy_type):
        targets = [combined.named(r, name) for r in as_list(policy.get(member))]
        if edge.target in targets and _admits(policy, "PolicyDocument", edge):
            return True
    return False


def _admits(holder: Mapping[str, Any], member: str, edge: Edge) -> bool:
    for statement in as_list(holder.get(member, {}).get("Statement")):
        principal = statement.get("Principal", {})
        services = as_list(principal.get("Service")) if isinstance(principal, dict) else []
        if statement["Effect"] == "Allow" and any(edge.service in str(s) for s in services):
            return True
    return False


def _exports(templates: Mapping[str, Template]) -> dict[str, str]:
    result = {}
    for stack, template in templates.items():
        for output in template.get("Outputs", {}).values():
            name = output.get("Export", {}).get("Name")
            value = output.get("Value")
            if isinstance(name, str) and isinstance(value, dict):
                inner: Any = value.get("Ref", value.get("Fn::GetAtt", [None]))
                logical = inner if isinstance(inner, str) else inner[0]
                result[name] = f"{stack}/{logical}"
    return result
