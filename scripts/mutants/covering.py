"""Which tests execute which lines, and how long each takes."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import coverage
import pytest

from .targets import LAYER, ROOT, TESTS, import_all

OPTIONS = ("-q", "-p", "no:cacheprovider", "--confcutdir=tests", "--no-header", "-o", "addopts=",
           "-m", "not long")  # fmt: skip


class _Recorder:
    """Switches the context of coverage to each test, and measures the test."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        begun = time.process_time()
        self._measured.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - begun

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def measure(file: Path) -> None:
    """Run all tests once, and write which tests execute which lines, and how long they take.

    The file has ``{"lines": {module: {line: [test]}}, "imported": {module: [line]}, "seconds":
    {test: seconds}}``; imported lines are executed before the first test.
    """
    measured = coverage.Coverage(
        data_file=None, source=[str(LAYER)], branch=False, config_file=False
    )  # fmt: skip
    recorder = _Recorder(measured)
    measured.start()
    import_all()
    code = pytest.main([*OPTIONS, *TESTS], plugins=[recorder])
    measured.stop()
    if code != 0:
        sys.exit(f"the tests fail without a mutant: {', '.join(recorder.failed)}")
    lines: dict[str, dict[str, list[str]]] = defaultdict(dict)
    imported: dict[str, list[str]] = defaultdict(list)
    data = measured.get_data()
    for path in data.measured_files():
        name = str(Path(path).relative_to(LAYER / "sageloop_runtime"))
        for line, contexts in data.contexts_by_lineno(path).items():
            tests = [context for context in contexts if context in recorder.seconds]
            lines[name][str(line)] = sorted(tests, key=recorder.seconds.__getitem__)
            if len(tests) < len(contexts):
                imported[name].append(str(line))
    measurement = {"lines": lines, "imported": imported, "seconds": recorder.seconds}
    file.write_text(json.dumps(measurement))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    measure(Path(sys.argv[1]))
