"""The rule language of composite alarms."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.cloudwatch.alarm_rules import children, parse
from sageloop.local_cloud.core.errors import AwsError

STATES = {"red": "ALARM", "green": "OK", "grey": "INSUFFICIENT_DATA", "a b": "ALARM"}
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:red"


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("ALARM(red)", True),
        ('ALARM("red")', True),
        ("ALARM('a b')", True),
        (f'ALARM("{ARN}")', True),
        ("OK(green) AND INSUFFICIENT_DATA(grey)", True),
        ("ALARM(green) OR ALARM(red)", True),
        ("NOT ALARM(red)", False),
        ("NOT NOT ALARM(red)", True),
        ("TRUE", True),
        ("FALSE OR TRUE AND FALSE", False),
        ("(TRUE OR TRUE) AND FALSE", False),
        ("TRUE OR TRUE AND FALSE", True),
        ("NOT ALARM(green) AND (ALARM(red) OR FALSE)", True),
        ("alarm(red) and not ok(red)", True),
        ("ALARM(nobody)", False),
    ],
)
def test_rule_holds_by_the_states_it_names(rule: str, *, holds: bool) -> None:
    assert parse(rule).holds(STATES.get) is holds


def test_children_are_named_once_by_name() -> None:
    assert children(parse(f'ALARM(red) OR OK("{ARN}") AND NOT OK(green)')) == {"red", "green"}


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("", "1 to 10240 characters"),
        ("ALARM(red) AND", "the end at character 15"),
        ("ALARM(red) ALARM(green)", "ALARM at character 12 where AND, OR or the end"),
        ("(ALARM(red)", "where '\\)' is expected"),
        ("ALARM()", "'ALARM\\(\\)' at character 1"),
        ("AT_LEAST(1, ALARM, (red))", "'AT_LEAST"),
        ("AND TRUE", "AND at character 1"),
        (" OR ".join(f"ALARM(a{i})" for i in range(101)), "at most 100 alarms, got 101"),
    ],
)
def test_rule_that_cannot_be_read_says_where(rule: str, told: str) -> None:
    with pytest.raises(AwsError, match=told) as error:
        parse(rule)
    assert error.value.code == "ValidationError"


@given(st.text(alphabet="ALRMOKNDTUE()\"' ab", max_size=30))
def test_any_rule_is_read_or_refused(text: str) -> None:
    with suppress(AwsError):
        parse(text)
