"""Which condition keys exist on AWS, and which of them the local cloud fills."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from sageloop.local_cloud.access.policy import reference, variables
from sageloop.local_cloud.access.policy.document import Policy
from sageloop.local_cloud.access.policy.statements import Statement

_TAGGED = re.compile(r"\$\{\w+\}|<\w+>")

# Global keys, from "AWS global condition context keys" in the IAM User Guide. The first group is
# filled by the local cloud: from the principal, the request, or the loopback connection.
FILLED_GLOBAL_KEYS = frozenset({
    "aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast", "aws:CurrentTime",
    "aws:EpochTime", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalIsAWSService",
    "aws:PrincipalServiceName", "aws:PrincipalServiceNamesList", "aws:PrincipalTag/${TagKey}",
    "aws:PrincipalType", "aws:RequestTag/${TagKey}", "aws:RequestedRegion", "aws:ResourceAccount",
    "aws:ResourceTag/${TagKey}", "aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn",
    "aws:SourceIp", "aws:SourceOwner", "aws:SourceVpc", "aws:SourceVpce", "aws:TagKeys",
    "aws:TokenIssueTime", "aws:UserAgent", "aws:ViaAWSService", "aws:referer", "aws:userid",
    "aws:username", "lambda:SourceFunctionArn",
})  # fmt: skip
UNFILLED_GLOBAL_KEYS = frozenset({
    "aws:AssumedRoot", "aws:CalledViaAWSMCP", "aws:ChatbotSourceArn",
    "aws:Ec2InstanceSourcePrivateIPv4", "aws:Ec2InstanceSourceVpc", "aws:FederatedProvider",
    "aws:MultiFactorAuthAge", "aws:MultiFactorAuthPresent", "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths", "aws:ResourceOrgID", "aws:ResourceOrgPaths", "aws:SourceIdentity",
    "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:SourceVpcArn", "aws:ViaAWSMCPService",
    "aws:VpceAccount", "aws:VpceOrgID", "aws:VpceOrgPaths", "aws:VpcSourceIp",
    "codebuild:BuildArn", "ec2:SourceInstanceArn", "glue:CredentialIssuingService",
    "glue:RoleAssumedBy", "identitystore:UserId", "ssm:SourceInstanceArn",
})  # fmt: skip

# Keys that these services share by prefix: their tables do not list each other's.
_FREE_PREFIXES = ("saml:", "accounts.google.com:", "cognito-identity.amazonaws.com:")


class Availability(Enum):
    """Whether the local cloud has values for a condition key."""

    FILLED = "filled"
    UNFILLED = "unfilled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class UnevaluatedKey:
    """A condition key that the local cloud does not fill, and the statement that uses it."""

    key: str
    policy: str
    statement: str


def availability(key: str, *, filled: Iterable[str] = ()) -> Availability:
    """Whether the local cloud fills a condition key, only AWS fills it, or it does not exist.

    A key of a service without a table counts as one that AWS fills.

    Args:
        key: such as ``aws:PrincipalTag/team``; case is ignored.
        filled: keys of services that the local cloud fills, as their tables write them.

    """
    name = _canonical(key)
    if name in _canonical_set(frozenset(filled) | FILLED_GLOBAL_KEYS):
        return Availability.FILLED
    return Availability.UNFILLED if _exists(name) else Availability.UNKNOWN


def unevaluated_keys(policy: Policy, *, filled: Iterable[str] = ()) -> list[UnevaluatedKey]:
    """The keys in conditions and variables of a policy that AWS would fill and we do not.

    To be shown before a deployment: a decision that depends on one of them may be another on AWS.

    Args:
        policy: the policy.
        filled: keys of services that the local cloud fills.

    """
    filled = frozenset(filled)
    return [
        UnevaluatedKey(key, policy.name, statement.name)
        for statement in policy.statements
        for key in sorted(keys_of(statement, policy.has_variables))
        if availability(key, filled=filled) is Availability.UNFILLED
    ]


def unknown_keys(policy: Policy) -> list[UnevaluatedKey]:
    """The keys of a policy that do not exist on AWS; they are absent in every request."""
    return [
        UnevaluatedKey(key, policy.name, statement.name)
        for statement in policy.statements
        for key in sorted(keys_of(statement, policy.has_variables))
        if availability(key) is Availability.UNKNOWN
    ]


def supports_key(action: reference.Action, key: str) -> bool:
    """Whether an action has a condition key, by itself or by one of its resource types."""
    table = reference.service(action.name.partition(":")[0])
    resources = table.resources if table else {}
    keys = {*action.keys, *(k for name in action.resources for k in resources[name].keys)}
    return _canonical(key) in _canonical_set(frozenset(keys))


def keys_of(statement: Statement, has_variables: bool) -> set[str]:
    """The condition keys that a statement uses, in lower case, those of its variables included."""
    keys = {condition.key for condition in statement.conditions}
    if has_variables:
        texts = [value for condition in statement.conditions for value in condition.values]
        texts += statement.resources.texts if statement.resources else ()
        keys |= {key for text in texts for key in variables.keys(text)}
    return keys


def _exists(canonical: str) -> bool:
    if canonical in _canonical_set(UNFILLED_GLOBAL_KEYS) or canonical.startswith(_FREE_PREFIXES):
        return True
    prefix = canonical.partition(":")[0]
    if prefix == "aws":
        return False
    table = reference.service(prefix)
    if table is None:
        # Another service's key, or that of an identity provider (``accounts.example.com:sub``).
        return True
    return canonical in _canonical_set(frozenset(_listed(table)))


def _listed(table: reference.Service) -> set[str]:
    keys = set(table.keys)
    for one in table.actions.values():
        keys |= set(one.keys)
    for resource in table.resources.values():
        keys |= set(resource.keys)
    return keys


@lru_cache(maxsize=64)
def _canonical_set(keys: frozenset[str]) -> frozenset[str]:
    return frozenset(_canonical(key) for key in keys)


def _canonical(key: str) -> str:
    """A key in lower case, with what names a tag or the like left out."""
    text = _TAGGED.sub("", key.lower())
    prefix, colon, rest = text.partition(":")
    name, slash, _ = rest.partition("/")
    if slash:
        return f"{prefix}{colon}{name}/"
    # kms:EncryptionContext:department, and oam:… of the like.
    first, second, _ = name.partition(":")
    return f"{prefix}{colon}{first}{second}"
