"""The gate: decisions at their limits, the hold-out, and what cannot be read."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from documents import job_document
from fake_client import client_error
from sageloop_runtime.config import GateConfig
from sageloop_runtime.gate.decision import (
    decide_by_champion,
    decide_by_threshold,
    error_function,
    final_metric,
)
from sageloop_runtime.gate.hold_out import HoldOut, UnreadableError, chunks, split_rows


def gate(**changes: Any) -> GateConfig:
    settings: dict[str, Any] = {
        "metric": "validation:mae", "objective": "Minimize", "threshold": 12.0, "improvement": 0.1
    }  # fmt: skip
    return GateConfig(**settings | changes)


# decisions


@pytest.mark.parametrize(
    ("objective", "challenger", "passed"),
    [
        ("Minimize", 12.0, True), ("Minimize", 12.5, False), ("Minimize", 11.5, True),
        ("Maximize", 12.0, True), ("Maximize", 12.5, True), ("Maximize", 11.5, False),
    ],
)  # fmt: skip
def test_threshold_itself_passes(objective: str, challenger: float, passed: bool) -> None:
    decision = decide_by_threshold(gate(objective=objective), challenger)

    relation = "within" if passed else "beyond"
    assert (decision.passed, decision.challenger, decision.champion) == (passed, challenger, None)
    assert decision.reason == f"validation:mae {challenger:g} is {relation} the threshold 12"
    assert decision.has_artifact


def test_any_metric_passes_without_threshold_and_champion() -> None:
    decision = decide_by_threshold(gate(threshold=None), 99.0)

    assert (decision.passed, decision.challenger) == (True, 99.0)
    assert decision.reason == "there is no champion"


@pytest.mark.parametrize("threshold", [None, 12.0])
def test_missing_metric_does_not_pass(threshold: float | None) -> None:
    decision = decide_by_threshold(gate(threshold=threshold), None)

    assert (decision.passed, decision.challenger) == (False, None)
    assert decision.reason == "the job has no finite validation:mae"


@pytest.mark.parametrize(
    ("objective", "challenger", "passed", "text"),
    [
        ("Minimize", 8.9, True, "below 9"), ("Minimize", 9.0, False, "not below 9"),
        ("Maximize", 11.1, True, "above 11"), ("Maximize", 11.0, False, "not above 11"),
    ],
)  # fmt: skip
def test_improvement_must_be_exceeded(
    objective: str, challenger: float, passed: bool, text: str
) -> None:
    decision = decide_by_champion(gate(objective=objective), challenger, 10.0)

    assert (decision.passed, decision.challenger, decision.champion) == (passed, challenger, 10.0)
    assert decision.reason == (
        f"validation:mae {challenger:g} is {text} (champion 10, improvement 0.1)"
    )


def test_challenger_without_metric_does_not_replace_the_champion() -> None:
    decision = decide_by_champion(gate(), None, 10.0)

    assert (decision.passed, decision.challenger, decision.champion) == (False, None, 10.0)


@pytest.mark.parametrize("champion", [math.nan, math.inf, -math.inf])
def test_champion_without_a_finite_error_is_not_replaced(champion: float) -> None:
    decision = decide_by_champion(gate(), 1.0, champion)

    assert (decision.passed, decision.champion) == (False, None)
    assert decision.reason == "the champion's error is no finite number"


@pytest.mark.parametrize(
    ("metric", "expected"), [("validation:mae", 2.0), ("validation:RMSE", math.sqrt(5.0))]
)
def test_errors_are_means_over_the_rows(metric: str, expected: float) -> None:
    compute = error_function(metric)

    assert compute is not None
    assert compute([1.0, 5.0], [4.0, 4.0]) == pytest.approx(expected)
    with pytest.raises(ValueError, match="zip"):
        compute([1.0, 2.0], [1.0])


@pytest.mark.parametrize("metric", ["validation:auc", "mae:loss", ""])
def test_other_metrics_are_not_computed(metric: str) -> None:
    assert error_function(metric) is None


def test_last_value_of_the_metric_counts() -> None:
    values = [("validation:mae", 3.0), ("validation:mae", 2.0), ("train:mae", 1.0)]
    job = {"FinalMetricDataList": [{"MetricName": n, "Value": v} for n, v in values]}

    assert final_metric(job, "validation:mae") == 2.0
    assert final_metric(job, "validation:rmse") is None
    assert final_metric({}, "validation:mae") is None
    assert final_metric({"FinalMetricDataList": [{}]}, "validation:mae") is None


# hold-out


def test_label_is_the_first_column_and_blank_lines_are_no_rows() -> None:
    assert list(split_rows("1.5,2,3\n\n  \n-2,x\n")) == [(1.5, "2,3"), (-2.0, "x")]


@pytest.mark.parametrize(
    ("largest", "sizes"), [(6, [2, 1]), (5, [1, 1, 1]), (9, [3]), (1, [1] * 3)]
)
def test_chunk_has_at_most_its_bytes_with_line_breaks(largest: int, sizes: list[int]) -> None:
    assert [len(chunk) for chunk in chunks(["ab", "cd", "ef"], largest)] == sizes


def test_bytes_of_a_chunk_are_counted_not_characters() -> None:
    assert [len(chunk) for chunk in chunks(["é", "é"], 5)] == [1, 1]
    assert list(chunks([])) == []


def test_chunk_of_invocations_has_a_million_bytes() -> None:
    row = "x" * 9  # ten bytes with its line break

    assert [len(chunk) for chunk in chunks([row] * 200_001)] == [100_000, 100_000, 1]


class S3:
    """Objects by key; an error instead of an object is raised."""

    def __init__(self, **objects: Any) -> None:
        self.objects = objects

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        value = self.objects[Key.rpartition("/")[2]]
        if isinstance(value, Exception):
            raise value
        return {"Body": io.BytesIO(value)}

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:
        return {"Contents": [{"Key": key, "Size": 1} for key in self.objects]}


class Runtime:
    """Responses of an endpoint, in order; an error instead of a response is raised."""

    def __init__(self, *responses: Any) -> None:
        self.responses = list(responses)
        self.requests: list[dict[str, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        response = self.responses.pop(0)
        if isinstance(response, Exception):
            raise response
        return {"Body": io.BytesIO(response)}


def hold_out(*, s3: Any = None, runtime: Any = None) -> HoldOut:
    return HoldOut(s3=s3, runtime=runtime, content_type="text/csv")


def channels_document(*channels: str) -> dict[str, Any]:
    document = job_document()
    document.pop("data", None)
    document["request"]["InputDataConfig"] = [
        {
            "ChannelName": name,
            "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{name}/",
            }},
        }
        for name in channels
    ]  # fmt: skip
    return document


def test_rows_are_those_of_every_object_of_the_validation_channel() -> None:
    s3 = S3(a=b"1,2\n", b=b"3,4\n5,6")

    rows = hold_out(s3=s3).rows(channels_document("train", "validation"), "job")

    assert rows == [(1.0, "2"), (3.0, "4"), (5.0, "6")]


@pytest.mark.parametrize(
    ("s3", "text"),
    [
        (S3(a=b"\n"), "the hold-out is empty"),
        (S3(a=b"x,1\n"), "the hold-out cannot be read: could not convert string to float: 'x'"),
        (S3(a=b"\xff,1\n"), "the hold-out cannot be read: 'utf-8' codec can't decode"),
        (S3(a=client_error("NoSuchKey", "gone")), "the hold-out cannot be read: .*gone"),
    ],
)
def test_hold_out_that_is_not_read_does_not_pass(s3: S3, text: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{text}"):
        hold_out(s3=s3).rows(channels_document("validation"), "job")


def test_job_without_validation_channel_has_no_hold_out() -> None:
    with pytest.raises(UnreadableError, match="no channel 'validation'"):
        hold_out(s3=S3()).rows(channels_document("train"), "job")


def test_manifest_that_is_malformed_does_not_pass() -> None:
    document = job_document()
    assert document.get("data") is not None
    s3 = S3(**{"validation.manifest": b"{"})

    with pytest.raises(UnreadableError, match="is not a ManifestFile"):
        hold_out(s3=s3).rows(document, "job")


@pytest.mark.parametrize("error", [client_error("ThrottlingException", "slow")])
def test_transient_errors_are_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        hold_out(s3=S3(a=error)).rows(channels_document("validation"), "job")
    with pytest.raises(type(error)):
        hold_out(runtime=Runtime(error)).predictions("endpoint", "job", ["1"])


def test_endpoint_is_invoked_in_chunks_with_ids_of_the_gate() -> None:
    row = "x" * 500_000
    runtime = Runtime(b"1\n", b"2,\n3")

    assert hold_out(runtime=runtime).predictions("endpoint", "job", [row, "a", row]) == [1, 2, 3]
    assert [
        (r["EndpointName"], r["ContentType"], r["InferenceId"], r["Body"]) for r in runtime.requests
    ] == [
        ("endpoint", "text/csv", "gate-job-0", f"{row}\na".encode()),
        ("endpoint", "text/csv", "gate-job-1", row.encode()),
    ]


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (b"1", "the champion returned 1 predictions for 2 rows"),
        (b"1,2,3", "the champion returned 3 predictions for 2 rows"),
        (b'{"score": 1}', "the champion's prediction is not a number"),
        (client_error("ModelError", "broken"), "the champion cannot be invoked: .*broken"),
    ],
)
def test_predictions_that_are_not_one_number_a_row_do_not_pass(response: Any, text: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{text}"):
        hold_out(runtime=Runtime(response)).predictions("endpoint", "job", ["1", "2"])
