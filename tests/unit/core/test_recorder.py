"""The record of calls."""

from __future__ import annotations

import gc
import tracemalloc

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


def test_recorded_calls_share_what_they_have_in_common() -> None:
    """A record of 200,000 calls of a loop had half a gigabyte."""
    recorder, count = Recorder(), 2000
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            recorder.add(
                time=float(number), principal=_fresh("arn:aws:sts::123456789012:assumed-role/role"),
                action=_fresh("dynamodb:GetItem"), region=_fresh("us-east-1"), outcome="OK",
                params={"TableName": "table", "Key": {"id": {"S": f"row-{number}"}}},
                status=200, seconds=0.1, access=_fresh("arn:aws:iam::123456789012:policy/one [0]"),
            )  # fmt: skip
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (after - before) / count < 500
    assert recorder.calls(after=count - 1)[0].params["Key"] == {"id": {"S": f"row-{count - 1}"}}


def _fresh(text: str) -> str:
    """An equal string that is another object, as in the next request."""
    return "".join(list(text))


def test_recorded_calls_are_read_by_action() -> None:
    recorder = Recorder()
    for action in ("s3:GetObject", "s3:PutObject", "s3:GetObject"):
        recorder.add(time=1.0, principal="user", action=action, params={}, region="us-east-1",
                     outcome="OK", status=200, seconds=0.1)  # fmt: skip

    assert [call.number for call in recorder.calls(action="s3:GetObject")] == [1, 3]
    assert [call.number for call in recorder.calls(action="s3:GetObject", after=1)] == [3]
