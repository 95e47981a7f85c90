"""Settings before the first import of aws_cdk, and the scheduling of the tests."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests import forked

# The template engine takes ten seconds per process; one slow test enables it.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "1")

# Threads of OpenMP that wait for work would take the processor from the other worker.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

pytest_plugins = ["tests.cpu_report"]

FRAMEWORKS = ("torch", "tensorflow")
_SHARED = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Create the folder of resources that workers share; they inherit its name."""
    if not hasattr(config, "workerinput"):
        config.stash[_SHARED] = tempfile.mkdtemp(prefix="sageloop-tests-")
        os.environ["SAGELOOP_TEST_ASSEMBLIES"] = config.stash[_SHARED]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Delete the folder, and end the processes that were kept for the tests."""
    forked.stop()
    if _SHARED in config.stash:
        shutil.rmtree(config.stash[_SHARED], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Schedule modules with slow tests first: at the end, one worker would run alone."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {_module(item.nodeid) for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: _module(item.nodeid) not in slow)


def pytest_collection_finish() -> None:
    """Exempt what collection created from garbage collection: a tenth of the tests' CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


# The functions' tests also run on another Python, without xdist.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Replace the scheduler of every ``--dist``, so that ``-n 2`` needs no other option."""
    from xdist.scheduler import LoadScopeScheduling

    class ModuleScheduling(LoadScopeScheduling):
        """Keeps the tests of a module on one worker, which sets up shared fixtures once.

        The examples share no fixtures and take a minute each: they are distributed singly.
        """

        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith("tests/examples/") else _module(nodeid)

    config.option.loadscopereorder = False
    return ModuleScheduling(config, log)


@pytest.fixture(scope="session", autouse=True)
def cloud_template() -> Iterator[None]:
    """Fork this worker's local clouds from one process: code and models are loaded once."""
    from sageloop.local_cloud.client import LocalCloud
    from sageloop.local_cloud.template import CloudTemplate

    with CloudTemplate() as template:
        LocalCloud.template = template
        yield
        LocalCloud.template = None


def _module(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests whose framework is not installed; on CI they fail instead."""
    if item.get_closest_marker("frameworks") is None:
        return
    missing = [name for name in FRAMEWORKS if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} missing: make frameworks")
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: make frameworks")
