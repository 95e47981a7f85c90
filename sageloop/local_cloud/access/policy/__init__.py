"""AWS's policy language: documents, requests and decisions. No state, no network, no clock."""

from sageloop.local_cloud.access.policy.decision import Decision, Effect, PolicyKind
from sageloop.local_cloud.access.policy.document import Policy, parse_policy
from sageloop.local_cloud.access.policy.errors import PolicyError
from sageloop.local_cloud.access.policy.evaluation import decide, decide_all
from sageloop.local_cloud.access.policy.principals import (
    Principal,
    PrincipalKind,
    anonymous,
    federated_user,
    identity_provider,
    role_session,
    root,
    service,
    user,
)
from sageloop.local_cloud.access.policy.request import (
    AppliedPolicies,
    EndpointPolicy,
    Request,
    ResourcePolicy,
)

__all__ = [
    "AppliedPolicies",
    "Decision",
    "Effect",
    "EndpointPolicy",
    "Policy",
    "PolicyError",
    "PolicyKind",
    "Principal",
    "PrincipalKind",
    "Request",
    "ResourcePolicy",
    "anonymous",
    "decide",
    "decide_all",
    "federated_user",
    "identity_provider",
    "parse_policy",
    "role_session",
    "root",
    "service",
    "user",
]
