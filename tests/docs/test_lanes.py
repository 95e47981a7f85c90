"""The lanes of tests: each test is in one, runs once, and all requirements are pinned."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lanes import cost_of
from scripts.slow_report import by_module, unmarked

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
MARKERS = ("slow", "long", "frameworks", "fidelity")
SLOW_FIXTURE = "tests/local::cloud"

BURNING = """
import subprocess, sys, time
import pytest

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

@pytest.fixture(scope="module")
def dear():
    burn(0.6)

@pytest.fixture(scope="module")
def asking(request):
    request.getfixturevalue("dear")

def test_first(asking):
    burn(0.2)

@pytest.mark.slow
@pytest.mark.parametrize("address", ["a@b"])
def test_child(asking, address):
    code = "import time\\nwhile time.process_time() < 0.4: pass"
    subprocess.run([sys.executable, "-S", "-c", code])
"""


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / "requirements" / f"{name}.txt").read_text()))


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def selects(expression: str, marks: set[str]) -> bool:
    """Whether pytest selects a test with these markers."""
    return bool(eval(expression, {name: name in marks for name in MARKERS}))  # noqa: S307


def expressions() -> dict[str, str]:
    """The marker expression of each lane, by Make target."""
    text = makefile()
    named = re.findall(r"^(LONG|REST) := (.+)$", text, re.MULTILINE)
    found = dict(re.findall(r'^(test-\w+|test):.*\n(?:\t.*\n)*?.*-m "([^"]+)"', text, re.MULTILINE))
    for name, words in sorted(named):  # the one names the other
        found = {target: each.replace(f"$({name})", words) for target, each in found.items()}
    return found


def test_demo_installs_no_framework_and_no_test_tools() -> None:
    unwanted = {"torch", "tensorflow-cpu", "pandas", "sympy", "scikit-learn", "pytest", "mypy"}

    assert unwanted & set(pins("demo")) == set()


def test_tests_run_on_the_versions_of_the_demo() -> None:
    tested = pins("dev")
    needed = {n: v for n, v in pins("demo").items() if n in tested}

    assert set(pins("demo")) - set(tested) <= {"tomlkit"}
    assert needed == {name: tested[name] for name in needed}


def test_frameworks_add_to_the_versions_of_the_tests() -> None:
    tested = pins("dev")

    assert {n: v for n, v in pins("frameworks").items() if tested.get(n, v) != v} == {}


@pytest.mark.parametrize("word", ["last-failed", "retry", "rerun", "--lf", "test-failed", "||"])
def test_ci_repeats_no_test(word: str) -> None:
    assert word not in (ROOT / ".ci" / "run").read_text()
    assert word not in "\n".join(re.findall(r"^\t.*pytest.*$", makefile(), re.MULTILINE))


def test_ci_runs_checks_and_tests() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()

    assert [line for line in lines if line.startswith("make ")] == [
        "make setup", "make check", "make test", "make test-long"
    ]  # fmt: skip


@pytest.mark.parametrize("marks", [
    set(marks) for size in range(5) for marks in combinations(MARKERS, size)
])  # fmt: skip
def test_each_test_is_in_one_of_the_lanes_of_all(marks: set[str]) -> None:
    lanes = ("test", "test-long", "test-rest")

    assert len([lane for lane in lanes if selects(expressions()[lane], marks)]) == 1


def test_unit_tests_are_quick_tests_of_the_middle_lane() -> None:
    found = expressions()

    assert found["test-unit"] == found["test"].replace("not (", "not (slow or ")


def test_what_needs_frameworks_or_tools_of_aws_runs_where_they_are() -> None:
    assert expressions()["test-rest"] == "frameworks or fidelity"


def report(**tests: dict[str, Any]) -> dict[str, Any]:
    plain = {"cpu": 0.1, "shared": 0.0, "slow": False, "fixtures": []}
    return {
        "cpu": 100.0,
        "tests": {f"tests/{name}.py::test": {**plain, **test} for name, test in tests.items()},
        "fixtures": [{"name": SLOW_FIXTURE, "scope": "module", "cpu": cpu} for cpu in (9.0, 1.0)],
    }


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ({"cpu": 5.1}, ["takes 5.1 s"]),
        ({"cpu": 4.9}, []),
        ({"cpu": 5.1, "slow": True}, []),
        ({"fixtures": [SLOW_FIXTURE]}, [f"shares {SLOW_FIXTURE}, whose set-up takes 9.0 s"]),
        ({"fixtures": [SLOW_FIXTURE], "slow": True}, []),
        ({"fixtures": ["tests/local::cheap"]}, []),
    ],
)
def test_slow_tests_without_the_marker_are_reported(test: dict[str, Any], reason: str) -> None:
    assert [text for _, text in unmarked(report(one=test))] == reason


def test_modules_are_ordered_by_total_cpu() -> None:
    made = report(a={"cpu": 1.0}, b={"cpu": 0.5, "shared": 3.0})

    assert by_module(made) == [(3.5, "tests/b.py"), (1.0, "tests/a.py")]


def measured(folder: Path, *options: str) -> dict[str, Any]:
    """The CPU report of a small module of tests."""
    (folder / "test_burning.py").write_text(BURNING)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.cpu_report", "-p", "no:cacheprovider",
         "--rootdir", str(folder), "-o", "markers=slow", "--cpu-report", str(folder / "cpu.json"),
         *options, str(folder)],
        cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads((folder / "cpu.json").read_text())
    return found


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_cpu_report_separates_tests_children_and_shared_fixtures(
    options: tuple[str, ...], tmp_path: Path
) -> None:
    found = measured(tmp_path, *options)

    first, child = (found["tests"][name] for name in sorted(found["tests"], reverse=True))
    costs = {f["name"].rpartition("::")[2]: f["cpu"] for f in found["fixtures"]}
    assert sorted(found["tests"]) == [
        "test_burning.py::test_child[a@b]", "test_burning.py::test_first"
    ]  # fmt: skip
    assert 0.2 <= first["cpu"] + 0.02 < 0.6 <= first["shared"] + 0.02
    assert child["cpu"] + 0.02 >= 0.4
    assert child["shared"] == 0
    assert (first["slow"], child["slow"]) == (False, True)
    assert costs["dear"] + 0.02 >= 0.6
    assert costs["asking"] < 0.2
    assert {f.rpartition("::")[2] for f in first["fixtures"]} >= {"asking"}


GROUPED = """
import pathlib, pytest

@pytest.fixture(scope="module")
def place(worker_id):
    with open({log!r}, "a") as log:
        log.write(f"{{worker_id}} {{__name__}}\\n")

@pytest.mark.parametrize("n", range(4))
{mark}
def test_it(place, n):
    pass
"""


def test_module_runs_on_one_worker_and_slow_modules_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for number, mark in enumerate(["", "", "", "@pytest.mark.slow", "@pytest.mark.slow"]):
        text = GROUPED.format(log=str(log), mark=mark)
        (tmp_path / f"test_{number}.py").write_text(text)

    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-p",
         "conftest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path),
         str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip

    by_worker: dict[str, list[str]] = {}
    for line in log.read_text().splitlines():
        worker, module = line.split()
        by_worker.setdefault(worker, []).append(module)
    # Workers do not start together: only each one's own order is defined.
    modules = [module for listed in by_worker.values() for module in listed]
    assert sorted(modules) == [f"test_{number}" for number in range(5)]
    assert {listed[0] for listed in by_worker.values()} == {"test_3", "test_4"}


def test_cost_of_a_lane_is_that_of_all_its_processes() -> None:
    work = "import time\nkept = bytearray(80_000_000)\nwhile time.process_time() < 0.3: pass"
    starts = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], check=True)"

    cost = cost_of([sys.executable, "-S", "-c", starts, "-S", "-c", work])

    assert cost.cpu + 0.02 >= 0.3
    assert cost.largest >= 80
    assert cost.wall > 0


def test_lane_that_fails_has_no_cost() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        cost_of([sys.executable, "-S", "-c", "raise SystemExit(1)"])
