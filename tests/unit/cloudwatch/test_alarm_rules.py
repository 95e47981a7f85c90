"""The rule language of composite alarms."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sageloop.local_cloud.cloudwatch.alarm_rules import children, parse
from sageloop.local_cloud.core.errors import AwsError

STATES = {"failing": "ALARM", "healthy": "OK", "grey": "INSUFFICIENT_DATA", "a b": "ALARM"}
ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:failing"


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("ALARM(failing)", True),
        ('ALARM("failing")', True),
        ("ALARM('a b')", True),
        (f'ALARM("{ARN}")', True),
        ("OK(healthy) AND INSUFFICIENT_DATA(grey)", True),
        ("ALARM(healthy) OR ALARM(failing)", True),
        ("NOT ALARM(failing)", False),
        ("NOT NOT ALARM(failing)", True),
        ("TRUE", True),
        ("FALSE OR TRUE AND FALSE", False),
        ("(TRUE OR TRUE) AND FALSE", False),
        ("TRUE OR TRUE AND FALSE", True),
        ("NOT ALARM(healthy) AND (ALARM(failing) OR FALSE)", True),
        ("alarm(failing) and not ok(failing)", True),
        ("ALARM(missing)", False),
    ],
)
def test_rule_is_evaluated_by_alarm_states(rule: str, *, holds: bool) -> None:
    assert parse(rule).holds(STATES.get) is holds


def test_children_are_listed_once_by_name() -> None:
    assert children(parse(f'ALARM(failing) OR OK("{ARN}") AND NOT OK(healthy)')) == {
        "failing",
        "healthy",
    }


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "1 to 10240 characters"),
        ("ALARM(failing) AND", "the end at character 19"),
        ("ALARM(failing) ALARM(healthy)", "ALARM at character 16 where AND, OR or the end"),
        ("(ALARM(failing)", "where '\\)' is expected"),
        ("ALARM()", "'ALARM\\(\\)' at character 1"),
        ("AT_LEAST(1, ALARM, (failing))", "'AT_LEAST"),
        ("AND TRUE", "AND at character 1"),
        (" OR ".join(f"ALARM(a{i})" for i in range(101)), "at most 100 alarms, got 101"),
    ],
)
def test_syntax_error_has_its_position(rule: str, message: str) -> None:
    with pytest.raises(AwsError, match=message) as error:
        parse(rule)
    assert error.value.code == "ValidationError"


@given(st.text(alphabet="ALRMOKNDTUE()\"' ab", max_size=30))
def test_any_rule_is_parsed_or_refused(text: str) -> None:
    with suppress(AwsError):
        parse(text)
