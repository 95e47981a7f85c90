"""Model quality, from captured data and ground truth."""

from __future__ import annotations

import json

import pytest
from documents import BUCKET, ENDPOINT, HOUR
from sageloop_runtime.times import iso, moment
from world import World


@pytest.fixture
def world() -> World:
    return World().with_champion()


def put(world: World, kind: str, at: float, lines: list[dict[str, object]]) -> None:
    base = f"capture/{ENDPOINT}/AllTraffic" if kind == "capture" else "ground-truth"
    key = f"{base}/{moment(at):%Y/%m/%d/%H}/{len(world.objects)}.jsonl"
    world.objects[BUCKET, key] = "\n".join(json.dumps(line) for line in lines).encode()


def response(world: World, inference_id: str, value: str, at: float) -> None:
    captured = {
        "captureData": {"endpointOutput": {"data": value, "encoding": "CSV"}},
        "eventMetadata": {"inferenceId": inference_id, "inferenceTime": iso(at)},
    }
    put(world, "capture", at, [captured])


def ground_truth(world: World, inference_id: str, value: str, at: float) -> None:
    line = {
        "groundTruthData": {"data": value, "encoding": "CSV"},
        "eventMetadata": {"eventId": inference_id}, "eventVersion": "0",
    }  # fmt: skip
    put(world, "ground truth", at, [line])


def evaluate(world: World) -> dict[str, object]:
    return dict(world.run("evaluate", {"source": "aws.events", "time": iso(world.now)}))


def test_error_of_the_window_is_published_at_the_event_s_time(world: World) -> None:
    for i, (value, true) in enumerate([("100", "110"), ("100", "96")]):
        response(world, f"id{i}", value, world.now - 3 * HOUR)
        ground_truth(world, f"id{i}", true, world.now - 2 * HOUR)
    evaluate(world)
    assert world.metric("MeanAbsoluteError") == [7.0, 7.0]
    assert world.metric("EvaluatedPredictions", EndpointName=ENDPOINT) == [2.0, 2.0]
    config = world.endpoint["EndpointConfigName"]
    assert world.metric("MeanAbsoluteError", EndpointConfigName=config) == [7.0]
    assert world.metrics[-1]["Timestamp"] == moment(world.now)


def test_responses_outside_the_window_or_without_ground_truth_are_excluded(world: World) -> None:
    for name, age in (("young", 0.5), ("old", 26.0), ("unknown", 3.0)):
        response(world, name, "100", world.now - age * HOUR)
    ground_truth(world, "young", "0", world.now - 0.4 * HOUR)
    ground_truth(world, "old", "0", world.now - 2 * HOUR)
    assert evaluate(world) == {
        "predictions": 0, "error": None, "config": world.endpoint["EndpointConfigName"],
    }  # fmt: skip
    assert world.metric("MeanAbsoluteError") == []
    assert world.metric("EvaluatedPredictions") == [0.0, 0.0]


def test_responses_of_the_previous_configuration_are_excluded(world: World) -> None:
    response(world, "before", "100", world.now - 3 * HOUR)
    ground_truth(world, "before", "0", world.now - 2 * HOUR)
    world.rows[f"champion#{ENDPOINT}"]["live_since"] = {"N": str(world.now - 2.5 * HOUR)}
    assert evaluate(world)["predictions"] == 0


def test_several_rows_in_a_request_are_joined_row_by_row(world: World) -> None:
    response(world, "many", "1\n2\n3", world.now - 3 * HOUR)
    ground_truth(world, "many", "2,2,2", world.now - 2 * HOUR)
    result = evaluate(world)
    assert result["predictions"] == 3
    assert result["error"] == pytest.approx(2 / 3)


def test_malformed_line_is_skipped(world: World) -> None:
    response(world, "good", "1", world.now - 3 * HOUR)
    response(world, "bad", "one", world.now - 3 * HOUR)
    ground_truth(world, "good", "1", world.now - 2 * HOUR)
    ground_truth(world, "bad", "1", world.now - 2 * HOUR)
    assert evaluate(world)["predictions"] == 1


def test_every_file_is_read_once(world: World) -> None:
    response(world, "a", "1", world.now - 3 * HOUR)
    ground_truth(world, "a", "1", world.now - 2 * HOUR)
    evaluate(world)
    before = world.counts["s3:GetObject"]
    world.now += 0.1 * HOUR
    evaluate(world)
    assert world.counts["s3:GetObject"] == before


def test_without_a_live_model_only_the_count_is_published() -> None:
    world = World().with_data()
    evaluate(world)
    assert [datum["MetricName"] for datum in world.metrics] == ["EvaluatedPredictions"]
