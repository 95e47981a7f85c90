"""Statements that nearly allowed a denied request."""

from __future__ import annotations

from typing import Any

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Policy,
    Request,
    ResourcePolicy,
    parse_policy,
    role_session,
)
from sageloop.local_cloud.access.policy.diagnosis import near_misses

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Reader"
WHO = role_session(ROLE, "s")


def policy(*statements: dict[str, Any], name: str = "p") -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, name=name)


def allow(sid: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource, **more}


def misses(*policies: Policy, **context: str) -> list[str]:
    request = Request(
        principal=WHO, action="s3:GetObject", resource="arn:aws:s3:::data/a", context=context
    )
    return near_misses(request, AppliedPolicies(identity=policies))


def test_condition_that_does_not_hold_is_shown_with_both_values() -> None:
    condition = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}

    assert misses(
        policy(allow("Through", Condition=condition)), **{"kms:ViaService": "sns.amazonaws.com"}
    ) == [
        "statement Through of p allows it only if kms:viaservice StringEquals "
        "s3.us-east-1.amazonaws.com (it is sns.amazonaws.com)"
    ]


def test_absent_key_is_shown_as_absent() -> None:
    condition = {"ForAnyValue:StringLikeIfExists": {"aws:TagKeys": "x"}}
    present = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}

    (text,) = misses(policy(allow("Endpoint", Condition=condition | present)))

    assert text.endswith("only if aws:sourcevpce StringEquals vpce-1 (it is absent)")


def test_statement_for_other_resources_is_shown_after_conditions() -> None:
    condition = {"Bool": {"aws:SecureTransport": "false"}}

    texts = misses(
        policy(allow("Other", "arn:aws:s3:::other/*"), allow("Plain", Condition=condition))
    )

    assert [text.split()[1] for text in texts] == ["Plain", "Other"]


def test_statement_for_another_principal_is_not_shown() -> None:
    other = allow("Foreign", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/Other"})
    mine = allow("Mine", "arn:aws:s3:::data/b", Principal={"AWS": ROLE})
    request = Request(principal=WHO, action="s3:GetObject", resource="arn:aws:s3:::data/a")
    applied = AppliedPolicies(
        resource=(ResourcePolicy(policy=policy(other, mine, name="bucket"), account=ACCOUNT),)
    )

    assert near_misses(request, applied) == [
        "statement Mine of bucket allows it for other resources (arn:aws:s3:::data/b)"
    ]


def test_other_actions_and_denials_are_not_shown() -> None:
    write = allow("Write") | {"Action": "s3:PutObject"}
    deny = allow("Deny", "arn:aws:s3:::other/*") | {"Effect": "Deny"}

    assert misses(policy(write, deny)) == []


def test_at_most_three_statements_are_shown() -> None:
    many = [allow(f"S{number}", f"arn:aws:s3:::bucket{number}/*") for number in range(5)]

    assert len(misses(policy(*many))) == 3
