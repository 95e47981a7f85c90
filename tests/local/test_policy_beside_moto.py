"""Decisions compared with moto's, for allows and denials by action and resource.

Moto evaluates identity-based policies without NotResource, variables and ``?``; it treats dots in a
pattern as wildcards, compares actions case-sensitively, and stops at the first statement that
denies. It supports conditions in part. So the policies have none of these, and each decision must
be equal.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.iam.access_control import IAMPolicy, PermissionResult

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Effect,
    Request,
    decide,
    parse_policy,
    user,
)

ANA = user("arn:aws:iam::111122223333:user/Ana")
ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "sqs:SendMessage"]
PATTERNS = [*ACTIONS, "*", "s3:*", "s3:Get*", "s3:*Object", "*:*Message"]
RESOURCES = ["arn:aws:s3:::b", "arn:aws:s3:::b/x", "arn:aws:s3:::b/x/y", "arn:aws:s3:::c"]
RESOURCE_PATTERNS = [*RESOURCES, "*", "arn:aws:s3:::b*", "arn:aws:s3:::b/*", "arn:aws:s3:::*/y"]


def several(choices: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(choices), min_size=1, max_size=3)


statement = st.builds(
    lambda effect, element, actions, resources: {
        "Effect": effect, element: actions, "Resource": resources,
    },
    st.sampled_from(["Allow", "Allow", "Deny"]),
    st.sampled_from(["Action", "Action", "NotAction"]),
    several(PATTERNS),
    several(RESOURCE_PATTERNS),
)  # fmt: skip
OURS = {
    PermissionResult.PERMITTED: Effect.ALLOWED,
    PermissionResult.DENIED: Effect.EXPLICIT_DENY,
    PermissionResult.NEUTRAL: Effect.IMPLICIT_DENY,
}


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(st.lists(statement, min_size=1, max_size=4), st.sampled_from(ACTIONS),
       st.sampled_from(RESOURCES))  # fmt: skip
def test_decision_is_the_one_of_moto_on_what_both_evaluate(
    statements: list[object], action: str, resource: str
) -> None:
    document = {"Version": "2012-10-17", "Statement": statements}
    beside = IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)
    request = Request(principal=ANA, action=action, resource=resource)
    decision = decide(request, AppliedPolicies(identity=(parse_policy(document),)))
    assert decision.effect is OURS[beside]
