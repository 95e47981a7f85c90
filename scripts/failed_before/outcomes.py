"""Outcomes of tests that run with code of before, from a report of pytest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, fromstring

PASSED, FAILED, INAPPLICABLE = "passed", "failed", "does not apply"
# A test that uses a name or an argument that the code does not have does not apply to it.
_UNKNOWN = re.compile(
    r"(ImportError|ModuleNotFoundError|AttributeError|NameError|FileNotFoundError|fixture '"
    r"|TypeError: .*(unexpected keyword|positional argument|missing \d))"
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a test with the code of a revision.

    Attributes:
        test: The test's id, with its parameters.
        module: The test's module.
        function: The test's function.
        revision: The revision of the code.
        result: Passed, failed, or that the test does not apply to the code.
        reason: The first line of the error; empty if the test passed.

    """

    test: str
    module: str
    function: str
    revision: str
    result: str
    reason: str = ""

    @property
    def applies(self) -> bool:
        """Whether the test ran."""
        return self.result != INAPPLICABLE


def read_outcomes(
    report: str, revision: str, tests: Mapping[str, Sequence[str]]
) -> dict[str, Outcome]:
    """The outcomes in a report in JUnit's form.

    Args:
        report: The report.
        revision: The revision of the code.
        tests: The functions that were to run, by module. Those that the report does not have could
            not be collected.

    """
    cases = fromstring(report).iter("testcase")  # noqa: S314 - pytest wrote it
    outcomes = {outcome.test: outcome for case in cases for outcome in _outcomes(case, revision)}
    reported = {(outcome.module, outcome.function) for outcome in outcomes.values()}
    for module, names in tests.items():
        for name in names:
            if (module, name) not in reported:
                test = f"{module}::{name}"
                outcomes[test] = Outcome(
                    test=test, module=module, function=name, revision=revision,
                    result=INAPPLICABLE, reason="not collected",
                )  # fmt: skip
    return outcomes


def _outcomes(case: Element, revision: str) -> Iterator[Outcome]:
    module, name = case.get("file"), case.get("name", "")
    if module is None or not name.startswith("test_"):
        return
    result, reason = PASSED, ""
    for child in case:
        text = child.get("message") or child.text or ""
        if child.tag == "failure" and not _UNKNOWN.search(text):
            result, reason = FAILED, text
        elif child.tag in {"error", "failure", "skipped"}:
            result, reason = INAPPLICABLE, text
    yield Outcome(
        test=f"{module}::{name}", module=module, function=name.partition("[")[0],
        revision=revision, result=result, reason=reason.strip().partition("\n")[0][:200],
    )  # fmt: skip
