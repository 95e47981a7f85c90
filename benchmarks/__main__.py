"""``python -m benchmarks``: every figure, as a table and (``--json FILE``) as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import access, deployment, local_cloud, serving, tests, training
from benchmarks.figures import Figure

_SUITES = {"access": access, "local_cloud": local_cloud, "deployment": deployment,
           "training": training, "serving": serving, "tests": tests}  # fmt: skip


def main() -> int:
    """Measure, print, write; 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--only", choices=sorted(_SUITES), help="one suite alone")
    given = parser.parse_args()
    console = Console()
    figures: list[Figure] = []
    for name, suite in _SUITES.items():
        if given.only in (None, name):
            with console.status(f"measuring {name} …"):
                figures += suite.measure()
    console.print(_table(figures))
    if given.json:
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        document = {"machine": machine, "figures": [f.as_dict() for f in figures]}
        given.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(f.holds for f in figures) else 1


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "value", "bound", "holds", "yardstick", "ratio")
    for figure in figures:
        ratio = figure.as_dict()["ratio"]
        table.add_row(
            figure.name, f"{figure.value:.2f} {figure.unit}", figure.bound,
            "yes" if figure.holds else "NO",
            f"{figure.yardstick:.2f} ({figure.yardstick_name})" if figure.yardstick else "",
            f"{ratio:.2f}" if ratio is not None else "",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main())
