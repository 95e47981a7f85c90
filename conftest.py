"""Settings every test needs before the first import of aws_cdk, and the lanes of the tests."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile

import pytest

# The template engine costs ten seconds a process; one slow test switches it on again.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "1")

pytest_plugins = ["tests.cpu_report"]

FRAMEWORKS = ("torch", "tensorflow")
_SHARED = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder for what workers make once and share; they inherit its name."""
    if not hasattr(config, "workerinput"):
        config.stash[_SHARED] = tempfile.mkdtemp(prefix="sageloop-tests-")
        os.environ["SAGELOOP_TEST_ASSEMBLIES"] = config.stash[_SHARED]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it."""
    if _SHARED in config.stash:
        shutil.rmtree(config.stash[_SHARED], ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a module on one worker: what they share is set up once.

    A module that is only a list of long tests names its own groups (``xdist_group``).
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            module = item.nodeid.partition("::")[0]
            item.add_marker(pytest.mark.xdist_group(module))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a framework that is missing; on CI, where nothing may be skipped, fail."""
    if item.get_closest_marker("frameworks") is None:
        return
    missing = [name for name in FRAMEWORKS if importlib.util.find_spec(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} missing: make frameworks")
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: make frameworks")
