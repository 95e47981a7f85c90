"""A pytest plugin that records the CPU seconds of every test and of every fixture's set-up.

``pytest --cpu-report FILE`` writes one JSON document, with or without workers. CPU time is user and
system time of this process, of its children that have ended and of every descendant that runs: a
machine that others load changes wall time, and this hardly. ``python -m scripts.slow_report FILE``
reads it.
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
    """CPU seconds of this process and of all below it, those that have ended included."""
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
    """What one process of pytest has measured."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}
        self.fixtures: list[dict[str, Any]] = []
        self._shared = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Iterator[None]:
        """Measure the set-up of one fixture, those that it asks for by name not included."""
        began, shared = cpu_seconds(), self._shared
        result = yield
        # What it has asked for by getfixturevalue was measured within, and counts once.
        taken = cpu_seconds() - began - (self._shared - shared)
        if fixturedef.scope in SHARED:
            self._shared += taken
            name = f"{fixturedef.baseid}::{fixturedef.argname}"
            self.fixtures.append({"name": name, "scope": fixturedef.scope, "cpu": taken})
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Measure one test; the set-up of shared fixtures is counted apart."""
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
        """All of it as plain data."""
        return {"tests": self.tests, "fixtures": self.fixtures, "cpu": cpu_seconds()}


class Collector:
    """What the workers have measured, put together."""

    def __init__(self, path: Path, report: CpuReport) -> None:
        self.path = path
        self.report = report
        self.parts: list[dict[str, Any]] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended; its part came with its farewell."""
        self.parts.append(node.workeroutput["cpu_report"])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the document."""
        # With workers, their time is this process's children's as well: theirs is the exact one.
        parts = self.parts or [self.report.document()]
        document = {
            "cpu": sum(part["cpu"] for part in parts),
            "tests": {name: test for part in parts for name, test in part["tests"].items()},
            "fixtures": [each for part in parts for each in part["fixtures"]],
        }
        self.path.write_text(json.dumps(document, indent=1) + "\n")


class Sender:
    """Hands a worker's part to the controller when the worker ends."""

    def __init__(self, report: CpuReport) -> None:
        self.report = report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What is put here arrives in ``pytest_testnodedown``."""
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
        output["cpu_report"] = self.report.document()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--cpu-report``."""
    parser.addoption("--cpu-report", type=Path, metavar="FILE", help="write CPU seconds here")


def pytest_configure(config: pytest.Config) -> None:
    """Measure where a report is wanted."""
    path: Path | None = config.getoption("--cpu-report")
    if path is None:
        return
    report = CpuReport()
    config.pluginmanager.register(report, "cpu-report")
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Sender(report), "cpu-report-sender")
    else:
        config.pluginmanager.register(Collector(path, report), "cpu-report-collector")
