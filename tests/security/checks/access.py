"""Evaluates access to deployed stacks as AWS does: roles, buckets, keys, and one request.

References become the ARNs of ``policies.sample_of``; account and region are those of its samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Decision,
    Effect,
    EndpointPolicy,
    Policy,
    Principal,
    Request,
    ResourcePolicy,
    decide,
    parse_policy,
    role_session,
    user,
)
from tests.security.checks.flatten import Template, as_list
from tests.security.checks.policies import literal
from tests.security.checks.wiring import CombinedStacks

ACCOUNT, OTHER_ACCOUNT = "123456789012", "210987654321"
REGION = "us-east-1"
_EVERYTHING = parse_policy({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}, name="everything")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The caller: a principal with its identity policies, inside the VPC or not."""

    principal: Principal
    policies: tuple[Policy, ...]
    in_vpc: bool = False


def administrator(account: str = ACCOUNT) -> Caller:
    """A user with all permissions, which only a resource's policy can deny."""
    arn = f"arn:aws:iam::{account}:user/administrator"
    return Caller(principal=user(arn), policies=(_EVERYTHING,))


class Stacks:
    """All stacks of an app, deployed in one account.

    Args:
        templates: The templates by stack name.

    """

    def __init__(self, templates: Mapping[str, Template]) -> None:
        self.combined = CombinedStacks(templates)

    def literal(self, near: str, value: Any) -> Any:
        """The flat value after deployment."""
        return literal(self.combined, near, value)

    def named(self, kind: str) -> list[str]:
        """Resources of a type, as ``stack/logical id``."""
        return [name for name, _ in self.combined.of(kind)]

    def arn(self, name: str, attribute: str = "Arn") -> str:
        """The ARN of a resource."""
        logical = name.rpartition("/")[2]
        return str(self.literal(name, f"<{logical}.{attribute}>"))

    def role_named(self, arn: str) -> str:
        """The role with an ARN."""
        return next(name for name in self.named("AWS::IAM::Role") if self.arn(name) == arn)

    def role(self, name: str, *, in_vpc: bool = True) -> Caller:
        """A session of a role, with all policies of the stacks that are attached to it."""
        principal = role_session(self.arn(name), "session")
        return Caller(principal=principal, policies=tuple(self._policies(name)), in_vpc=in_vpc)

    def _policies(self, role: str) -> Iterator[Policy]:
        held = self.combined.flat[role]
        attached = {
            self.combined.named(each, role) for each in as_list(held.get("ManagedPolicyArns"))
        }
        for inline in as_list(held.get("Policies")):
            yield self._parsed(role, inline["PolicyDocument"])
        for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
            for name, policy in self.combined.of(kind):
                roles = [self.combined.named(each, name) for each in as_list(policy.get("Roles"))]
                if role in roles or name in attached:
                    yield self._parsed(name, policy["PolicyDocument"])

    def bucket_policies(self, bucket: str) -> tuple[ResourcePolicy, ...]:
        """The policy of a bucket."""
        return tuple(
            ResourcePolicy(policy=self._parsed(name, held["PolicyDocument"]), account=ACCOUNT)
            for name, held in self.combined.of("AWS::S3::BucketPolicy")
            if self.combined.named(held["Bucket"], name) == bucket
        )

    def key_policies(self, key: str) -> tuple[ResourcePolicy, ...]:
        """The policy of a key."""
        policy = self._parsed(key, self.combined.flat[key]["KeyPolicy"])
        return (ResourcePolicy(policy=policy, account=ACCOUNT, must_allow=True),)

    def s3_gateway(self) -> EndpointPolicy:
        """The policy of the gateway through which a VPC's calls reach S3."""
        name, held = next(
            (name, held) for name, held in self.combined.of("AWS::EC2::VPCEndpoint")
            if str(held["ServiceName"]).endswith(".s3")
        )  # fmt: skip
        return EndpointPolicy(policy=self._parsed(name, held["PolicyDocument"]), gateway=True)

    def _parsed(self, near: str, document: Any) -> Policy:
        return parse_policy(self.literal(near, document), name=near)

    def decide_s3(
        self, caller: Caller, action: str, bucket: str, key: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Decision:  # fmt: skip
        """S3's decision on a request.

        Args:
            caller: The caller.
            action: Action of S3.
            bucket: The bucket.
            key: Key of the object; the bucket itself without.
            context: Condition keys beside TLS and the owner, such as those of headers.

        """
        arn = self.arn(bucket)
        request = Request(
            principal=caller.principal,
            action=action,
            resource=arn if key is None else f"{arn}/{key}",
            context={
                "aws:SecureTransport": "true", "s3:TlsVersion": "1.3",
                "aws:ResourceAccount": ACCOUNT, **(context or {}),
            },
        )  # fmt: skip
        applied = AppliedPolicies(
            identity=caller.policies,
            resource=self.bucket_policies(bucket),
            account=ACCOUNT,
            endpoint=self.s3_gateway() if caller.in_vpc else None,
        )
        return decide(request, applied)

    def decide(
        self, caller: Caller, action: str, resource: str = "*",
        context: Mapping[str, Any] | None = None,
    ) -> Decision:  # fmt: skip
        """The decision on a request by identity policies only."""
        request = Request(
            principal=caller.principal, action=action, resource=resource, context=context or {}
        )
        return decide(request, AppliedPolicies(identity=caller.policies, account=ACCOUNT))

    def decide_kms(self, caller: Caller, action: str, key: str, service: str) -> Decision:
        """KMS's decision on a request that a service makes for a caller."""
        via = f"{service}.{REGION}.amazonaws.com"
        request = Request(
            principal=caller.principal, action=action, resource=self.arn(key),
            context={"kms:ViaService": via, "kms:CallerAccount": ACCOUNT},
        )  # fmt: skip
        applied = AppliedPolicies(
            identity=caller.policies, resource=self.key_policies(key), account=ACCOUNT
        )
        return decide(request, applied)


def denials_without_keys(templates: Mapping[str, Template]) -> Iterator[str]:
    """Conditional ``Deny`` statements that also deny requests without the condition's keys.

    A negated operator is true if its key is absent, with ``IfExists`` and without; an additional
    ``Null`` of ``false`` limits the statement to requests that have the key.

    See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    stacks = Stacks(templates)
    for name, properties in stacks.combined.flat.items():
        for document in _documents(properties):
            for statement in as_list(stacks.literal(name, document)["Statement"]):
                if _denies_plain_request(statement):
                    yield f"{name}: {statement.get('Sid', statement['Condition'])}"


def _denies_plain_request(statement: Mapping[str, Any]) -> bool:
    if statement["Effect"] != "Deny" or not statement.get("Condition"):
        return False
    action = str(as_list(statement["Action"])[0]).replace("*", "GetObject")
    resource = str(as_list(statement["Resource"])[0]).replace("*", "x")
    plain = {key: value for key, value in statement.items() if key != "Principal"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [plain]}, name="statement")
    request = Request(principal=administrator().principal, action=action, resource=resource)
    decision = decide(request, AppliedPolicies(identity=(policy,), account=ACCOUNT))
    return decision.effect is Effect.EXPLICIT_DENY


def _documents(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every policy document in a resource's properties."""
    if isinstance(value, Mapping):
        listed = as_list(value.get("Statement"))
        if listed and all(isinstance(each, Mapping) and "Effect" in each for each in listed):
            yield value
            return
        for each in value.values():
            yield from _documents(each)
    elif isinstance(value, list):
        for each in value:
            yield from _documents(each)
