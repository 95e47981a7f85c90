"""``iam:SimulatePrincipalPolicy``, which moto lacks and the SageMaker SDK calls before training.

Identity policies are evaluated as in IAM: an explicit deny overrides an allow, and the default is
deny. A statement with a condition does not apply, since the request has no context.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Any, Protocol

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.operations import Call

Statement = dict[str, Any]
_PRINCIPAL = "iam.amazonaws.com"
_NOT_SIMULATED = (
    "PolicyInputList", "PermissionsBoundaryPolicyInputList", "ResourcePolicy", "ContextEntries",
)  # fmt: skip


class Clients(Protocol):
    """Provides boto3 clients of a principal."""

    def client(self, service: str, *, principal: str) -> Any:
        """A client."""
        ...


class PolicySimulation:
    """Simulates the policies of roles."""

    def __init__(self, cloud: Clients) -> None:
        self._cloud = cloud

    def simulate_principal_policy(self, call: Call) -> dict[str, Any]:
        """One decision for each action and resource. Raises ``AwsError``."""
        params = call.params
        for member in _NOT_SIMULATED:
            if params.get(member):
                raise AwsError("NotImplemented", f"the local cloud does not simulate {member}", 501)
        statements = list(self._statements(params["PolicySourceArn"]))
        return {
            "EvaluationResults": [
                _result(statements, action, resource)
                for action in params["ActionNames"]
                for resource in params.get("ResourceArns", ["*"])
            ],
            "IsTruncated": False,
        }

    def _statements(self, arn: str) -> Iterator[Statement]:
        kind, _, path = arn.partition(":iam:")[2].split(":")[-1].partition("/")
        if kind != "role":
            raise AwsError(
                "InvalidInput",
                f"the local cloud simulates the policies of roles, got {arn}",
            )
        iam = self._cloud.client("iam", principal=_PRINCIPAL)
        try:
            yield from _of_role(iam, path.rsplit("/", 1)[-1])
        except ClientError as error:
            details = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise AwsError(details["Code"], details["Message"], status) from error


def decision(statements: list[Statement], action: str, resource: str) -> str:
    """``allowed``, ``explicitDeny`` or ``implicitDeny``."""
    effects = {s["Effect"] for s in statements if _concerns(s, action, resource)}
    if "Deny" in effects:
        return "explicitDeny"
    return "allowed" if "Allow" in effects else "implicitDeny"


def _result(statements: list[Statement], action: str, resource: str) -> dict[str, Any]:
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": decision(statements, action, resource),
        "MatchedStatements": [],
        "MissingContextValues": [],
    }


def _of_role(iam: Any, role: str) -> Iterator[Statement]:
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
        for name in page["PolicyNames"]:
            policy = iam.get_role_policy(RoleName=role, PolicyName=name)
            yield from _listed(policy["PolicyDocument"]["Statement"])
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role):
        for attached in page["AttachedPolicies"]:
            arn = attached["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            policy = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
            yield from _listed(policy["Document"]["Statement"])


def _concerns(statement: Statement, action: str, resource: str) -> bool:
    if statement.get("Condition"):
        return False
    lowered = action.lower()
    actions = [str(a).lower() for a in _listed(statement.get("Action", statement.get("NotAction")))]
    named = any(fnmatch.fnmatchcase(lowered, pattern) for pattern in actions)
    if named == ("Action" not in statement):
        return False
    resources = _listed(statement.get("Resource", statement.get("NotResource")))
    within = any(fnmatch.fnmatchcase(resource, str(pattern)) for pattern in resources)
    return within == ("Resource" in statement)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
