"""Condition operators, set operators, absent keys and policy variables."""

from __future__ import annotations

from typing import Any

import pytest

from sageloop.local_cloud.access.policy import (
    AppliedPolicies,
    PolicyError,
    Request,
    decide,
    parse_policy,
    user,
)

ANA = user("arn:aws:iam::111122223333:user/team/Ana", tags={"Team": "blue", "none": ""})
KEY = "svc:key"


def holds(
    operator: str, values: Any, present: Any, *, key: str = KEY, version: str = "2012"
) -> bool:
    """Whether a condition is true where the context has these values of the key (None: absent)."""
    return holds_all({operator: {key: values}}, {key: present}, version)


def holds_all(conditions: Any, context: dict[str, Any], version: str = "2012") -> bool:
    policy = parse_policy(
        {
            "Version": {"2012": "2012-10-17", "2008": "2008-10-17"}[version],
            "Statement": {
                "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": conditions,
            },
        }
    )  # fmt: skip
    request = Request(principal=ANA, action="svc:Do", context=context)
    return decide(request, AppliedPolicies(identity=(policy,))).allowed


# Operator, value of the policy, a value that matches, one that does not.
POSITIVE = [
    ("StringEquals", "Abc", "Abc", "abc"),
    ("StringEquals", "a*", "a*", "ab"),
    ("StringEqualsIgnoreCase", "Abc", "aBC", "ab"),
    ("StringLike", "a*c?", "abbcd", "abbc"),
    ("StringLike", "a", "a", "A"),
    ("NumericEquals", "10", "10.0", "11"),
    ("NumericLessThan", "10", "9", "10"),
    ("NumericLessThanEquals", "10", "10", "11"),
    ("NumericGreaterThan", "10", "11", "10"),
    ("NumericGreaterThanEquals", 10, "10", "9"),
    ("DateEquals", "2026-01-01T00:00:00Z", "1767225600", "1767225601"),
    ("DateLessThan", "2026-01-01", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"),
    ("DateLessThanEquals", "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
    ("DateGreaterThan", "2026", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z"),
    ("DateGreaterThanEquals", "2026-01-01T01:00+01:00", "2026-01-01T00:00Z", "2025-12-31"),
    ("Bool", "true", "true", "false"),
    ("Bool", False, "False", "true"),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", "QmluYXJ6"),
    ("IpAddress", "203.0.113.0/24", "203.0.113.7", "203.0.114.7"),
    ("IpAddress", "203.0.113.7/24", "203.0.113.200", "203.0.114.7"),
    ("IpAddress", "203.0.113.7", "203.0.113.7", "203.0.113.8"),
    ("IpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5678::1", "2001:db8::1"),
    ("ArnEquals", "arn:aws:sns:*:1*:t?", "arn:aws:sns:eu:12:t1", "arn:aws:sns:eu:12:t"),
    ("ArnLike", "arn:aws:s3:::b/*", "arn:aws:s3:::b/x:y", "arn:aws:s3:::c/x"),
    ("ArnLike", "*", "arn:aws:s3:::b", "text"),
    ("ArnLike", "arn:aws:a:*:1:f/*", "arn:aws:a:r:1:f/d", "arn:aws:a:r:2:s/x:1:f/d"),
]
NEGATION = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "NumericEquals": "NumericNotEquals",
    "DateEquals": "DateNotEquals",
    "IpAddress": "NotIpAddress",
    "ArnEquals": "ArnNotEquals",
    "ArnLike": "ArnNotLike",
}
NEGATED = [(NEGATION[name], *rest) for name, *rest in POSITIVE if name in NEGATION]


@pytest.mark.parametrize(("operator", "value", "match", "other"), POSITIVE)
def test_operator_holds_for_what_matches_only(
    operator: str, value: Any, match: str, other: str
) -> None:
    assert (holds(operator, value, match), holds(operator, value, other)) == (True, False)


@pytest.mark.parametrize(("operator", "value", "match", "other"), NEGATED)
def test_negated_operator_holds_for_what_does_not_match_only(
    operator: str, value: Any, match: str, other: str
) -> None:
    assert (holds(operator, value, match), holds(operator, value, other)) == (False, True)


@pytest.mark.parametrize(("operator", "value"), [(o, v) for o, v, _, _ in POSITIVE])
def test_operator_does_not_hold_where_the_key_is_absent(operator: str, value: Any) -> None:
    assert not holds(operator, value, None)


@pytest.mark.parametrize(("operator", "value"), [(o, v) for o, v, _, _ in NEGATED])
def test_negated_operator_holds_where_the_key_is_absent(operator: str, value: Any) -> None:
    assert holds(operator, value, None)


@pytest.mark.parametrize(("operator", "value", "match", "other"), POSITIVE)
def test_if_exists_holds_where_the_key_is_absent(
    operator: str, value: Any, match: str, other: str
) -> None:
    present = [None, match, other]
    assert [holds(f"{operator}IfExists", value, one) for one in present] == [True, True, False]


@pytest.mark.parametrize(("operator", "value", "match", "other"), NEGATED)
def test_if_exists_of_a_negated_operator_holds_where_the_key_is_absent(
    operator: str, value: Any, match: str, other: str
) -> None:
    present = [None, match, other]
    assert [holds(f"{operator}IfExists", value, one) for one in present] == [True, False, True]


@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals"])
@pytest.mark.parametrize("prefix", ["ForAllValues", "ForAnyValue"])
def test_if_exists_holds_for_absent_keys_under_set_operators(prefix: str, operator: str) -> None:
    assert holds(f"{prefix}:{operator}IfExists", "a", None)


@pytest.mark.parametrize(
    ("operator", "value", "present"),
    [
        ("NumericEquals", "ten", "ten"),
        ("NumericLessThan", "10", "nine"),
        ("NumericLessThan", "NaN", "1"),
        ("NumericLessThan", "Infinity", "1"),
        ("DateEquals", "yesterday", "yesterday"),
        ("DateLessThan", "2026-13-01", "2026-01-01"),
        ("DateLessThan", "2026-01-01", "soon"),
        ("Bool", "yes", "yes"),
        ("BinaryEquals", "no base64", "no base64"),
        ("IpAddress", "203.0.113.0/33", "203.0.113.7"),
        ("IpAddress", "203.0.113.0/24", "localhost"),
        ("IpAddress", "203.0.113.0/24", "2001:db8::1"),
        ("ArnEquals", "Ana", "Ana"),
        ("ArnLike", "arn:aws:s3", "arn:aws:s3:::b"),
    ],
)
def test_value_of_another_type_matches_nothing(operator: str, value: str, present: str) -> None:
    assert not holds(operator, value, present)


@pytest.mark.parametrize("operator", ["StringEquals", "ForAnyValue:StringEquals"])
def test_one_of_several_values_of_the_policy_is_enough(operator: str) -> None:
    assert holds(operator, ["a", "b"], "b")


def test_negated_operator_holds_if_none_of_the_policys_values_matches() -> None:
    present = ["a", "b", "c"]
    assert [holds("StringNotEquals", ["a", "b"], one) for one in present] == [False, False, True]


def test_all_keys_and_all_operators_must_hold() -> None:
    conditions = {"StringEquals": {"svc:a": "1", "svc:b": "2"}, "Bool": {"svc:c": "true"}}
    context = {"svc:a": "1", "svc:b": "2", "svc:c": True}
    assert holds_all(conditions, context)
    for key in context:
        assert not holds_all(conditions, context | {key: "other"})


def test_names_of_keys_ignore_case() -> None:
    assert holds_all({"StringEquals": {"AWS:SourceIP": "x"}}, {"aws:sourceIp": "x"})
    assert holds_all({"StringEquals": {"aws:PrincipalTag/TEAM": "blue"}}, {})


@pytest.mark.parametrize(
    ("operator", "values", "present", "expected"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", ["a", "b"], [], True),
        ("ForAllValues:StringEquals", ["a", "b"], None, True),
        ("ForAllValues:StringEquals", ["a", "b"], "", True),
        ("ForAllValues:StringNotEquals", ["a", "b"], ["c", "d"], True),
        ("ForAllValues:StringNotEquals", ["a", "b"], ["a", "d"], False),
        ("ForAllValues:StringNotEquals", ["a", "b"], None, True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["a", "c"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["c", "d"], False),
        ("ForAnyValue:StringEquals", ["a", "b"], [], False),
        ("ForAnyValue:StringEquals", ["a", "b"], None, False),
        ("ForAnyValue:StringEquals", ["a", ""], "", False),
        ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "c"], True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], ["a", "b"], False),
        ("ForAnyValue:StringNotEquals", ["a", "b"], None, False),
        ("ForAnyValue:StringLike", ["a*"], ["b", "ab"], True),
        ("StringEquals", ["a"], ["a", "c"], True),
        ("StringEquals", ["a"], ["b", "c"], False),
        ("StringNotEquals", ["a"], ["a", "c"], False),
        ("StringNotEquals", ["a"], ["b", "c"], True),
    ],
)
def test_set_operator_compares_several_values(
    operator: str, values: list[str], present: Any, expected: bool
) -> None:
    assert holds(operator, values, present) is expected


def test_empty_value_is_a_value_without_a_set_operator() -> None:
    assert holds("StringEquals", "", "")


@pytest.mark.parametrize(
    ("value", "present", "expected"),
    [
        ("true", None, True), ("true", "x", False), ("true", [], True),
        ("false", None, False), ("false", "x", True), (False, "x", True), ("True", None, True),
        (["true", "false"], "x", True), (["true", "false"], None, True),
    ],
)  # fmt: skip
def test_null_checks_whether_the_key_exists(value: Any, present: Any, expected: bool) -> None:
    assert holds("Null", value, present) is expected


@pytest.mark.parametrize(
    "operator",
    ["StringMatches", "NullIfExists", "ForSomeValues:StringEquals", "stringequals", "", "IfExists"],
)
def test_unknown_operator_is_refused(operator: str) -> None:
    with pytest.raises(PolicyError, match="is not a condition operator"):
        holds(operator, "a", "a")


@pytest.mark.parametrize("operator", ["StringEquals", "StringLike", "StringEqualsIgnoreCase"])
def test_variable_stands_for_the_requests_value(operator: str) -> None:
    present = ["home/Ana", "home/Bob"]
    assert [holds(operator, "home/${aws:username}", g) for g in present] == [True, False]


def test_variable_names_ignore_case_and_reach_tags() -> None:
    assert holds("StringEquals", "${AWS:principaltag/team}", "blue")


def test_variable_without_value_matches_nothing() -> None:
    assert not holds("StringLike", "*${svc:absent}*", "x")
    assert holds("StringNotLike", "*${svc:absent}*", "x")


def test_variable_with_a_default_stands_for_the_default() -> None:
    value = "${svc:absent, 'company wide'}"
    assert holds("StringEquals", value, "company wide")
    assert holds("StringEquals", "${aws:PrincipalTag/Team, 'company wide'}", "blue")


def test_default_does_not_replace_an_empty_value() -> None:
    assert holds("StringEquals", "<${aws:PrincipalTag/none, 'd'}>", "<>")


def test_key_with_several_values_is_not_a_variable() -> None:
    conditions = {"StringEquals": {"svc:one": "${svc:many}"}}
    assert not holds_all(conditions, {"svc:one": "a", "svc:many": ["a", "b"]})


def test_wildcard_in_a_variables_value_is_no_wildcard() -> None:
    conditions = {"StringLike": {"svc:one": "${svc:two}"}}
    assert holds_all(conditions, {"svc:one": "*", "svc:two": "*"})
    assert not holds_all(conditions, {"svc:one": "a", "svc:two": "*"})


@pytest.mark.parametrize(("written", "character"), [("${*}", "*"), ("${?}", "?"), ("${$}", "$")])
def test_character_in_braces_is_only_itself(written: str, character: str) -> None:
    assert holds("StringLike", f"a{written}b", f"a{character}b")
    assert not holds("StringLike", f"a{written}b", "axb")


@pytest.mark.parametrize("text", ["${aws:username}", "${*}"])
def test_version_of_2008_has_no_variables(text: str) -> None:
    assert holds("StringEquals", text, text, version="2008")
    assert not holds("StringEquals", text, "Ana", version="2008")


@pytest.mark.parametrize("operator", ["NumericEquals", "DateEquals", "IpAddress", "BinaryEquals"])
def test_operators_without_text_have_no_variables(operator: str) -> None:
    value = {"IpAddress": "203.0.113.7", "BinaryEquals": "QUFB"}.get(operator, "20260101")
    conditions = {operator: {"svc:one": "${svc:two}"}}
    assert not holds_all(conditions, {"svc:one": value, "svc:two": value})
    assert holds_all({operator: {"svc:one": value}}, {"svc:one": value})


@pytest.mark.parametrize("element", [[], "x", {"StringEquals": "x"}, {"Bool": {"a": {"b": 1}}}])
def test_condition_of_another_form_is_refused(element: Any) -> None:
    with pytest.raises(PolicyError, match="Condition"):
        holds_all(element, {})
