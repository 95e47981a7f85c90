"""Laws of policy evaluation: effect of added statements and of order."""

from __future__ import annotations

import fnmatch
import re
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    Effect,
    EndpointPolicy,
    Request,
    ResourcePolicy,
    anonymous,
    decide,
    federated_user,
    parse_policy,
    patterns,
    role_session,
    root,
    service,
    user,
)

A, B = "111122223333", "444455556666"
PRINCIPALS = [
    user(f"arn:aws:iam::{A}:user/Ana"),
    user(f"arn:aws:iam::{B}:user/Ana"),
    role_session(f"arn:aws:iam::{A}:role/R", "s"),
    federated_user(f"arn:aws:sts::{A}:federated-user/F", f"arn:aws:iam::{A}:user/Ana"),
    root(A),
    service("events.amazonaws.com"),
    anonymous(),
]
NAMED = ["*", A, B, f"arn:aws:iam::{A}:role/R", f"arn:aws:iam::{A}:user/Ana",
         f"arn:aws:sts::{A}:assumed-role/R/s"]  # fmt: skip

ACTIONS = ["*", "s3:*", "s3:Get*", "s3:GetObject", "s3:?utObject", "sqs:SendMessage"]
RESOURCES = [
    "*", "arn:aws:s3:::b", "arn:aws:s3:::b/*", "arn:aws:s3:::*", "arn:aws:s3:::${aws:username}",
]  # fmt: skip
OPERATORS = [
    "StringEquals", "StringNotEquals", "StringLike", "ForAllValues:StringEquals",
    "ForAnyValue:StringNotLike", "StringEqualsIfExists", "Null", "NumericLessThan",
]  # fmt: skip
VALUES = ["a", "b", "*", "true", "1", "${aws:username}"]
KEYS = ["t:k", "t:l", "aws:username"]


def pool(size: int, *, named: bool) -> list[Any]:
    """Statements of many forms. Drawing whole statements is ten times faster than drawing parts."""
    random = Random(7)

    def one() -> Any:
        body: dict[str, Any] = {
            random.choice(["Action", "Action", "NotAction"]): random.choice(ACTIONS),
            random.choice(["Resource", "Resource", "NotResource"]): random.choice(RESOURCES),
            "Condition": {
                random.choice(OPERATORS): {random.choice(KEYS): random.sample(VALUES, 2)}
                for _ in range(random.choice([0, 0, 1, 2]))
            },
        }
        if named:
            listed = random.sample(NAMED, random.choice([1, 2, 3]))
            body[random.choice(["Principal", "Principal", "NotPrincipal"])] = {"AWS": listed}
        return body

    return [one() for _ in range(size)]


UNNAMED_POOL, NAMED_POOL = pool(300, named=False), pool(300, named=True)
contexts = st.dictionaries(
    st.sampled_from(["t:k", "t:l"]), st.lists(st.sampled_from(["a", "b", "", "1"]), max_size=2)
)


def statements(effect: str | None = None, *, named: bool = False) -> st.SearchStrategy[Any]:
    effects = [effect] if effect else ["Allow", "Allow", "Deny"]
    return st.builds(
        lambda body, effect: body | {"Effect": effect},
        st.sampled_from(NAMED_POOL if named else UNNAMED_POOL),
        st.sampled_from(effects),
    )


def documents(*, named: bool = False) -> st.SearchStrategy[list[Any]]:
    return st.lists(statements(named=named), max_size=2)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


situations = st.fixed_dictionaries(
    {
        "identity": st.lists(documents(), max_size=2),
        "boundary": maybe(documents()),
        "session": st.lists(documents(), max_size=2),
        "resource": st.lists(documents(named=True), max_size=2),
        "must_allow": st.booleans(),
        "endpoint": maybe(documents(named=True)),
    }
)
requests = st.builds(
    Request,
    principal=st.sampled_from(PRINCIPALS),
    action=st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]),
    resource=st.sampled_from(["arn:aws:s3:::b", "arn:aws:s3:::b/x", "arn:aws:s3:::Ana", "*"]),
    context=contexts,
)


def policy(listed: list[Any]) -> Any:
    return parse_policy({"Version": "2012-10-17", "Statement": listed})


def applied(situation: dict[str, Any]) -> AppliedPolicies:
    endpoint, boundary = situation["endpoint"], situation["boundary"]
    return AppliedPolicies(
        identity=tuple(policy(one) for one in situation["identity"]),
        boundary=None if boundary is None else policy(boundary),
        session=tuple(policy(one) for one in situation["session"]),
        resource=tuple(
            ResourcePolicy(policy=policy(one), account=A, must_allow=situation["must_allow"])
            for one in situation["resource"]
        ),
        account=A,
        endpoint=None if endpoint is None else EndpointPolicy(policy=policy(endpoint)),
    )


def effect(request: Request, situation: dict[str, Any]) -> Effect:
    return decide(request, applied(situation)).effect


@settings(max_examples=100, deadline=None)
@given(requests, situations, statements(effect="Allow"))
def test_adding_an_allow_denies_nothing(request: Request, situation: Any, more: Any) -> None:
    if decide(request, applied(situation)).allowed:
        identity = [*situation["identity"], [more]]
        assert decide(request, applied(situation | {"identity": identity})).allowed


@settings(max_examples=100, deadline=None)
@given(requests, situations, statements(effect="Allow", named=True))
def test_adding_an_allow_to_the_resources_policy_denies_nothing(
    request: Request, situation: Any, more: Any
) -> None:
    if situation["resource"] and decide(request, applied(situation)).allowed:
        first, *others = situation["resource"]
        changed = situation | {"resource": [[*first, more], *others]}
        assert decide(request, applied(changed)).allowed


@settings(max_examples=100, deadline=None)
@given(requests, situations, statements(effect="Deny"), st.sampled_from(["identity", "session"]))
def test_adding_a_deny_allows_nothing(
    request: Request, situation: Any, more: Any, where: str
) -> None:
    first, *others = situation[where] or [[]]
    if not decide(request, applied(situation)).allowed and situation[where]:
        changed = situation | {where: [[*first, more], *others]}
        assert not decide(request, applied(changed)).allowed


@settings(max_examples=100, deadline=None)
@given(requests, situations, statements(effect="Deny", named=True))
def test_adding_a_deny_to_the_resources_policy_allows_nothing(
    request: Request, situation: Any, more: Any
) -> None:
    if situation["resource"] and not decide(request, applied(situation)).allowed:
        first, *others = situation["resource"]
        assert not decide(
            request, applied(situation | {"resource": [[*first, more], *others]})
        ).allowed


@settings(max_examples=100, deadline=None)
@given(requests, situations, st.randoms())
def test_order_of_policies_and_statements_does_not_matter(
    request: Request, situation: Any, random: Any
) -> None:
    def shuffled(listed: list[Any]) -> list[Any]:
        return random.sample(listed, len(listed))

    changed = situation | {
        "identity": shuffled([shuffled(one) for one in situation["identity"]]),
        "session": shuffled([shuffled(one) for one in situation["session"]]),
        "resource": shuffled([shuffled(one) for one in situation["resource"]]),
    }
    assert effect(request, changed) is effect(request, situation)


@settings(max_examples=100, deadline=None)
@given(requests, situations)
def test_statements_in_one_policy_or_in_several_are_the_same(
    request: Request, situation: Any
) -> None:
    joined = [[statement for one in situation["identity"] for statement in one]]
    assert effect(request, situation | {"identity": joined}) is effect(request, situation)


@settings(max_examples=100, deadline=None)
@given(requests, situations, maybe(documents()))
def test_boundary_grants_nothing(request: Request, situation: Any, boundary: Any) -> None:
    without = situation | {"boundary": None}
    if decide(request, applied(situation | {"boundary": boundary})).allowed:
        assert decide(request, applied(without)).allowed


@settings(max_examples=100, deadline=None)
@given(requests, situations, maybe(documents(named=True)))
def test_endpoint_policy_grants_nothing(request: Request, situation: Any, endpoint: Any) -> None:
    if decide(request, applied(situation | {"endpoint": endpoint})).allowed:
        assert decide(request, applied(situation | {"endpoint": None})).allowed


def holds(condition: Any, context: dict[str, Any]) -> bool:
    body = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    request = Request(principal=PRINCIPALS[0], action="t:do", context=context)
    return decide(request, AppliedPolicies(identity=(policy([body]),))).allowed


OPPOSITES = [
    ("StringEquals", "StringNotEquals"), ("StringLike", "StringNotLike"),
    ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"), ("NumericEquals", "NumericNotEquals"),
    ("DateEquals", "DateNotEquals"), ("IpAddress", "NotIpAddress"), ("ArnLike", "ArnNotLike"),
    ("ArnEquals", "ArnNotEquals"),
]  # fmt: skip
texts = st.sampled_from(["a", "A", "1", "1.0", "203.0.113.7", "arn:aws:s3:::b", "2026-01-01", "*"])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(OPPOSITES), st.lists(texts, min_size=1), maybe(st.lists(texts, min_size=1)))
def test_negated_operator_is_the_opposite(
    pair: tuple[str, str], expected_values: list[str], result: list[str] | None
) -> None:
    positive, negative = ({name: {"t:k": expected_values}} for name in pair)
    context = {"t:k": result}
    assert holds(positive, context) is not holds(negative, context)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([name for pair in OPPOSITES for name in pair]),
    st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]),
    st.lists(texts, min_size=1),
    maybe(st.lists(texts, min_size=1)),
)
def test_if_exists_is_the_operator_or_the_keys_absence(
    name: str, prefix: str, expected_values: list[str], result: list[str] | None
) -> None:
    plain, optional = (
        {f"{prefix}{name}{end}": {"t:k": expected_values}} for end in ("", "IfExists")
    )
    context = {"t:k": result}
    assert holds(optional, context) is (result is None or holds(plain, context))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(OPPOSITES), st.lists(texts, min_size=1), st.lists(texts, min_size=1))
def test_set_operators_are_each_others_opposite_under_negation(
    pair: tuple[str, str], expected_values: list[str], result: list[str]
) -> None:
    # Not every value matches if and only if some value does not match.
    positive, negative = pair
    every = holds({f"ForAllValues:{positive}": {"t:k": expected_values}}, {"t:k": result})
    some_not = holds({f"ForAnyValue:{negative}": {"t:k": expected_values}}, {"t:k": result})
    assert every is not some_not


globs = st.text(alphabet="ab*?:[.", max_size=8)


@settings(max_examples=200, deadline=None)
@given(globs, st.text(alphabet="ab:[.*", max_size=10))
def test_wildcards_match_as_the_standard_librarys_do(pattern: str, text: str) -> None:
    expected = fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))
    assert patterns.wildcard(pattern)(text) is expected


@settings(max_examples=200, deadline=None)
@given(globs, st.text(alphabet="ab:", max_size=10))
def test_arn_pattern_matches_field_by_field(pattern: str, text: str) -> None:
    text = f"arn:aws:s3:::{text}"
    pattern = f"arn:aws:s3:::{pattern}"
    expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    assert patterns.arn(pattern)(text) is (re.fullmatch(expression, text) is not None)


@settings(max_examples=100, deadline=None)
@given(globs)
def test_pattern_matches_its_expansions(pattern: str) -> None:
    text = pattern.replace("*", "xyz").replace("?", "q")
    assert patterns.wildcard(pattern)(text)
    assert patterns.wildcard(f"*{pattern}*")(f"left{text}right")
