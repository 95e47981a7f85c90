"""Runs the tests of a mutant in a forked process, until the first that notices it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

import pytest

from .catalogue import Mutant
from .covering import OPTIONS
from .targets import LAYER, ROOT

KILLED, SURVIVED, LATE = "killed", "survived", "killed by time"
_CPU_SECONDS = 90
_WALL_SECONDS = 600


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from the changed source."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        stem = mutant.module.removesuffix(".py").replace("/", ".")
        self._name = f"sageloop_runtime.{stem}"

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of the changed module; None for another."""
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

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


def fork(mutant: Mutant | None, tests: Sequence[str]) -> int:
    """Start a mutant's tests, or without a mutant those of the sources; the process's id."""
    pid = os.fork()
    if pid == 0:
        os._exit(_run(mutant, tests))
    return pid


def outcome(status: int) -> str:
    """What the end of a mutant's process means."""
    if os.WIFSIGNALED(status):
        return LATE
    return SURVIVED if os.WEXITSTATUS(status) == 0 else KILLED


def _run(mutant: Mutant | None, tests: Sequence[str]) -> int:
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    with suppress(ValueError):
        signal.alarm(_WALL_SECONDS)
    if mutant is not None:
        sys.meta_path.insert(0, _Finder(mutant))
    files = sorted({test.partition("::")[0] for test in tests})
    try:
        return int(pytest.main([*OPTIONS, "-x", *files], plugins=[_Selection(tests)]))
    except BaseException:
        return 1
