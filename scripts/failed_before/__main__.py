"""``python -m scripts.failed_before``: which new tests fail with the code of before.

Tests that were written with the mend of a fault must fail without it. Those that are new since
``4d08fad`` run with the code of ``cdc7c40``, at which the faults were found. Most names have
changed since: tests that use what that code does not have do not apply to it. They run with the
code of ``4d08fad``, which has the names of today and, for these faults, the behaviour of
``cdc7c40``. Slow tests are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .new_tests import git, new_tests
from .outcomes import FAILED, INAPPLICABLE, Outcome, read_outcomes
from .tree import Tree

FAULTY, RENAMED = "cdc7c40", "4d08fad"
_FOLDERS = ("tests/faults", "tests/unit", "tests/local")
_QUICK = "not (slow or long or frameworks or fidelity)"


def main(arguments: Sequence[str]) -> int:
    """Run the new tests with the code of both revisions, and list what failed there."""
    options = _options(arguments)
    revisions = [git("rev-parse", "--short=7", name).strip() for name in (FAULTY, RENAMED)]
    tests = {
        module: names
        for module, names in new_tests(RENAMED, _FOLDERS).items()
        if not options.modules or module in options.modules
    }
    print(f"{sum(map(len, tests.values()))} new tests in {len(tests)} modules", flush=True)
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="failed-before-") as folder:
        for revision in revisions:
            open_ = {m: n for m, n in tests.items() if _is_open(m, n, outcomes)}
            outcomes |= _run(Tree(Path(folder), revision), revision, open_)
    _print(outcomes)
    if options.json is not None:
        rows = [vars(outcome) for outcome in outcomes.values()]
        options.json.write_text(json.dumps({"tests": rows}, indent=2) + "\n")
    return 0 if any(outcome.result == FAILED for outcome in outcomes.values()) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.failed_before", description=__doc__)
    parser.add_argument("modules", nargs="*", help="modules of tests; all else")
    parser.add_argument("--json", type=Path, help="also write the outcomes to this JSON file")
    return parser.parse_args(arguments)


def _is_open(module: str, names: Sequence[str], outcomes: dict[str, Outcome]) -> bool:
    """Whether a test of a module has not run yet."""
    ran = {o.function for o in outcomes.values() if o.module == module and o.applies}
    return not set(names) <= ran


def _run(tree: Tree, revision: str, tests: dict[str, list[str]]) -> dict[str, Outcome]:
    """The outcome of each test with a tree's code, by its id."""
    print(f"{revision}: {sum(map(len, tests.values()))} tests", flush=True)
    selected_functions = {f"{module}::{name}" for module, names in tests.items() for name in names}
    listed = _pytest(tree, "--collect-only", "-q", *tests).stdout.splitlines()
    selected = [test for test in listed if test.partition("[")[0] in selected_functions]
    report = tree.folder / "report.xml"
    if selected:
        (tree.folder / "selected").write_text("\n".join(selected))
        ended = _pytest(tree, "-n", "2", "-q", "--tb", "short", "--junitxml", str(report), "-o",
                        "junit_family=xunit1", f"@{tree.folder / 'selected'}")  # fmt: skip
        if not report.exists():
            sys.exit(f"pytest fails at {revision}: {(ended.stderr or ended.stdout)[-2000:]}")
    return read_outcomes(report.read_text() if selected else "<none/>", revision, tests)


def _pytest(tree: Tree, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(tree.python), "-m", "pytest", "-p", "xdist", "-p", "sageloop.pytest_plugin",
        "--continue-on-collection-errors", "-m", _QUICK, *arguments,
    ]  # fmt: skip
    environment = {
        **os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(tree.folder / "lambda" / "layer" / "python"),
    }  # fmt: skip
    return subprocess.run(
        command, cwd=tree.folder, env=environment, text=True, capture_output=True, check=False
    )


def _print(outcomes: dict[str, Outcome]) -> None:
    counts = Counter((outcome.revision, outcome.result) for outcome in outcomes.values())
    for outcome in outcomes.values():
        if outcome.result == FAILED:
            print(f"failed at {outcome.revision}: {outcome.test}\n    {outcome.reason}")
    for (revision, result), count in sorted(counts.items()):
        print(f"{revision}: {count} {result}")
    missing = Counter(o.module for o in outcomes.values() if o.result == INAPPLICABLE)
    for module, count in sorted(missing.items()):
        print(f"does not apply: {count} of {module}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
