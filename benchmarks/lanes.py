"""The cost of the test lanes: wall seconds, CPU seconds and the largest process of each."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure

_ROOT = Path(__file__).resolve().parents[1]
# Wall seconds on two idle cores.
_BOUNDS = {"check": None, "test-unit": 120, "test": 480, "test-long": 600, "test-rest": 900}
# What .ci/run runs after the set-up, and its bound.
_CI, _MOST_CI = ("check", "test", "test-long"), 2400


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a command with all its processes: wall and CPU seconds, megabytes."""

    wall: float
    cpu: float
    largest: float


def measure() -> list[Figure]:
    """Measure each lane by its Make target. A lane with a failing test is an error."""
    costs = {lane: cost_of(["make", "--silent", lane]) for lane in _BOUNDS}
    return [
        *(each for lane, cost in costs.items() for each in _lane(f"make {lane}", cost,
                                                                _BOUNDS[lane])),
        _figure(".ci/run without its set-up", sum(costs[lane].wall for lane in _CI), "s", _MOST_CI),
    ]  # fmt: skip


def cost_of(command: list[str]) -> Cost:
    """Run a command to its end. Raises ``CalledProcessError`` if it fails."""
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    # The operating system adds up the processes for which their parents waited.
    return Cost(wall=wall, cpu=used.ru_utime + used.ru_stime, largest=used.ru_maxrss / 1000)


def _lane(name: str, cost: Cost, most: int | None) -> list[Figure]:
    return [
        _figure(name, cost.wall, "s", most),
        _figure(f"{name}: CPU", cost.cpu, "s", None),
        _figure(f"{name}: largest process", cost.largest, "MB", None),
    ]


def _figure(name: str, value: float, unit: str, most: int | None) -> Figure:
    bound = "none" if most is None else f"<= {most} {unit}"
    return Figure(name=name, value=value, unit=unit, bound=bound,
                  holds=most is None or value <= most)  # fmt: skip
