"""The live error, from captured answers and the truth that came later."""

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
    base = f"capture/{ENDPOINT}/AllTraffic" if kind == "capture" else "truth"
    key = f"{base}/{moment(at):%Y/%m/%d/%H}/{len(world.objects)}.jsonl"
    world.objects[BUCKET, key] = "\n".join(json.dumps(line) for line in lines).encode()


def answer(world: World, inference_id: str, value: str, at: float) -> None:
    captured = {
        "captureData": {"endpointOutput": {"data": value, "encoding": "CSV"}},
        "eventMetadata": {"inferenceId": inference_id, "inferenceTime": iso(at)},
    }
    put(world, "capture", at, [captured])


def truth(world: World, inference_id: str, value: str, at: float) -> None:
    line = {
        "groundTruthData": {"data": value, "encoding": "CSV"},
        "eventMetadata": {"eventId": inference_id}, "eventVersion": "0",
    }  # fmt: skip
    put(world, "truth", at, [line])


def evaluate(world: World) -> dict[str, object]:
    return dict(world.run("evaluate", {"source": "aws.events", "time": iso(world.now)}))


def test_error_of_the_window_is_published_at_the_event_s_time(world: World) -> None:
    for i, (value, true) in enumerate([("100", "110"), ("100", "96")]):
        answer(world, f"id{i}", value, world.now - 3 * HOUR)
        truth(world, f"id{i}", true, world.now - 2 * HOUR)
    evaluate(world)
    assert world.metric("MeanAbsoluteError") == [7.0, 7.0]
    assert world.metric("EvaluatedPredictions", EndpointName=ENDPOINT) == [2.0, 2.0]
    config = world.endpoint["EndpointConfigName"]
    assert world.metric("MeanAbsoluteError", EndpointConfigName=config) == [7.0]
    assert world.metrics[-1]["Timestamp"] == moment(world.now)


def test_what_is_too_young_too_old_or_without_truth_is_left_out(world: World) -> None:
    for name, age in (("young", 0.5), ("old", 26.0), ("unknown", 3.0)):
        answer(world, name, "100", world.now - age * HOUR)
    truth(world, "young", "0", world.now - 0.4 * HOUR)
    truth(world, "old", "0", world.now - 2 * HOUR)
    assert evaluate(world) == {
        "predictions": 0, "error": None, "config": world.endpoint["EndpointConfigName"],
    }  # fmt: skip
    assert world.metric("MeanAbsoluteError") == []
    assert world.metric("EvaluatedPredictions") == [0.0, 0.0]


def test_answers_of_the_configuration_before_are_left_out(world: World) -> None:
    answer(world, "before", "100", world.now - 3 * HOUR)
    truth(world, "before", "0", world.now - 2 * HOUR)
    world.rows[f"champion#{ENDPOINT}"]["live_since"] = {"N": str(world.now - 2.5 * HOUR)}
    assert evaluate(world)["predictions"] == 0


def test_several_rows_in_a_request_are_joined_row_by_row(world: World) -> None:
    answer(world, "many", "1\n2\n3", world.now - 3 * HOUR)
    truth(world, "many", "2,2,2", world.now - 2 * HOUR)
    found = evaluate(world)
    assert found["predictions"] == 3
    assert found["error"] == pytest.approx(2 / 3)


def test_line_that_cannot_be_read_is_left_out(world: World) -> None:
    answer(world, "good", "1", world.now - 3 * HOUR)
    answer(world, "bad", "one", world.now - 3 * HOUR)
    truth(world, "good", "1", world.now - 2 * HOUR)
    truth(world, "bad", "1", world.now - 2 * HOUR)
    assert evaluate(world)["predictions"] == 1


def test_every_file_is_read_once(world: World) -> None:
    answer(world, "a", "1", world.now - 3 * HOUR)
    truth(world, "a", "1", world.now - 2 * HOUR)
    evaluate(world)
    before = world.counts["s3:GetObject"]
    world.now += 0.1 * HOUR
    evaluate(world)
    assert world.counts["s3:GetObject"] == before


def test_without_a_live_model_only_the_count_is_published() -> None:
    world = World().with_data()
    evaluate(world)
    assert [datum["MetricName"] for datum in world.metrics] == ["EvaluatedPredictions"]
