"""The duration of the test lanes: wall seconds, and CPU seconds with all child processes."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

from benchmarks.figures import Figure, seconds

_ROOT = Path(__file__).resolve().parents[1]
# Wall seconds on two idle cores; those of .ci/run take 40 minutes at most.
_BOUNDS = {"test-unit": 120, "test": 480, "test-long": 600, "test-rest": 900}


def measure() -> list[Figure]:
    """Measure each lane by its Make target. A lane with a failing test is an error."""
    return [figure for lane, most in _BOUNDS.items() for figure in _lane(lane, most)]


def _lane(lane: str, most: int) -> list[Figure]:
    before = _children()
    taken = seconds(
        lambda: subprocess.run(
            ["make", "--silent", lane], cwd=_ROOT, check=True, stdout=subprocess.PIPE
        )
    )
    cpu = _children() - before
    return [
        Figure(name=f"make {lane}", value=taken, unit="s", bound=f"<= {most} s",
               holds=taken <= most),
        Figure(name=f"make {lane}: CPU", value=cpu, unit="s", bound="none", holds=True),
    ]  # fmt: skip


def _children() -> float:
    """CPU seconds of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
