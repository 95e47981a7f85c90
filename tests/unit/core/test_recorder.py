"""The record of calls."""

from __future__ import annotations

import gc

import pytest

from sageloop.local_cloud.core.recorder import Recorder


@pytest.fixture
def nothing_else() -> None:
    """Exclude objects that existed before from collections and counts, as after collection."""
    gc.freeze()


@pytest.mark.usefixtures("nothing_else")
def test_recorded_calls_are_not_tracked_by_the_garbage_collector() -> None:
    recorder = Recorder()
    before = len(gc.get_objects())

    for number in range(2000):
        recorder.add(
            time=1.0, principal="user", action="sagemaker:InvokeEndpoint",
            params={"EndpointName": f"endpoint-{number}"}, region="us-east-1", outcome="OK",
            status=200, seconds=0.1,
        )  # fmt: skip
    for _ in range(3):  # a tuple is untracked one collection after its items
        gc.collect()

    assert len(gc.get_objects()) - before < 500
    assert recorder.calls(after=1999)[0].resource == "endpoint-1999"
