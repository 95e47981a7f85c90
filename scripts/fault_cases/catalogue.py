"""The list of faults and promises, each with its tests and a change that each test notices.

``tests/faults/cases.toml`` has a table for each fault (``case``) and each promise (``invariant``),
and in it a ``check`` for each test, with a change of the sources: either an operator of
``scripts.mutants`` on a line of the functions' code, or a text that is replaced in a file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.synthesis import ROOT

FILE = ROOT / "tests" / "faults" / "cases.toml"
LAYER = "lambda/layer/python/sageloop_runtime"
GROUPS = (
    (1, "Triggers"), (11, "Lock and handled events"), (16, "Training"), (26, "Gate and promotion"),
    (39, "CloudFormation"), (49, "Messages and partitions"),
)  # fmt: skip
"""The number of the first fault of each group, and the group's title."""
_OPERATOR = {"test", "module", "operator", "line", "nth"}
_REPLACEMENT = {"test", "file", "old", "new"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change by an operator of ``scripts.mutants``.

    Attributes:
        module: The module's path below the functions' package.
        operator: The operator's name.
        line: The changed line, without indentation.
        nth: Which of the operator's mutants on lines with this text, from 1.

    """

    module: str
    operator: str
    line: str
    nth: int = 1

    @property
    def file(self) -> str:
        """The changed file, relative to the repository."""
        return f"{LAYER}/{self.module}"

    def __str__(self) -> str:
        """The operator and the line."""
        return f"{self.operator}: {self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A text of a file that another replaces.

    Attributes:
        file: The file, relative to the repository.
        old: The text, which occurs once.
        new: The text that replaces it.

    """

    file: str
    old: str
    new: str

    def source(self) -> str:
        """The text of the changed file.

        Raises:
            ValueError: if the old text does not occur exactly once.
            SyntaxError: if the changed file is no Python.

        """
        text = (ROOT / self.file).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {self.old!r} {text.count(self.old)} times, not once")
        changed = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            compile(changed, self.file, "exec")
        return changed

    def __str__(self) -> str:
        """Both texts, each in one line."""
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{old} → {new or 'nothing'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A test, and a change that it notices."""

    test: str
    change: Operation | Replacement


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault or a promise.

    Attributes:
        name: ``1`` to ``52`` of a fault, ``I1`` to ``I10`` of a promise.
        text: The fault; of a promise, what holds.
        outcome: What is expected after the fault; empty for a promise.
        checks: The tests with their changes.

    """

    name: str
    text: str
    outcome: str
    checks: tuple[Check, ...]


def rows(file: Path = FILE) -> list[Row]:
    """The faults, then the promises, in the order of the file.

    Raises:
        ValueError: if a check has neither an operator nor a replacement, or unknown members.

    """
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    cases = [_row(str(each["number"]), each["fault"], each["outcome"], each)
             for each in document["case"]]  # fmt: skip
    promises = [_row(each["name"], each["promise"], "", each) for each in document["invariant"]]
    return [*cases, *promises]


def _row(name: str, text: str, outcome: str, table: Mapping[str, Any]) -> Row:
    checks = tuple(_check(name, each) for each in table.get("check", []))
    return Row(name=name, text=text, outcome=outcome, checks=checks)


def _check(name: str, table: Mapping[str, Any]) -> Check:
    members = {key: value for key, value in table.items() if key != "test"}
    change: Operation | Replacement
    if set(table) <= _OPERATOR and "operator" in table:
        change = Operation(**members)
    elif set(table) == _REPLACEMENT:
        change = Replacement(**members)
    else:
        raise ValueError(
            f"a check of {name} has {', '.join(sorted(table))}: allowed are "
            f"{', '.join(sorted(_OPERATOR))} or {', '.join(sorted(_REPLACEMENT))}"
        )
    return Check(test=table["test"], change=change)
