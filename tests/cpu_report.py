"""A pytest plugin that records the CPU seconds of every test and of every fixture's set-up.

``pytest --cpu-report FILE`` writes one JSON document, with or without workers. CPU time is user and
system time of this process, of its ended children and of every running descendant; other processes
of the machine affect wall time, but hardly CPU time. ``python -m scripts.slow_report FILE`` reads
it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_TICKS = os.sysconf("SC_CLK_TCK")
SHARED = ("class", "module", "package", "session")


def cpu_seconds() -> float:
    """CPU seconds of this process and of all its descendants, ended ones included."""
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return own + sum(_of(pid) for pid in _descendants("self"))


def _descendants(pid: int | str) -> Iterator[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except OSError:  # it has ended meanwhile, and is counted with its parent
        return
    for child in children:
        yield child
        yield from _descendants(child)


def _of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # utime, stime, cutime and cstime of proc(5), counted from the field after the name.
    return sum(int(value) for value in fields[11:15]) / _TICKS


class CpuReport:
    """The measurements of one pytest process."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self.fixtures: list[dict[str, Any]] = []
        self._shared = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Iterator[None]:
        """Measure the set-up of one fixture, without the fixtures that it requests by name."""
        began, shared = cpu_seconds(), self._shared
        result = yield
        # Fixtures requested by getfixturevalue were measured within this one and count once.
        taken = cpu_seconds() - began - (self._shared - shared)
        if fixturedef.scope in SHARED:
            self._shared += taken
            name = f"{fixturedef.baseid}::{fixturedef.argname}"
            self.fixtures.append({"name": name, "scope": fixturedef.scope, "cpu": taken})
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Measure one test; the set-up of shared fixtures is counted separately."""
        began, shared = cpu_seconds(), self._shared
        result = yield
        total = cpu_seconds() - began
        paid = self._shared - shared
        self.tests[item.nodeid] = {
            "cpu": total - paid, "shared": paid,
            "slow": item.get_closest_marker("slow") is not None,
            "fixtures": sorted(self._shared_fixtures(item)),
        }  # fmt: skip
        return result

    @staticmethod
    def _shared_fixtures(item: pytest.Item) -> set[str]:
        found = getattr(item, "_fixtureinfo", None)
        by_name = found.name2fixturedefs if found is not None else {}
        return {
            f"{each.baseid}::{each.argname}"
            for definitions in by_name.values()
            for each in definitions
            if each.scope in SHARED
        }

    def document(self) -> dict[str, Any]:
        """The measurements as plain data."""
        return {"tests": self.tests, "fixtures": self.fixtures, "cpu": cpu_seconds()}


class Collector:
    """Combines the measurements of the workers."""

    def __init__(self, path: Path, report: CpuReport) -> None:
        self.path = path
        self.report = report
        self.parts: list[dict[str, Any]] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add the measurements of a worker that has ended."""
        self.parts.append(node.workeroutput["cpu_report"])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the document."""
        # The workers' time is also that of this process's children; the workers' own is exact.
        parts = self.parts or [self.report.document()]
        document = {
            "cpu": sum(part["cpu"] for part in parts),
            "tests": {name: test for part in parts for name, test in part["tests"].items()},
            "fixtures": [each for part in parts for each in part["fixtures"]],
        }
        self.path.write_text(json.dumps(document, indent=1) + "\n")


class Sender:
    """Sends a worker's measurements to the controller at its end."""

    def __init__(self, report: CpuReport) -> None:
        self.report = report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Store the measurements for ``pytest_testnodedown``."""
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
        output["cpu_report"] = self.report.document()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--cpu-report``."""
    parser.addoption(
        "--cpu-report", type=Path, metavar="FILE", help="write CPU seconds to this file"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start the measurement if a report is requested."""
    path: Path | None = config.getoption("--cpu-report")
    if path is None:
        return
    report = CpuReport()
    config.pluginmanager.register(report, "cpu-report")
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Sender(report), "cpu-report-sender")
    else:
        config.pluginmanager.register(Collector(path, report), "cpu-report-collector")
