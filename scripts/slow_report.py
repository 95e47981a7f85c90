"""``python -m scripts.slow_report FILE``: checks the marker ``slow`` against a CPU report.

``pytest --cpu-report FILE`` writes the file. The exit code is 1 if a test takes over 5 s of CPU, or
shares a fixture whose set-up does, and does not carry the marker ``slow``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LIMIT = 5.0
Report = Mapping[str, Any]


def unmarked(report: Report, *, limit: float = LIMIT) -> list[tuple[str, str]]:
    """Slow tests without the marker, each with its reason.

    Args:
        report: The document that ``--cpu-report`` wrote.
        limit: CPU seconds that a test may take without the marker.

    """
    costs = {f["name"]: max(f["cpu"], 0.0) for f in _dearest_first(report["fixtures"])}
    return [
        (name, reason)
        for name, test in report["tests"].items()
        if not test["slow"]
        for reason in _reasons(test, costs, limit)
    ]


def _dearest_first(fixtures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # A fixture with parameters is set up several times: the most expensive one is last and counts.
    return sorted(fixtures, key=lambda f: float(f["cpu"]))


def _reasons(test: Mapping[str, Any], costs: Mapping[str, float], limit: float) -> Iterator[str]:
    if test["cpu"] > limit:
        yield f"takes {test['cpu']:.1f} s"
        return
    dear = [name for name in test["fixtures"] if costs.get(name, 0.0) > limit]
    if dear:
        yield f"shares {dear[0]}, whose set-up takes {costs[dear[0]]:.1f} s"


def by_module(report: Report) -> list[tuple[float, str]]:
    """CPU seconds of each test module with its shared fixtures, most expensive first."""
    sums: defaultdict[str, float] = defaultdict(float)
    for name, test in report["tests"].items():
        sums[name.partition("::")[0]] += test["cpu"] + test["shared"]
    return sorted(((seconds, name) for name, seconds in sums.items()), reverse=True)


def main() -> int:
    """Print the most expensive modules and every unmarked test; returns 1 if there is one."""
    parser = argparse.ArgumentParser(prog="slow_report", description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--top", type=int, default=25, help="how many modules to print")
    options = parser.parse_args()
    report = json.loads(options.report.read_text())
    lines = [f"{report['cpu']:8.1f} s of CPU, {len(report['tests'])} tests"]
    lines += [f"{seconds:8.1f} s  {name}" for seconds, name in by_module(report)[: options.top]]
    missing = unmarked(report)
    lines += [f"not marked slow: {name} {reason}" for name, reason in missing]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
