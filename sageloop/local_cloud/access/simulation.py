"""``iam:SimulatePrincipalPolicy`` and ``iam:SimulateCustomPolicy``, by the policy evaluator.

The SageMaker Python SDK simulates the policies of a role before it trains. One result is returned
for each action and resource. Its matched statement is the one that decided, without its position
in the document; how IAM names inline policies of users, groups and roles (``role_NAME_POLICY``
here) is not documented. ``EvalDecisionDetails`` are not returned.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.access.caller import account_user
from sageloop.local_cloud.access.enforcement.documents import default_version
from sageloop.local_cloud.access.parts import IamState
from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Decision,
    Policy,
    PolicyError,
    Principal,
    Request,
    ResourcePolicy,
    decide,
    parse_policy,
    role_session,
    user,
)
from sageloop.local_cloud.access.policy.context_keys import keys_of
from sageloop.local_cloud.core.errors import AwsError

if TYPE_CHECKING:
    from sageloop.local_cloud.core.operations import Call

_REFUSED = ("PolicyExclusionList", "OrderedOrganizationPolicyInputList")
_PAGE = 100
# Types of the values of context entries that are lists.
_LISTS = "List"


@dataclass(frozen=True, slots=True)
class Simulation:
    """The policies of a simulation, and how its results name them.

    Arguments:
        principal: The simulated principal.
        policies: The policies that apply.
        types: ``SourcePolicyType`` by the name of a policy.

    """

    principal: Principal
    policies: AppliedPolicies
    types: Mapping[str, str]


class PolicySimulation:
    """Simulates policies of users, groups and roles, and policies of a request."""

    def __init__(self, iam: IamState) -> None:
        self._iam = iam

    def simulate_principal_policy(self, call: Call) -> dict[str, Any]:
        """Simulate the policies of a user, group or role. Raises ``AwsError``."""
        _check(call)
        arn = str(call.params["PolicySourceArn"])
        kind, entity = self._entity(arn)
        types = dict[str, str]()
        identity = tuple(self._identity(kind, entity, types))
        boundary = self._boundary(entity)
        principal = _principal(call, kind, arn)
        return _results(call, self._with_inputs(
            call, Simulation(principal, AppliedPolicies(identity=identity, boundary=boundary),
                             types)
        ))  # fmt: skip

    def simulate_custom_policy(self, call: Call) -> dict[str, Any]:
        """Simulate policies that the request contains. Raises ``AwsError``."""
        _check(call)
        principal = _principal(call, "", "")
        return _results(call, self._with_inputs(call, Simulation(principal, AppliedPolicies(), {})))

    def _entity(self, arn: str) -> tuple[str, Any]:
        resource = (arn.split(":", 5) + [""] * 5)[5]
        kind, _, path = resource.partition("/")
        name = path.rsplit("/", 1)[-1]
        if kind == "role":
            entity = self._iam.iam_role(arn)
        elif kind == "user":
            entity = self._iam.iam_user(arn)
        elif kind == "group":
            entity = self._iam.iam().groups.get(name)
        else:
            raise AwsError(
                "InvalidInput", f"PolicySourceArn must be of a user, group or role, got {arn}"
            )
        if entity is None:
            raise AwsError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
        return kind, entity

    def _identity(self, kind: str, entity: Any, types: dict[str, str]) -> Iterator[Policy]:
        entities = [(kind, entity)]
        if kind == "user":
            groups = self._iam.iam().get_groups_for_user(entity.name)
            entities += [("group", group) for group in groups]
        for type_, one in entities:
            for name, document in list(one.policies.items()):
                source = f"{type_}_{one.name}_{name}"
                types[source] = type_
                yield parse_policy(document, name=source)
            for policy in list(one.managed_policies.values()):
                ours = ":iam::aws:" not in str(policy.arn)
                types[str(policy.name)] = "user-managed" if ours else "aws-managed"
                yield parse_policy(default_version(policy), name=str(policy.name))

    def _boundary(self, entity: Any) -> Policy | None:
        arn = getattr(entity, "permissions_boundary_arn", None)
        policy = self._iam.iam().managed_policies.get(arn) if arn else None
        return (
            None if policy is None else parse_policy(default_version(policy), name=str(policy.name))
        )

    def _with_inputs(self, call: Call, simulation: Simulation) -> Simulation:
        """The simulation with the policies of the request."""
        params, known = call.params, simulation.policies
        inputs = tuple(_listed(params, "PolicyInputList"))
        bounds = tuple(_listed(params, "PermissionsBoundaryPolicyInputList"))
        owner = str(params.get("ResourceOwner", "")).split(":")
        account = owner[4] if len(owner) > 4 else simulation.principal.account
        text = params.get("ResourcePolicy")
        resource = () if text is None else (
            ResourcePolicy(policy=_parsed(text, "ResourcePolicy"), account=account),
        )  # fmt: skip
        types = {policy.name: "none" for policy in (*inputs, *bounds)} | {
            "ResourcePolicy": "resource"
        }
        policies = replace(
            known, identity=known.identity + inputs, resource=resource, account=account,
            boundary=bounds[0] if bounds else known.boundary,
        )  # fmt: skip
        return replace(simulation, policies=policies, types={**simulation.types, **types})


def _check(call: Call) -> None:
    for member in _REFUSED:
        if call.params.get(member):
            raise AwsError("NotImplemented", f"the local cloud does not simulate {member}", 501)
    for action in call.params["ActionNames"]:
        if ":" not in action:
            raise AwsError("InvalidInput", f"ActionNames must be service:action, got {action}")
    if call.params.get("ResourcePolicy") and not _calling_user(call):
        raise AwsError(
            "InvalidInput", "CallerArn, the ARN of a user, is required with ResourcePolicy."
        )


def _calling_user(call: Call) -> str:
    arn = str(call.params.get("CallerArn") or call.params.get("PolicySourceArn", ""))
    return arn if ":user/" in arn else ""


def _principal(call: Call, kind: str, source: str) -> Principal:
    caller = str(call.params.get("CallerArn") or "")
    if caller and ":user/" not in caller:
        raise AwsError("InvalidInput", f"CallerArn must be the ARN of a user, got {caller}")
    if caller or kind == "user":
        return user(caller or source)
    if kind == "role":
        return role_session(source, "simulation")
    return user(account_user(call.account_id).arn)


def _results(call: Call, simulation: Simulation) -> dict[str, Any]:
    params = call.params
    context = dict(_context(params.get("ContextEntries") or ()))
    requests = [
        Request(principal=simulation.principal, action=action, resource=resource, context=context)
        for action in params["ActionNames"]
        for resource in params.get("ResourceArns") or ["*"]
    ]
    marker = str(params.get("Marker") or "0")
    if not marker.isdecimal():
        raise AwsError("InvalidInput", f"Marker must be from a former response, got {marker}")
    start = int(marker)
    end = start + int(params.get("MaxItems") or _PAGE)
    more = {"Marker": str(end)} if end < len(requests) else {}
    shown = [_result(request, simulation) for request in requests[start:end]]
    return {"EvaluationResults": shown, "IsTruncated": end < len(requests), **more}


def _result(request: Request, simulation: Simulation) -> dict[str, Any]:
    decision = decide(request, simulation.policies)
    result: dict[str, Any] = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": decision.effect.value,
        "MatchedStatements": list(_matched(decision, simulation.types)),
        "MissingContextValues": _missing(request, simulation.policies),
    }
    boundary = simulation.policies.boundary
    if boundary is not None:
        allowed = decide(request, AppliedPolicies(identity=(boundary,))).allowed
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    return result


def _matched(decision: Decision, types: Mapping[str, str]) -> Iterator[dict[str, str]]:
    if decision.policy is not None:
        name = decision.policy.name
        yield {"SourcePolicyId": name, "SourcePolicyType": types.get(name, "none")}


def _missing(request: Request, policies: AppliedPolicies) -> list[str]:
    """The keys that statements about the action use and the request does not have."""
    keys = {
        key
        for policy in policies
        for statement in policy.about(request.action.lower())
        for key in keys_of(statement, policy.has_variables)
    }
    return sorted(keys - set(request.values))


def _context(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for entry in entries:
        values = [str(value) for value in entry.get("ContextKeyValues") or ()]
        several = str(entry.get("ContextKeyType", "")).endswith(_LISTS)
        yield str(entry.get("ContextKeyName", "")), values if several else values[:1]


def _listed(params: Mapping[str, Any], member: str) -> Iterator[Policy]:
    for number, text in enumerate(params.get(member) or (), 1):
        yield _parsed(text, f"{member}.{number}")


def _parsed(text: str, name: str) -> Policy:
    try:
        return parse_policy(text, name=name)
    except PolicyError as error:
        raise AwsError("InvalidInput", f"Invalid {name}: {error}") from error
