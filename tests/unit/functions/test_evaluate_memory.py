"""``evaluate`` on data of any size: memory, time, and the same result however it is divided."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from documents import ENDPOINT
from hypothesis import given, settings
from hypothesis import strategies as st
from sageloop_runtime.config import EvaluateConfig
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.monitoring.capture import CapturedResponse
from sageloop_runtime.monitoring.evaluation import ModelQualityEvaluator
from sageloop_runtime.monitoring.files import HourlyFiles, Place
from sageloop_runtime.monitoring.join import Chunk
from sageloop_runtime.monitoring.progress import Progress
from sageloop_runtime.times import iso
from world import World

from benchmarks.captured_data import START, GeneratedFiles

MEGABYTE = 1024 * 1024


class Clock:
    """Lambda's remaining time, which ends sooner with every question."""

    def __init__(self, seconds: float = 900.0, *, step: float = 0.0) -> None:
        self.seconds, self._step = seconds, step

    def __call__(self) -> float:
        self.seconds -= self._step
        return self.seconds


class Account:
    """State table, metrics and the function itself."""

    def __init__(self) -> None:
        self.published: list[dict[str, float]] = []
        self.event: dict[str, Any] | None = None

    def get(self, _row_id: str) -> dict[str, Any]:
        document = {
            "endpoint_name": ENDPOINT, "model": {"ExecutionRoleArn": "role"},
            "config": {"ProductionVariants": [{"VariantName": "AllTraffic"}]},
        }  # fmt: skip
        return {"live_config": "config", "document": json.dumps(document)}

    def put_all(self, samples: dict[str, float], *_: Any, **__: Any) -> None:
        self.published.append(samples)

    def invoke(self, *, Payload: bytes, **_: Any) -> None:
        self.event = json.loads(Payload)


def evaluated(
    s3: GeneratedFiles, *, largest: int = MEGABYTE, step: float = 0.0
) -> tuple[Account, int]:
    """The account after the evaluation, and the number of invocations."""
    account, passes = Account(), 0
    account.event = {"time": iso((START + timedelta(hours=s3.hours, minutes=30)).timestamp())}
    while account.event is not None:
        event, account.event = account.event, None
        evaluator(account, s3, largest=largest, remaining=Clock(step=step)).handle(event)
        passes += 1
    return account, passes


def evaluator(account: Any, s3: Any, *, largest: int, remaining: Clock) -> ModelQualityEvaluator:
    config = EvaluateConfig(
        state_table="t", endpoint_name=ENDPOINT, capture_uri="s3://capture/data",
        ground_truth_uri="s3://ground-truth/labels", window_minutes=60 * 24,
        ground_truth_delay_minutes=0, metric_namespace="n", metric_name="MeanAbsoluteError",
    )  # fmt: skip
    return ModelQualityEvaluator(
        config, table=account, files=HourlyFiles(s3), metrics=account, functions=account,
        function_arn="evaluate", remaining=remaining, chunk=lambda: Chunk(largest),
    )  # fmt: skip


@pytest.mark.feature("operations: evaluation of captured data of any size")
def test_memory_does_not_grow_with_the_captured_data() -> None:
    peaks = []
    for lines in (300, 1_200):
        s3 = GeneratedFiles(lines=lines, hours=2, padding=12_000)
        tracemalloc.start()
        account, _ = evaluated(s3, largest=MEGABYTE // 8)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert s3.captured_bytes > 5 * peaks[-1]
        assert account.published[0]["EvaluatedPredictions"] == 2 * s3.responses
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 4 * MEGABYTE


@pytest.mark.parametrize("largest", [1, 1_000, 10 * MEGABYTE])
@pytest.mark.parametrize("step", [0.0, 100.0])
def test_result_does_not_depend_on_chunks_and_invocations(largest: int, step: float) -> None:
    s3 = GeneratedFiles(lines=7, hours=3)

    account, passes = evaluated(s3, largest=largest, step=step)

    (published,) = account.published
    assert published["MeanAbsoluteError"] == pytest.approx(s3.error)
    assert published["EvaluatedPredictions"] == 2 * s3.responses
    assert (passes > 1) == (step > 0 and largest < MEGABYTE)


def test_ground_truth_that_cannot_be_read_in_time_is_named() -> None:
    s3 = GeneratedFiles(lines=3_000, hours=1)
    account = Account()
    event = {"time": iso((START + timedelta(minutes=90)).timestamp())}

    with pytest.raises(BadInputError, match=r"s3://ground-truth/labels .* shorten the window"):
        evaluator(account, s3, largest=MEGABYTE, remaining=Clock(900.0, step=290.0)).handle(event)

    assert account.published == []


def test_evaluation_without_end_is_refused() -> None:
    progress = Progress(config="c", variants=("AllTraffic",), start=0.0, end=1.0)
    event = {"time": iso(START.timestamp()), "progress": {**progress.as_json(), "passes": 1000}}
    s3 = GeneratedFiles(lines=2, hours=1)
    progress_event = {**event["progress"], "start": START.timestamp() - 1, "end": START.timestamp()}

    with pytest.raises(BadInputError, match="does not end after 1001 invocations"):
        evaluator(Account(), s3, largest=1, remaining=Clock(900.0, step=400.0)).handle(
            {**event, "progress": progress_event}
        )


@pytest.mark.parametrize("progress", [None, {}, {"config": "c"}, "text"])
def test_malformed_progress_is_refused(progress: Any) -> None:
    event = {"time": iso(START.timestamp()), "progress": progress}

    with pytest.raises(BadInputError, match="progress of the evaluation is malformed"):
        evaluator(Account(), None, largest=1, remaining=Clock()).handle(event)


@pytest.fixture
def world() -> World:
    return World().with_champion()


def test_evaluation_continues_in_the_next_invocation(world: World) -> None:
    line = {
        "captureData": {"endpointOutput": {"data": "1", "encoding": "CSV"}},
        "eventMetadata": {"inferenceId": "a", "inferenceTime": iso(world.now - 3 * 3600)},
    }  # fmt: skip
    hour = f"{(START.fromtimestamp(world.now - 3 * 3600, START.tzinfo)):%Y/%m/%d/%H}"
    key = f"capture/{ENDPOINT}/AllTraffic/{hour}/a.jsonl"
    lines = [json.dumps({**line, "eventMetadata": {**line["eventMetadata"], "inferenceId": str(i)}})
             for i in range(1_001)]  # fmt: skip
    world.objects["data", key] = "\n".join(lines).encode()
    seconds = iter([900.0, 900.0, 100.0, 100.0, 100.0] + [100.0] * 9)
    world.context = _Ending(seconds)

    answer = world.run("evaluate", {"source": "aws.events", "time": iso(world.now)})

    assert answer == {"continues": 1}
    ((function, event),) = [each for each in world.queue if each[0] == "evaluate"]
    assert event["progress"]["line"] == 1_000
    world.context = _Ending(iter([900.0] * 50))
    assert world.run(function, event)["config"] == world.endpoint["EndpointConfigName"]


class _Ending:
    def __init__(self, seconds: Iterator[float]) -> None:
        self._seconds = seconds

    @property
    def seconds(self) -> float:
        return next(self._seconds)


# files


class OneFile:
    """An S3 client with one file."""

    def __init__(self, body: bytes) -> None:
        self._body, self.reads = body, 0

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        return {"Contents": [{"Key": "k", "Size": len(self._body)}], "IsTruncated": False}

    def get_object(self, **_: Any) -> dict[str, Any]:
        self.reads += 1
        return {"Body": io.BytesIO(self._body), "ContentLength": 1 << 40}


def lines_of(body: bytes, **options: int) -> list[str]:
    return list(HourlyFiles(OneFile(body), **options).lines("s3://b/p", 0.0, 1.0))


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.text(alphabet="ab\u00e9 {", max_size=9), max_size=12),
    part=st.integers(1, 9),
    ends=st.booleans(),
)
def test_lines_are_those_of_the_file_however_it_is_read(
    lines: list[str], part: int, ends: bool
) -> None:
    body = "\n".join(lines).encode() + (b"\n" if ends else b"")
    assert lines_of(body, part=part) == [line for line in lines if line.strip()]


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.integers(0, 20), max_size=8), part=st.integers(1, 7))
def test_only_a_line_that_is_too_long_is_skipped(lines: list[int], part: int) -> None:
    body = "\n".join("x" * length for length in lines).encode()
    lines_read = lines_of(body, part=part, longest_line=10)
    # A line that ends in the part in which it becomes too long is still whole.
    kept = [len(line) for line in lines_read]
    expected = [length for length in lines if 0 < length <= 10]
    assert [length for length in kept if length <= 10] == expected
    assert all(length <= 10 + 2 * part for length in kept)


def test_reading_continues_after_a_place() -> None:
    files = HourlyFiles(OneFile(b"a\nb\nc\n"))

    places = list(files.places("s3://b/p", 0.0, 1.0, Place()))

    assert [line for _, line in places] == ["a", "b", "c"]
    after = files.places("s3://b/p", 0.0, 1.0, places[0][0])
    assert [line for _, line in after] == ["b", "c"]
    assert list(files.places("s3://b/p", 0.0, 1.0, Place("l"))) == []


def test_small_files_are_kept_up_to_a_limit() -> None:
    body = b"x" * (MEGABYTE - 1)

    class Many(OneFile):
        def list_objects_v2(self, **_: Any) -> dict[str, Any]:
            contents = [{"Key": f"{n:03}", "Size": 1} for n in range(60)]
            return {"Contents": contents, "IsTruncated": False}

        def get_object(self, **_: Any) -> dict[str, Any]:
            return {**super().get_object(), "ContentLength": len(body)}

    files = HourlyFiles(Many(body))
    tracemalloc.start()
    for _ in range(2):
        assert sum(1 for _ in files.lines("s3://b/p", 0.0, 1.0)) == 60
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 40 * MEGABYTE


# the join


def test_labels_of_other_responses_are_not_parsed() -> None:
    chunk = Chunk()
    chunk.add(CapturedResponse(inference_id="mine", at=0.0, values=(1.0,)))

    assert chunk.concerns('{"eventMetadata": {"eventId": "mine"}}')
    assert not chunk.concerns('{"eventMetadata": {"eventId" : "other"}}')
    assert chunk.concerns('{"eventMetadata": {"eventId": "a\\u0062"}}')


def test_response_of_many_rows_counts_with_its_size() -> None:
    chunk = Chunk(largest=10_000)
    chunk.add(CapturedResponse(inference_id="a", at=0.0, values=(1.0,) * 100))
    assert not chunk.is_full
    chunk.add(CapturedResponse(inference_id="b", at=0.0, values=(1.0,) * 500))
    assert chunk.is_full
