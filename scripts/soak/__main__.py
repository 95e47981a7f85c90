"""`python -m scripts.soak`: run the days, and report."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sageloop.local_cloud.client import LocalCloud

from .plan import MOST_A_DAY, plan
from .report import Report
from .run import Run


def main(arguments: Sequence[str]) -> int:
    """Run on a cloud of its own; 1 if an invariant was violated or a bound is exceeded."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        work = Path(folder) if options.work is None else options.work
        work.mkdir(parents=True, exist_ok=True)
        with LocalCloud.start(log=work / "cloud.log", warm=True, iam="enforce") as cloud:
            run = Run(
                cloud=cloud, work=work, days=options.days, seed=options.seed,
                only=tuple(options.only), most=options.most, save=partial(_save, options.json),
            )  # fmt: skip
            report = run.run()
    _save(options.json, report)
    if options.json is None:
        print(report.to_json(), end="")
    return 0 if report.ok else 1


def _save(file: Path | None, report: Report) -> None:
    """Write the report so far: an interrupted run leaves it."""
    if file is not None:
        file.write_text(report.to_json())


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make soak", description="Run the demo's loop for many virtual days with random "
        "faults, check its invariants, and measure the cloud's memory and files.",
    )  # fmt: skip
    parser.add_argument("--days", type=int, default=90, help="virtual days (90)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the faults (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the report; else it is printed")
    parser.add_argument("--only", nargs="*", default=(), metavar="FAULT",
                        help="names of the faults to inject, or none")  # fmt: skip
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER", help="keeps the logs of cloud and CDK"
    )
    parser.add_argument("--most", type=int, default=MOST_A_DAY, metavar="NUMBER",
                        help=f"faults of a day, at most ({MOST_A_DAY})")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.days < 1:
        parser.error(f"--days is {options.days}: at least 1 is allowed")
    if options.most < 0:
        parser.error(f"--most is {options.most}: at least 0 is allowed")
    try:
        plan(options.seed, options.days, only=options.only)
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
