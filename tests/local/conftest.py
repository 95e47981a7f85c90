"""What every module of these tests starts from: nothing left in moto by the module before."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def moto_begins_empty() -> Iterator[None]:
    """moto keeps its state by process, and one process runs several modules of tests."""
    yield
    if "moto.moto_api._internal.models" in sys.modules or "moto.backends" in sys.modules:
        from moto.iam.models import iam_backends
        from moto.moto_api._internal.models import moto_api_backend

        # moto would fill what it forgets with all of AWS's policies anew first.
        iam_backends.clear()
        moto_api_backend.reset()
