"""How long the unit tests take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figure, seconds

_ROOT = Path(__file__).resolve().parents[1]


def measure() -> list[Figure]:
    """Wall seconds of ``tests/unit`` as a whole process."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/unit"]
    taken = seconds(lambda: subprocess.run(command, cwd=_ROOT, check=True, capture_output=True))
    return [
        Figure(name="unit tests", value=taken, unit="s", bound="<= 60 s", holds=taken <= 60)
    ]  # fmt: skip
