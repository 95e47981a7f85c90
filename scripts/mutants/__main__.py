"""`python -m scripts.mutants`: run the mutants, and print the survivors."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .catalogue import Mutant, mutants_of
from .constants import is_replaceable, uses_of_constant
from .record import Results, equivalents
from .targets import ROOT, TESTS, bound, modules
from .worker import KILLED, LATE, SURVIVED, Start, fork, outcome, preload, with_collected_tests

_CACHE = ROOT / ".mutants"


def main(arguments: Sequence[str]) -> int:
    """Run the chosen mutants; 1 if a module has more survivors than its bound allows."""
    options = _options(arguments)
    chosen = [name for name in modules() if not options.modules or name in options.modules]
    unknown = set(options.modules) - set(chosen)
    if unknown:
        sys.exit(f"no such module: {', '.join(sorted(unknown))}; one of {', '.join(modules())}")
    _CACHE.mkdir(exist_ok=True)
    digest = _digest_of_tests()
    covering = _covering(digest)
    results = Results(_CACHE / "results.jsonl", digest)
    print(f"listing the mutants of {len(chosen)} modules", flush=True)
    mutants_by_module = {name: mutants_of(name, _CACHE) for name in chosen}
    waiting = [
        m for mutants in mutants_by_module.values() for m in mutants if results.get(m) is None
    ]
    count = sum(map(len, mutants_by_module.values()))
    print(f"{count} mutants of {len(chosen)} modules, {len(waiting)} to run")
    _run(waiting, covering, results, jobs=options.jobs, until=_deadline(options.minutes))
    rows = [_row(name, mutants, results) for name, mutants in mutants_by_module.items()]
    _print(rows)
    if options.json is not None:
        options.json.write_text(json.dumps({"modules": rows}, indent=2) + "\n")
    return 0 if all(row["ok"] for row in rows) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make mutants", description="Change the functions' code, one change at a time, and "
        "list the changes that no test notices. Results are kept in .mutants: a run continues "
        "where the last one ended.",
    )  # fmt: skip
    parser.add_argument("modules", nargs="*", help="modules, such as champion/record.py; all else")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (2)")
    parser.add_argument("--minutes", type=float, help="end after this time; the rest stays open")
    parser.add_argument("--json", type=Path, help="also write the table to this JSON file")
    return parser.parse_args(arguments)


def _deadline(minutes: float | None) -> float:
    return float("inf") if minutes is None else time.monotonic() + 60 * minutes


# run


def _run(
    waiting: Sequence[Mutant], covering: dict[str, Any], results: Results, *, jobs: int,
    until: float,
) -> None:  # fmt: skip
    """Run mutants, some at a time, each in a fork.

    Most are forks of a process that has collected the tests; itself a fork of this one, in which
    the mutants of what imports execute still can import their module.
    """
    imported: list[Mutant] = []
    others: list[Mutant] = []
    for mutant in waiting:
        (imported if _is_imported(mutant, covering) else others).append(mutant)

    def run(mutants: Sequence[Mutant], start: Start) -> None:
        _run_some(_until(mutants, until), covering, results, start=start, jobs=jobs)

    if not waiting:
        return
    preload()
    pid = os.fork()
    if pid == 0:
        with_collected_tests(lambda start: run(others, start))
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("the mutants could not be run")
    results.read()
    print(f"{len(imported)} mutants of what imports execute", flush=True)
    run(imported, fork)


def _is_imported(mutant: Mutant, covering: dict[str, Any]) -> bool:
    """Whether a mutant changes what an import does, other than to assign a constant."""
    imported: list[str] = covering["imported"].get(mutant.module, [])
    return str(mutant.line) in imported and not is_replaceable(mutant.module, mutant.line)


def _run_some(
    mutants: Iterable[Mutant], covering: dict[str, Any], results: Results, *, start: Start,
    jobs: int,
) -> None:  # fmt: skip
    running: dict[int, Mutant] = {}
    completed, begun = 0, time.monotonic()
    for mutant in mutants:
        tests = tests_of(mutant, covering)
        if not tests:
            results.add(mutant, SURVIVED)
            continue
        running[start(mutant, tests)] = mutant
        while len(running) >= jobs:
            _await_one(running, results)
            completed += 1
            if completed % 50 == 0:
                pace = completed / (time.monotonic() - begun)
                print(f"  {completed}: {mutant.module}, {60 * pace:.0f} a minute", flush=True)
    while running:
        _await_one(running, results)


def _until(waiting: Sequence[Mutant], until: float) -> Iterator[Mutant]:
    for mutant in waiting:
        if time.monotonic() > until:
            return
        yield mutant


def _await_one(running: dict[int, Mutant], results: Results) -> None:
    pid, status = os.waitpid(-1, 0)
    results.add(running.pop(pid), outcome(status))


def tests_of(mutant: Mutant, covering: dict[str, Any]) -> list[str]:
    """The tests that execute the line of a mutant, fastest first.

    The lines of a module's constants are executed at import: then those count which execute a line
    with the constant's name; all tests of the module where there is none.
    """
    lines: dict[str, list[str]] = covering["lines"].get(mutant.module, {})
    tests = set(lines.get(str(mutant.line), ()))
    if not tests:
        by_module = covering["lines"]
        users = uses_of_constant(mutant.module, mutant.line)
        tests = {test for name, line in users for test in by_module.get(name, {}).get(line, ())}
    tests = tests or {test for each in lines.values() for test in each}
    seconds: dict[str, float] = covering["seconds"]
    return sorted(tests, key=lambda test: seconds[test])


def _covering(digest: str) -> dict[str, Any]:
    """Which tests execute which lines, measured once for these tests and sources."""
    file = _CACHE / f"covering-{digest}.json"
    if not file.exists():
        print("measuring which tests execute which lines", flush=True)
        command = [sys.executable, "-m", "scripts.mutants.covering", str(file)]
        ended = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
        if ended.returncode:
            sys.exit(ended.stderr.strip() or ended.stdout[-2000:])
    return dict(json.loads(file.read_text()))


def _digest_of_tests() -> str:
    """A digest of the tests and of the sources that they run."""
    paths = [path for folder in (*TESTS, "lambda/layer") for path in (ROOT / folder).rglob("*.py")]
    content = b"".join(path.read_bytes() for path in sorted(paths))
    return hashlib.sha256(content).hexdigest()[:16]


# report


def _row(name: str, mutants: Sequence[Mutant], results: Results) -> dict[str, Any]:
    """The figures of a module, with its survivors."""
    reasons = equivalents()
    outcomes = {mutant: results.get(mutant) for mutant in mutants}
    survivors = [mutant for mutant, result in outcomes.items() if result == SURVIVED]
    open_ = [m for m in survivors if (m.module, m.operator, m.text) not in reasons]
    killed = sum(result in {KILLED, LATE} for result in outcomes.values())
    counted = len(mutants) - (len(survivors) - len(open_))
    score = killed / counted if counted else 1.0
    return {
        "module": name,
        "mutants": len(mutants),
        "noticed": killed,
        "equivalent": len(survivors) - len(open_),
        "not run": sum(result is None for result in outcomes.values()),
        "score": round(score, 4),
        "bound": bound(name),
        "ok": score >= bound(name),
        "survivors": [
            {"operator": m.operator, "line": m.line, "text": m.text} for m in open_
        ],
    }  # fmt: skip


def _print(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        for each in row["survivors"]:
            print(f"{row['module']}:{each['line']}: {each['operator']}: {each['text']}")
    print(f"{'module':44} mutants noticed equivalent not run  score  bound")
    for row in rows:
        mark = "" if row["ok"] else "  too few"
        print(
            f"{row['module']:44} {row['mutants']:7} {row['noticed']:7} {row['equivalent']:10} "
            f"{row['not run']:7} {row['score']:6.1%} {row['bound']:6.0%}{mark}"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
