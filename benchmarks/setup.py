"""The cost of the set-up: seconds and megabytes, from a clone in a new folder."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, seconds

_ROOT = Path(__file__).resolve().parents[1]
# With the caches of pip and npm warm, on two idle cores.
_MOST_SECONDS, _MOST_MEGABYTES = 60, 900


def measure() -> list[Figure]:
    """Measure ``make setup-demo``, then the additional cost of ``make setup``.

    The clone contains committed files. The caches of pip and npm are not cleared.
    """
    with tempfile.TemporaryDirectory(prefix="sageloop-setup-") as name:
        clone = Path(name) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(_ROOT), str(clone)], check=True)
        demo = _made(clone, "setup-demo")
        demo_size = _megabytes(clone)
        tests = _made(clone, "setup")
        return [
            _bounded("set-up of the demo", demo, "s", _MOST_SECONDS),
            _bounded("environment of the demo", demo_size, "MB", _MOST_MEGABYTES),
            _free("set-up of tests and checks, after it", tests, "s"),
            _free("environment with tests and checks", _megabytes(clone), "MB"),
        ]


def _made(clone: Path, target: str) -> float:
    # The tools of this environment must not replace those that are set up.
    clean = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "MAKEFLAGS")}
    command = ["make", "--silent", target]
    return seconds(
        lambda: subprocess.run(command, cwd=clone, check=True, stdout=subprocess.PIPE, env=clean)
    )


def _megabytes(clone: Path) -> float:
    """Disk usage of the environments, in millions of bytes."""
    listing = subprocess.run(
        ["du", "--summarize", "--total", "--block-size=1", ".venv", "node_modules"],
        cwd=clone, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return int(listing.stdout.split()[-2]) / 1e6


def _bounded(name: str, value: float, unit: str, most: float) -> Figure:
    return Figure(name=name, value=value, unit=unit, bound=f"<= {most} {unit}",
                  holds=value <= most)  # fmt: skip


def _free(name: str, value: float, unit: str) -> Figure:
    return Figure(name=name, value=value, unit=unit, bound="none", holds=True)
