"""Which policies must allow, by principal, owner of the resource, and principal element."""

from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Decision,
    Effect,
    EndpointPolicy,
    Policy,
    PolicyKind,
    Principal,
    Request,
    ResourcePolicy,
    anonymous,
    decide,
    decide_all,
    federated_user,
    identity_provider,
    parse_policy,
    role_session,
    root,
    service,
    user,
)

ACCOUNT, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/jobs/Trainer"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/Trainer/nightly"
USER = f"arn:aws:iam::{ACCOUNT}:user/Ana"
FEDERATED = f"arn:aws:sts::{ACCOUNT}:federated-user/Ana"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
OBJECT = "arn:aws:s3:::data/a"

trainer = role_session(ROLE, "nightly", role_id="AROATRAINER")
ana = user(USER, user_id="AIDAANA")
federated = federated_user(FEDERATED, USER)


def allow(principal: Any = None, **more: Any) -> Policy:
    return statement("Allow", principal, **more)


def deny(principal: Any = None, **more: Any) -> Policy:
    return statement("Deny", principal, **more)


def statement(effect: str, principal: Any = None, **more: Any) -> Policy:
    body = {"Effect": effect, "Action": "s3:*", "Resource": "*"} | more
    if principal is not None:
        body["Principal"] = principal
    return parse_policy({"Version": "2012-10-17", "Statement": [body]}, name=effect)


def aws(*arns: str) -> dict[str, Any]:
    return {"AWS": list(arns)}


def bucket(policy: Policy, owner: str = ACCOUNT) -> tuple[ResourcePolicy, ...]:
    return (ResourcePolicy(policy=policy, account=owner),)


def key(policy: Policy, owner: str = ACCOUNT) -> tuple[ResourcePolicy, ...]:
    return (ResourcePolicy(policy=policy, account=owner, must_allow=True),)


def get(who: Principal = trainer, **policies: Any) -> Decision:
    request = Request(principal=who, action="s3:GetObject", resource=OBJECT)
    return decide(request, AppliedPolicies(**policies))


nothing = parse_policy({"Version": "2012-10-17", "Statement": []}, name="nothing")
everything = (allow(),)


def test_nothing_is_allowed_without_a_policy() -> None:
    assert get().effect is Effect.IMPLICIT_DENY


def test_identity_policy_allows() -> None:
    assert get(identity=everything).allowed


def test_root_user_is_allowed_without_a_policy() -> None:
    assert get(root(ACCOUNT)).allowed


def test_root_user_obeys_a_denial_of_the_resource() -> None:
    assert get(root(ACCOUNT), resource=bucket(deny("*"))).effect is Effect.EXPLICIT_DENY


def test_root_user_of_another_account_needs_only_the_resources_policy() -> None:
    assert not get(root(ACCOUNT), resource=bucket(nothing, OTHER)).allowed
    assert get(root(ACCOUNT), resource=bucket(allow(aws(ROOT)), OTHER)).allowed


@pytest.mark.parametrize(
    "where",
    [
        {"identity": (*everything, deny())},
        {"identity": everything, "boundary": deny()},
        {"identity": everything, "session": (*everything, deny())},
        {"identity": everything, "resource": bucket(deny("*"))},
        {"identity": everything, "endpoint": EndpointPolicy(policy=deny("*"))},
    ],
)
def test_explicit_deny_anywhere_denies(where: dict[str, Any]) -> None:
    where = {"boundary": allow(), **where} if "boundary" not in where else where
    assert get(**where).effect is Effect.EXPLICIT_DENY


@pytest.mark.parametrize(
    ("principal", "limited_by_boundary", "limited_by_session"),
    [
        (aws(ROLE), True, True),
        (aws("AROATRAINER"), True, True),
        (aws(SESSION), False, False),
        ("*", False, False),
        (aws("*"), False, False),
    ],
)
def test_resource_policy_is_limited_where_it_names_the_role(
    principal: Any, limited_by_boundary: bool, limited_by_session: bool
) -> None:
    allowed = bucket(allow(principal))
    assert get(resource=allowed).allowed
    assert get(resource=allowed, boundary=nothing).allowed is not limited_by_boundary
    assert get(resource=allowed, session=(nothing,)).allowed is not limited_by_session


@pytest.mark.parametrize("principal", [aws(USER), aws("AIDAANA")])
def test_resource_policy_that_names_a_user_is_not_limited_by_a_boundary(principal: Any) -> None:
    assert get(ana, resource=bucket(allow(principal)), boundary=nothing).allowed


@pytest.mark.parametrize("named", [ACCOUNT, ROOT])
def test_resource_policy_that_names_the_own_account_leaves_it_to_identity_policies(
    named: str,
) -> None:
    allowed = bucket(allow(aws(named)))
    assert not get(resource=allowed).allowed
    assert get(resource=allowed, identity=everything).allowed


def test_federated_user_needs_a_session_policy() -> None:
    assert get(federated, identity=everything).kind is PolicyKind.SESSION


def test_federated_user_has_what_user_and_session_both_allow() -> None:
    assert get(federated, identity=everything, session=everything).allowed


def test_resource_policy_that_names_the_federated_session_is_not_limited() -> None:
    assert get(federated, resource=bucket(allow(aws(FEDERATED))), session=(nothing,)).allowed


def test_resource_policy_that_names_the_federated_users_user_is_limited_by_the_session() -> None:
    allowed = bucket(allow(aws(USER)))
    assert get(federated, resource=allowed, session=everything).allowed
    assert not get(federated, resource=allowed, session=(nothing,)).allowed


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ({"boundary": nothing}, PolicyKind.BOUNDARY),
        ({"session": (nothing,)}, PolicyKind.SESSION),
        ({"endpoint": EndpointPolicy(policy=nothing)}, PolicyKind.ENDPOINT),
    ],
)
def test_limiting_policy_without_an_allow_denies(limits: dict[str, Any], kind: PolicyKind) -> None:
    decision = get(identity=everything, **limits)
    assert (decision.effect, decision.kind) == (Effect.IMPLICIT_DENY, kind)


def test_one_of_several_session_policies_is_enough() -> None:
    assert get(identity=everything, session=(nothing, allow())).allowed


def test_limiting_policies_grant_nothing_by_themselves() -> None:
    endpoint = EndpointPolicy(policy=allow("*"))
    assert not get(boundary=allow(), session=everything, endpoint=endpoint).allowed


@pytest.mark.parametrize("principal", [aws(ROLE), aws(SESSION), aws(ACCOUNT), aws(ROOT), "*"])
def test_cross_account_needs_both_sides(principal: Any) -> None:
    allowed = bucket(allow(principal), OTHER)
    assert get(resource=allowed).kind is PolicyKind.IDENTITY
    assert get(resource=allowed, identity=everything).allowed
    assert get(resource=bucket(nothing, OTHER), identity=everything).kind is PolicyKind.RESOURCE


def test_cross_account_is_limited_by_the_boundary_even_if_the_session_is_named() -> None:
    allowed = bucket(allow(aws(SESSION)), OTHER)
    assert not get(resource=allowed, identity=everything, boundary=nothing).allowed


def test_cross_account_without_a_resource_policy_is_denied() -> None:
    assert not get(identity=everything, account=OTHER).allowed


def test_key_policy_must_allow() -> None:
    decision = get(identity=everything, resource=key(nothing))
    assert (decision.allowed, decision.kind) == (False, PolicyKind.RESOURCE)


def test_key_policy_that_names_the_account_lets_identity_policies_decide() -> None:
    assert get(identity=everything, resource=key(allow(aws(ROOT)))).allowed
    assert not get(resource=key(allow(aws(ROOT)))).allowed


def test_key_policy_that_names_the_role_is_enough() -> None:
    assert get(resource=key(allow(aws(ROLE)))).allowed


def test_key_policy_shuts_out_the_root_user_whom_it_does_not_name() -> None:
    assert not get(root(ACCOUNT), resource=key(allow(aws(ROLE)))).allowed
    assert get(root(ACCOUNT), resource=key(allow(aws(ROOT)))).allowed


def test_grant_beside_the_key_policy_is_enough() -> None:
    grant = ResourcePolicy(policy=allow(aws(ROLE)), account=ACCOUNT, must_allow=True)
    assert get(resource=(*key(nothing), grant)).allowed


def test_services_need_the_resources_policy() -> None:
    events = service("events.amazonaws.com")
    assert not get(events, resource=bucket(nothing)).allowed
    assert get(events, resource=bucket(allow({"Service": "events.amazonaws.com"}))).allowed
    assert not get(events, resource=bucket(allow({"Service": "sns.amazonaws.com"}))).allowed


def test_regional_service_principal_is_another_one() -> None:
    regional = bucket(allow({"Service": "logs.eu-west-1.amazonaws.com"}))
    assert get(service("logs.eu-west-1.amazonaws.com"), resource=regional).allowed
    assert not get(service("logs.amazonaws.com"), resource=regional).allowed


def test_anonymous_requests_need_everybody_to_be_allowed() -> None:
    assert get(anonymous(), resource=bucket(allow("*"))).allowed
    assert not get(anonymous(), resource=bucket(allow(aws(ACCOUNT)))).allowed
    assert not get(anonymous(), identity=everything).allowed


def test_identity_provider_is_named_as_federated() -> None:
    provider = identity_provider("accounts.google.com")
    trust = ResourcePolicy(
        policy=allow({"Federated": "accounts.google.com"}), account=ACCOUNT, trust=True
    )
    assert get(provider, resource=(trust,)).allowed
    assert not get(identity_provider("www.amazon.com"), resource=(trust,)).allowed


def test_canonical_user_names_the_account() -> None:
    who = Principal(kind=ana.kind, arn=USER, account=ACCOUNT, canonical_user_id="79a5")
    allowed = bucket(allow({"CanonicalUser": "79a5"}))
    assert get(who, resource=allowed, identity=everything).allowed
    denied = bucket(deny({"CanonicalUser": "79a5"}))
    assert get(ana, resource=denied).effect is Effect.IMPLICIT_DENY
    assert get(who, resource=denied).effect is Effect.EXPLICIT_DENY


def test_gateway_endpoint_takes_an_account_for_its_root_user() -> None:
    policy = allow(aws(ACCOUNT))
    gateway = EndpointPolicy(policy=policy, gateway=True)
    assert not get(identity=everything, endpoint=gateway).allowed
    assert get(root(ACCOUNT), endpoint=gateway).allowed
    assert get(identity=everything, endpoint=EndpointPolicy(policy=policy)).allowed


@pytest.mark.parametrize("principal", [aws(ROLE), aws(SESSION), aws(ACCOUNT), aws(ROOT), "*"])
def test_denial_covers_whom_it_names_in_any_way(principal: Any) -> None:
    assert get(identity=everything, resource=bucket(deny(principal))).effect is Effect.EXPLICIT_DENY


@pytest.mark.parametrize(
    ("spared", "denied"),
    [
        ([SESSION, ROLE, ROOT], False),
        ([SESSION, ROLE, ACCOUNT], False),
        ([SESSION, ROLE], True),
        ([ROLE, ROOT], True),
        ([SESSION, ROOT], True),
    ],
)
def test_denial_of_others_spares_a_session_with_role_and_account(
    spared: list[str], denied: bool
) -> None:
    policy = parse_policy(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Deny", "NotPrincipal": aws(*spared), "Action": "*", "Resource": "*",
            },
        }
    )  # fmt: skip
    assert get(identity=everything, resource=bucket(policy)).allowed is not denied


def test_allow_of_others_leaves_out_whom_it_names() -> None:
    others = {"Effect": "Allow", "NotPrincipal": aws(USER), "Action": "*", "Resource": "*"}
    policy = bucket(parse_policy({"Version": "2012-10-17", "Statement": others}))
    assert not get(ana, resource=policy).allowed
    assert get(resource=policy).allowed


def test_decision_names_policy_and_statement() -> None:
    decision = get(identity=(nothing, allow(Sid="Read")))
    assert decision.source == "Allow Read"


def test_one_denied_request_ends_the_call() -> None:
    request = Request(principal=trainer, action="s3:GetObject", resource=OBJECT)
    denied, allowed = AppliedPolicies(), AppliedPolicies(identity=everything)
    decisions = decide_all([(request, allowed), (request, denied), (request, allowed)])
    assert [decision.allowed for decision in decisions] == [True, False]


@pytest.mark.parametrize(
    ("policies", "ending"),
    [
        ({}, "because no identity-based policy allows the s3:GetObject action"),
        ({"identity": (deny(),)}, "with an explicit deny in an identity-based policy"),
        (
            {"identity": everything, "boundary": nothing},
            "because no permissions boundary allows the s3:GetObject action",
        ),
        ({"boundary": deny()}, "with an explicit deny in a permissions boundary"),
        ({"resource": bucket(deny("*"))}, "with an explicit deny in a resource-based policy"),
        (
            {"endpoint": EndpointPolicy(policy=nothing)},
            "because no VPC endpoint policy allows the s3:GetObject action",
        ),
        (
            {
                "resource": (
                    ResourcePolicy(policy=nothing, account=ACCOUNT, must_allow=True, trust=True),
                )
            },
            "because no role trust policy allows the s3:GetObject action",
        ),
        (
            {"resource": (ResourcePolicy(policy=deny("*"), account=ACCOUNT, trust=True),)},
            "with an explicit deny in the role trust policy",
        ),
    ],
)
def test_denial_has_the_message_of_aws(policies: dict[str, Any], ending: str) -> None:
    decision = get(**policies)
    start = f"User: {SESSION} is not authorized to perform: s3:GetObject on resource: "
    assert decision.message == f"{start}{OBJECT} {ending}"
    assert decision.s3_message == f'{start}"{OBJECT}" {ending}'
