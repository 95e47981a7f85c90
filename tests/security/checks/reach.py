"""Checks that functions in the VPC reach every service in their role's policies.

A private network has its endpoints only. A function whose role allows a service that its network
does not reach hangs until its time-out, which only a deployment shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.security.checks.flatten import Template, as_list
from tests.security.checks.wiring import CombinedStacks

# IAM prefixes against the names of endpoint services (the part after the region).
_ENDPOINTS = {
    "application-autoscaling": {"application-autoscaling"},
    "cloudformation": {"cloudformation"},
    "cloudwatch": {"monitoring"},
    "dynamodb": {"dynamodb"},
    "ec2": {"ec2"},
    "ecr": {"ecr.api", "ecr.dkr"},
    "events": {"events"},
    "kms": {"kms"},
    "lambda": {"lambda"},
    "logs": {"logs"},
    "s3": {"s3"},
    "sagemaker": {"sagemaker.api"},
    "sns": {"sns"},
    "sqs": {"sqs"},
    "ssm": {"ssm"},
    "sts": {"sts"},
}
# Reached by the service on the function's behalf, not by the function's code.
_NOT_CALLED = frozenset(
    ("iam", "xray", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
     "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses")
)  # fmt: skip
_RUNTIME_ACTION = "sagemaker:InvokeEndpoint"


def findings(templates: Mapping[str, Template]) -> list[str]:
    """Messages for every function with a service that it may call but cannot reach."""
    combined = CombinedStacks(templates)
    existing = _endpoints(combined)
    result = []
    for name, function in combined.of("AWS::Lambda::Function"):
        if not function.get("VpcConfig"):
            continue
        for action in sorted(_actions(combined, name, function)):
            for needed in _needed(action):
                if needed not in existing:
                    result.append(f"{name}: {action} needs an endpoint for {needed}")
    return sorted(result)


def _endpoints(combined: CombinedStacks) -> set[str]:
    names = (str(p.get("ServiceName", "")) for _, p in combined.of("AWS::EC2::VPCEndpoint"))
    return {name.split(".", 3)[-1] for name in names}


def _needed(action: str) -> set[str]:
    prefix = action.split(":", maxsplit=1)[0]
    if prefix in _NOT_CALLED or action in _NOT_CALLED:
        return set()
    if action == _RUNTIME_ACTION:
        return {"sagemaker.runtime"}
    return _ENDPOINTS.get(prefix, {prefix})


def _actions(combined: CombinedStacks, name: str, function: Mapping[str, Any]) -> set[str]:
    role = combined.named(function["Role"], name)
    if role is None:
        return set()
    statements: list[Any] = []
    for inline in as_list(combined.flat[role].get("Policies")):
        statements += as_list(inline["PolicyDocument"]["Statement"])
    attached = {
        combined.named(a, role) for a in as_list(combined.flat[role].get("ManagedPolicyArns"))
    }
    for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        for policy, held in combined.of(kind):
            roles = [combined.named(r, policy) for r in as_list(held.get("Roles"))]
            if role in roles or policy in attached:
                statements += as_list(held["PolicyDocument"]["Statement"])
    return {a for s in statements if s["Effect"] == "Allow" for a in as_list(s.get("Action"))}
