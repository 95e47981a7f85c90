"""The state before each module of these tests: moto has no state of the module before."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def moto_begins_empty() -> Iterator[None]:
    """moto keeps its state by process, and one process runs several modules of tests."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    if "moto.moto_api._internal.models" in sys.modules or "moto.backends" in sys.modules:
        from sageloop.local_cloud.core import moto_state

        moto_state.forget()
