"""The cost of an access decision: ten policies, conditions, variables, a resource policy."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from benchmarks.decided_calls import decided_calls
from benchmarks.figures import Figure
from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Policy,
    Request,
    ResourcePolicy,
    decide,
    parse_policy,
    role_session,
)

_ACCOUNT = "111122223333"
_ROLE = role_session(f"arn:aws:iam::{_ACCOUNT}:role/Trainer", "nightly", tags={"team": "blue"})
_OBJECT = "arn:aws:s3:::data-9/train/part-00001.csv"


def measure() -> list[Figure]:
    """The cost of one decision and of parsing one policy."""
    decision = _microseconds(_decisions(), 200)
    with decided_calls() as calls:
        call = _microseconds(calls, 300)
    return [
        Figure(name="access: all that a call requires, mean of seven operations",
               value=call / 1000, unit="ms", bound="<= 0.2 ms", holds=call <= 200),
        Figure(name="access: a decision with 10 policies and a bucket policy",
               value=decision / 1000, unit="ms", bound="<= 0.2 ms", holds=decision <= 200),
        Figure(name="access: reading a policy of 5 statements",
               value=_microseconds([lambda: parse_policy(_document(7))], 200) / 1000, unit="ms",
               bound="none", holds=True),
    ]  # fmt: skip


def _microseconds(calls: list[Any], rounds: int) -> float:
    """CPU time of one call in microseconds, the median of five measurements."""

    def once() -> float:
        started = time.process_time()
        for _ in range(rounds):
            for call in calls:
                call()
        return 1e6 * (time.process_time() - started) / (rounds * len(calls))

    once()
    return median(once() for _ in range(5))


def _decisions() -> list[Any]:
    applied = AppliedPolicies(
        identity=tuple(_policy(i) for i in range(9)),
        boundary=parse_policy(_statements(_allow("s3:*", "*"), _allow("sagemaker:*", "*"))),
        resource=(ResourcePolicy(policy=_bucket_policy(), account=_ACCOUNT),),
    )
    requests = [
        ("s3:GetObject", _OBJECT),
        ("s3:PutObject", "arn:aws:s3:::data-3/blue/model.tar.gz"),
        ("s3:DeleteObject", _OBJECT),
        ("sagemaker:CreateTrainingJob", "arn:aws:sagemaker:eu-west-1:1:training-job/x"),
    ]
    return [_request_of(action, resource, applied) for action, resource in requests]


def _request_of(action: str, resource: str, applied: AppliedPolicies) -> Any:
    context = {
        "aws:SecureTransport": True, "aws:SourceIp": "127.0.0.1", "s3:TlsVersion": 1.3,
        "aws:RequestedRegion": "eu-west-1", "aws:ResourceAccount": _ACCOUNT,
    }  # fmt: skip

    def call() -> None:
        # A new request each time, as the front end has.
        request = Request(principal=_ROLE, action=action, resource=resource, context=context)
        decide(request, applied)

    return call


def _policy(i: int) -> Policy:
    return parse_policy(_document(i), name=f"policy-{i}")


def _document(i: int) -> dict[str, Any]:
    return _statements(
        _allow(["s3:GetObject", "s3:List*"], [f"arn:aws:s3:::data-{i}*", f"arn:aws:s3:::b{i}"]),
        _allow("s3:PutObject", f"arn:aws:s3:::data-{i}/${{aws:PrincipalTag/team}}/*"),
        _allow("sagemaker:Describe*", f"arn:aws:sagemaker:*:*:training-job/job-{i}-*"),
        _allow("logs:*", "*", {"StringLike": {"aws:RequestedRegion": ["eu-*", "us-*"]}}),
        {
            "Effect": "Deny", "NotAction": ["iam:*", "s3:*", "sagemaker:*", "logs:*"],
            "Resource": "*", "Condition": {"StringNotEquals": {"aws:PrincipalTag/team": "blue"}},
        },
    )  # fmt: skip


def _bucket_policy() -> Policy:
    return parse_policy(
        _statements(
            {
                "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
            {
                "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
                "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
            },
        )
    )  # fmt: skip


def _statements(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(action: Any, resource: Any, condition: Any = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})
