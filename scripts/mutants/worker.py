"""Runs the tests of a mutant in a forked process, until the first that notices it.

Most lines are executed by tests only. Such a mutant is a fork of a process that has imported and
collected everything: its functions get the changed code. Lines that are executed at an import need
a fork that imports the changed module, and collects the tests with it.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType

import pytest

from .catalogue import Mutant
from .code import execute, replace_code
from .covering import OPTIONS
from .targets import LAYER, ROOT, TESTS, import_all

KILLED, SURVIVED, LATE = "killed", "survived", "killed by time"
Start = Callable[[Mutant, Sequence[str]], int]
_CPU_SECONDS = 90
_WALL_SECONDS = 600
_NOT_APPLIED = 99


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from the changed source."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of the changed module; None for another."""
        return importlib.util.spec_from_loader(name, self) if name == self._mutant.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Execute the changed source in the module."""
        path = str(LAYER / "sageloop_runtime" / self._mutant.module)
        module.__file__ = path
        exec(compile(self._mutant.source, path, "exec"), module.__dict__)  # noqa: S102


class _Selection:
    """Runs the chosen tests of the collected files, in the given order.

    A test without parameters in its name stands for those of all its parameters.
    """

    def __init__(self, tests: Sequence[str]) -> None:
        self._place = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        places = [(self._place_of(item), item) for item in items]
        chosen = [(place, item) for place, item in places if place is not None]
        items[:] = [item for _, item in sorted(chosen, key=lambda each: each[0])]

    def _place_of(self, item: pytest.Item) -> int | None:
        whole = item.nodeid.partition("[")[0]
        return self._place.get(item.nodeid, self._place.get(whole))


class _Collected:
    """Calls a function once all tests are collected, instead of running them."""

    def __init__(self, run: Callable[[Start], None]) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()  # else a collection in a fork would copy the memory that it shares

        def start(mutant: Mutant, tests: Sequence[str]) -> int:
            pid = os.fork()
            if pid == 0:
                os._exit(_run_items(mutant, [items[test] for test in tests], session))
            return pid

        self._run(start)
        return True


def preload() -> None:
    """Import what each mutant needs and does not change: AWS's models most of all."""
    sys.path[:0] = [str(LAYER), str(ROOT / "tests" / "faults")]
    import boto3  # noqa: F401
    import fake_client
    import hypothesis
    import moto  # noqa: F401

    # One failing sequence is enough: none is searched for that is shorter.
    hypothesis.settings.register_profile("mutants", phases=[hypothesis.Phase.generate])
    hypothesis.settings.load_profile("mutants")

    for service in ("application-autoscaling", "cloudwatch", "dynamodb", "ec2", "events", "kms",
                    "lambda", "s3", "sagemaker", "sagemaker-runtime", "sns"):  # fmt: skip
        fake_client._model(service)


def with_collected_tests(run: Callable[[Start], None]) -> None:
    """Collect all tests, and call a function with what starts a mutant's tests in a fork."""
    import_all()
    code = pytest.main([*OPTIONS, "-s", *TESTS], plugins=[_Collected(run)])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        sys.exit(f"the tests cannot be collected: {code!r}")


def fork(mutant: Mutant | None, tests: Sequence[str]) -> int:
    """Start a mutant's tests, or without a mutant those of the sources; the process's id."""
    pid = os.fork()
    if pid == 0:
        os._exit(_run(mutant, tests))
    return pid


def outcome(status: int) -> str:
    """What the end of a mutant's process means.

    Raises:
        RuntimeError: If the change could not be applied to the imported module.

    """
    if os.WIFSIGNALED(status):
        return LATE
    if os.WEXITSTATUS(status) == _NOT_APPLIED:
        raise RuntimeError("a change cannot be applied to its module")
    return SURVIVED if os.WEXITSTATUS(status) == 0 else KILLED


def _limit() -> None:
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    with suppress(ValueError):
        signal.alarm(_WALL_SECONDS)


def _run(mutant: Mutant | None, tests: Sequence[str]) -> int:
    _limit()
    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    files = sorted({test.partition("::")[0] for test in tests})
    try:
        return int(pytest.main([*OPTIONS, "-x", *files], plugins=[_Selection(tests)]))
    except BaseException:
        return 1


def _run_items(mutant: Mutant, items: Sequence[pytest.Item], session: pytest.Session) -> int:
    module = sys.modules[mutant.name]
    try:
        changed = execute(module, mutant.source)
    except Exception:  # a module that cannot be imported is noticed
        return 1
    try:
        replace_code(module, changed)
    except TypeError as error:
        print(f"{mutant.module}:{mutant.line} {mutant.operator}: {error!r}", flush=True)
        return _NOT_APPLIED
    _limit()
    try:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return 1
    except BaseException:
        return 1
    return 0
