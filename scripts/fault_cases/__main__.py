"""`python -m scripts.fault_cases`: apply the change of each row, and run exactly its test."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.mutants.catalogue import Mutant, mutants_at
from scripts.mutants.worker import fork, preload

from .catalogue import LAYER, Check, Operation, Row, rows
from .changed_tree import ChangedTree

_FORKED = ("tests/faults/", "tests/unit/functions/")
_FAILED = 1
"""Exit code of pytest after a failed test; the others mean that no test ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Whether the test of a check noticed its change.

    Attributes:
        row: The fault or promise.
        check: Its test and change.
        noticed: Whether the test failed with the change.
        seconds: Wall time.

    """

    row: Row
    check: Check
    noticed: bool
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Run the checks of the chosen rows; 1 if a test does not notice its change."""
    options = _options(arguments)
    chosen = [row for row in rows() if not options.rows or row.name in options.rows]
    unknown = set(options.rows) - {row.name for row in chosen}
    if unknown:
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; there are 1 to 52 and I1 to I10")
    checks = [(row, check) for row in chosen for check in row.checks]
    with tempfile.TemporaryDirectory(prefix="sageloop-fault-cases-") as folder:
        results = list(_results(checks, Path(folder)))
    missed = [result for result in results if not result.noticed]
    print(f"{len(chosen)} rows, {len(results)} tests, {len(missed)} did not notice their change")
    if options.json is not None:
        options.json.write_text(json.dumps([_as_json(each) for each in results], indent=2) + "\n")
    return 1 if missed else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make fault-cases", description="For each row of docs/fault-cases.md, run its test "
        "with the sources as they are, where it must pass, and with the row's change, where it "
        "must fail. Nothing in the tree is changed. About five minutes on two idle cores, and "
        "up to an hour on busy ones.",
    )  # fmt: skip
    parser.add_argument("rows", nargs="*", help="rows, such as 13 or I7; all by default")
    parser.add_argument("--json", type=Path, help="also write the table to this JSON file")
    return parser.parse_args(arguments)


def _results(checks: Sequence[tuple[Row, Check]], folder: Path) -> Iterable[Result]:
    """The checks of the functions' code in forks of this process, then the others in a copy."""
    forked = [each for each in checks if _is_forked(each[1])]
    others = [each for each in checks if not _is_forked(each[1])]
    if forked:
        preload()
        _refuse_failing(forked)
        for row, check in forked:
            yield _timed(row, check, lambda check=check: _forked(_mutant(check), [check.test]))
    if not others:
        return
    with ChangedTree(folder) as tree:
        code, output = tree.run(sorted({check.test for _, check in others}))
        if code:
            sys.exit(f"a test fails without a change:\n{output[-3000:]}")
        for row, check in others:
            source = _mutant(check).source
            yield _timed(
                row, check,
                lambda check=check, source=source: tree.run(
                    [check.test], file=check.change.file, source=source
                )[0],
            )  # fmt: skip


def _is_forked(check: Check) -> bool:
    return check.test.startswith(_FORKED) and check.change.file.startswith(LAYER)


def _refuse_failing(checks: Sequence[tuple[Row, Check]]) -> None:
    """End if a test fails without a change."""
    tests = sorted({check.test for _, check in checks})
    if _forked(None, tests) == 0:
        return
    failing = [test for test in tests if _forked(None, [test]) != 0]
    sys.exit(f"these tests fail without a change: {', '.join(failing)}")


def _forked(mutant: Mutant | None, tests: Sequence[str]) -> int:
    """The exit code of pytest in a fork; -1 if a signal ended it."""
    _, status = os.waitpid(fork(mutant, tests), 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1


def _mutant(check: Check) -> Mutant:
    """The changed source of a check; of the functions' code, the changed module.

    Raises:
        ValueError: if there is no such mutant.

    """
    change = check.change
    if not isinstance(change, Operation):
        module = change.file.removeprefix(f"{LAYER}/")
        return Mutant(module=module, operator="", line=0, text="", source=change.source())
    mutants = mutants_at(change.module, change.operator, change.line)
    if len(mutants) < change.nth:
        raise ValueError(f"{change.module} has {len(mutants)} mutants {change}, no {change.nth}.")
    return mutants[change.nth - 1]


def _timed(row: Row, check: Check, run: Any) -> Result:
    begun = time.monotonic()
    code = run()
    result = Result(row=row, check=check, noticed=code == _FAILED, seconds=time.monotonic() - begun)
    mark = "noticed" if result.noticed else f"NOT NOTICED (exit code {code})"
    test = check.test.rpartition("/")[2]
    print(f"{row.name:4} {result.seconds:5.1f} s  {mark}  {test}", flush=True)
    if not result.noticed:
        print(f"     {check.change.file}: {check.change}", flush=True)
    return result


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "row": result.row.name,
        "test": result.check.test,
        "file": result.check.change.file,
        "change": str(result.check.change),
        "noticed": result.noticed,
        "seconds": round(result.seconds, 1),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
