"""Whether a bucket policy is public, by the rules of S3's block public access.

The rules are those of "The meaning of 'public'" in the Amazon S3 User Guide: a policy is public
unless each of its Allow statements is restricted to fixed values.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from sageloop.local_cloud.access.policy.conditions import Condition, SetOperator
from sageloop.local_cloud.access.policy.document import Policy
from sageloop.local_cloud.access.policy.statements import Statement

_EVERYBODY = "*"
_FIXING = frozenset({
    "StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "IpAddress",
})  # fmt: skip
_KEYS = frozenset({
    "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:sourceaccount",
    "aws:sourcearn", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce", "aws:userid",
    "s3:dataaccesspointaccount", "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
})  # fmt: skip
_ACCESS_POINT = "s3:dataaccesspointarn"
_SOURCE_IP = "aws:sourceip"
_WIDEST = {4: 8, 6: 32}


def is_public(policy: Policy) -> bool:
    """Whether a bucket policy is public.

    Example:
        >>> from sageloop.local_cloud.access.policy import parse_policy
        >>> statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
        >>> is_public(parse_policy({"Statement": statement}))
        True

    """
    return any(one.allows and _grants_to_anybody(one) for one in policy.statements)


def _grants_to_anybody(statement: Statement) -> bool:
    principals = statement.principals
    if principals is not None and not principals.negated:
        names = principals.names
        if _EVERYBODY not in names.get("AWS", ()) and "Federated" not in names:
            return False
    return not any(_fixes(condition) for condition in statement.conditions)


def _fixes(condition: Condition) -> bool:
    """Whether a condition allows only fixed values."""
    operator = condition.operator
    if operator.name not in _FIXING or operator.if_exists:
        return False
    if operator.set_operator is SetOperator.ALL:
        return False  # It holds where the key is absent.
    if condition.key == _SOURCE_IP:
        return all(_is_narrow(value) for value in condition.values)
    return condition.key in _KEYS and all(
        _is_fixed(condition.key, value) for value in condition.values
    )


def _is_fixed(key: str, value: str) -> bool:
    if key == _ACCESS_POINT:
        # The name of the access point may be any, its account may not.
        value = ":".join(value.split(":")[:5])
    return bool(value) and not any(character in value for character in ("*", "?", "${"))


def _is_narrow(value: str) -> bool:
    try:
        network: IPv4Network | IPv6Network = ip_network(value, strict=False)
    except ValueError:
        return False
    return network.is_private or network.prefixlen >= _WIDEST[network.version]
