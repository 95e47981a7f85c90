"""``python -m benchmarks``: all figures, as a table and (``--json FILE``) as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import access, deployment, evaluation, lanes, local_cloud, serving, setup, training
from benchmarks.figures import Figure

_SUITES = {"local_cloud": local_cloud, "deployment": deployment, "training": training,
           "serving": serving, "access": access, "evaluation": evaluation,
           "setup": setup, "lanes": lanes}  # fmt: skip
# These take over half an hour and create environments: they run by name only.
_BY_NAME = ("setup", "lanes")


def main() -> int:
    """Measure, print, write; returns 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures to this file"
    )
    parser.add_argument(
        "--only",
        choices=sorted(_SUITES),
        help="run one suite only; " + " and ".join(_BY_NAME) + " run only by name",
    )
    options = parser.parse_args()
    console = Console()
    figures: list[Figure] = []
    for name, suite in _SUITES.items():
        if options.only == name or (options.only is None and name not in _BY_NAME):
            with console.status(f"measuring {name} …"):
                figures += suite.measure()
    console.print(_table(figures))
    if options.json:
        machine = {"python": platform.python_version(), "cores": os.cpu_count()}
        document = {"machine": machine, "figures": [f.as_dict() for f in figures]}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
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
