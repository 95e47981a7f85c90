"""``python -m scripts.failed_before``: which tests are new, and which of them failed."""

from __future__ import annotations

import pytest

from scripts.failed_before import new_tests
from scripts.failed_before.outcomes import FAILED, INAPPLICABLE, PASSED, read_outcomes

MODULE = "tests/unit/test_limits.py"


def report(content: str) -> str:
    case = f'<testcase file="{MODULE}" name="test_limit[4096]">{content}</testcase>'
    return f"<testsuites><testsuite>{case}</testsuite></testsuites>"


@pytest.mark.parametrize(
    ("content", "result"),
    [
        ("", PASSED),
        ('<failure message="AssertionError: assert 1 == 2"/>', FAILED),
        ('<failure message="Failed: DID NOT RAISE ValueError"/>', FAILED),
        ('<failure message="KeyError: 0"/>', FAILED),
        ("<failure message=\"AttributeError: 'X' has no attribute 'y'\"/>", INAPPLICABLE),
        ('<failure message="TypeError: f() got an unexpected keyword argument"/>', INAPPLICABLE),
        ("<failure message=\"TypeError: 'NoneType' object is not iterable\"/>", FAILED),
        ('<error message="collection failure"/>', INAPPLICABLE),
        ('<skipped message="needs torch"/>', INAPPLICABLE),
    ],
)
def test_only_a_failure_of_the_behaviour_counts(content: str, result: str) -> None:
    outcomes = read_outcomes(report(content), "abc", {MODULE: ["test_limit"]})

    (outcome,) = outcomes.values()
    assert (outcome.result, outcome.function) == (result, "test_limit")


def test_test_that_is_not_in_the_report_does_not_apply() -> None:
    outcomes = read_outcomes("<testsuites/>", "abc", {MODULE: ["test_limit"]})

    assert [(o.test, o.result) for o in outcomes.values()] == [
        (f"{MODULE}::test_limit", INAPPLICABLE)
    ]


def test_test_that_was_moved_is_not_new(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests/docs/test_failed_before.py"
    answers = {
        "ls-tree": "tests/unit/test_elsewhere.py\ntests/unit/helpers.py\n",
        "show": "def test_test_that_was_moved_is_not_new(): ...\n",
        "ls-files": f"{here}\n",
    }
    monkeypatch.setattr(new_tests, "git", lambda command, *_: answers[command])

    assert new_tests.new_tests("abc", ["tests/docs"]) == {
        here: [
            "test_only_a_failure_of_the_behaviour_counts",
            "test_test_that_is_not_in_the_report_does_not_apply",
        ]
    }
