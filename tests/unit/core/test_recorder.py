"""The record of calls."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from sageloop.local_cloud.core.recorder import Recorder


@pytest.fixture
def nothing_else() -> Iterator[None]:
    """What was there before is left out of walks and counts."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("nothing_else")
def test_kept_calls_are_no_burden_to_the_garbage_collector() -> None:
    recorder = Recorder()
    before = len(gc.get_objects())

    for number in range(2000):
        recorder.add(
            time=1.0, principal="somebody", action="sagemaker:InvokeEndpoint",
            params={"EndpointName": f"endpoint-{number}"}, region="us-east-1", outcome="OK",
            status=200, seconds=0.1,
        )  # fmt: skip
    for _ in range(3):  # a tuple leaves the books one walk after those it holds
        gc.collect()

    assert len(gc.get_objects()) - before < 500
    assert recorder.calls(after=1999)[0].resource == "endpoint-1999"
