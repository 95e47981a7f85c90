"""The plain decisions of the functions' layer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import ENDPOINT, JOB, job_document, serving_document
from sageloop_runtime.config import GateConfig, StartConfig
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.gate.decision import (
    decide_by_champion,
    decide_by_threshold,
    error_function,
    final_metric,
)
from sageloop_runtime.gate.hold_out import chunks, parse_numbers
from sageloop_runtime.jobs.dataset import day_of, last_days, parse_delivery, split_hold_out
from sageloop_runtime.jobs.dispatch import backoff
from sageloop_runtime.jobs.job_request import job_request, read_job_document
from sageloop_runtime.jobs.kinds import TRAINING, TUNING
from sageloop_runtime.jobs.triggers import Trigger, read_trigger
from sageloop_runtime.monitoring.capture import hour_prefixes, read_captured_response
from sageloop_runtime.monitoring.join import Chunk
from sageloop_runtime.names import config_name, is_of_endpoint, model_name
from sageloop_runtime.serving.serving_document import ServingDocument
from sageloop_runtime.times import parse_time

GATE = GateConfig(metric="validation:mae", objective="Minimize", threshold=12.0, improvement=0.1)


@pytest.mark.parametrize(
    "text",
    ["2019-10-02T17:04:40Z", "2019-10-02T17:04:40.000+0000", "2019-10-02T17:04:40", 1570035880000],
)
def test_every_form_of_time_is_read(text: Any) -> None:
    assert parse_time(text) == 1570035880.0


def test_invalid_time_is_refused() -> None:
    with pytest.raises(BadInputError, match="'yesterday' is not a time"):
        parse_time("yesterday")


def test_job_name_depends_on_the_trigger_and_is_short_enough() -> None:
    name = TRAINING.job_name("j" * 40, "data|b|k|v")
    same, other = (TRAINING.job_name("j" * 40, key) for key in ("data|b|k|v", "data|b|k|w"))
    assert name == same != other
    assert len(name) <= 63
    assert len(TUNING.job_name("j" * 21, "data|b|k|v")) == 32


def test_job_with_a_longer_prefix_is_another_job() -> None:
    assert TRAINING.is_job_of("flights", TRAINING.job_name("flights", "k"))
    assert not TRAINING.is_job_of("flights", TRAINING.job_name("flights-late", "k"))


def test_names_for_a_long_endpoint_name_fit_and_are_recognised() -> None:
    endpoint = "e" * 63
    name = config_name(endpoint, model_name(endpoint, "arn", {}, "image"), "digest")
    assert len(name) <= 63
    assert is_of_endpoint(endpoint, name)


def test_names_change_only_with_their_inputs() -> None:
    one = model_name("e", "arn", {"a": 1, "b": 2}, "image")
    assert one == model_name("e", "arn", {"b": 2, "a": 1}, "image")
    assert one != model_name("e", "arn", {"a": 1, "b": 3}, "image")


def test_both_forms_of_alarm_events_give_the_same_trigger() -> None:
    detail = {"alarmName": "a", "state": {"value": "ALARM", "timestamp": "2024-02-17T11:53:08Z"}}
    event = {"source": "aws.cloudwatch", "time": "2024-02-17T11:53:08.431+0000"}
    by_rule = read_trigger({**event, "resources": ["arn"], "detail": detail})
    by_action = read_trigger({**event, "alarmArn": "arn", "alarmData": detail})
    assert by_rule == by_action


def test_trigger_is_the_same_after_the_state_table() -> None:
    trigger = Trigger(
        kind="data", key="k", at=1.0, series="k", manifest=("b", "m"), days=("a", "b")
    )
    assert Trigger.of(json.loads(trigger.to_json())) == trigger


def test_day_of_a_partition() -> None:
    assert day_of("p/dt=2013-01-02/x.csv", "p/") == "2013-01-02"
    assert day_of("p/dt=2013-13-02/x.csv", "p/") is None
    assert day_of("p/runs/dt=2013-01-02/x", "p/") is None


def test_last_days_end_with_the_last_partition() -> None:
    assert last_days(["2013-03-01", "2013-07-14"], 42) == ("2013-06-03", "2013-07-14")
    assert last_days([], 42) is None


def test_hold_out_is_the_last_days_of_the_range() -> None:
    keys = {f"2013-01-{day:02}": [f"k{day}"] for day in range(1, 15)}
    train, validation = split_hold_out(keys, ("2013-01-03", "2013-01-12"), 3)
    assert train == [f"k{day}" for day in range(3, 10)]
    assert validation == ["k10", "k11", "k12"]


def test_empty_range_is_refused_in_one_line() -> None:
    with pytest.raises(BadInputError, match=r"^no training data from 2013-01-01 through"):
        split_hold_out({"2013-01-05": ["k"]}, ("2013-01-01", "2013-01-05"), 3)


@pytest.mark.parametrize("text", ["{", "[]", '{"from": "2013-01-01"}', '{"from": 1, "through": 2}'])
def test_bad_delivery_manifest_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="not a delivery manifest"):
        parse_delivery(text, "s3://b/m")


def test_request_reads_the_job_s_manifests_and_keeps_other_members() -> None:
    document = job_document()
    request = job_request(document, "flights-1")
    uris = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
        for channel in request["InputDataConfig"]
    }
    assert uris == {
        "train": "s3://data/sets/runs/flights-1/train.manifest",
        "validation": "s3://data/sets/runs/flights-1/validation.manifest",
    }
    assert request["RoleArn"] == document["request"]["RoleArn"]
    assert "InputDataConfig" not in document["request"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"job": "other"}, "is of job 'other'"),
        ({"request": {}}, "lacks AlgorithmSpecification"),
        ({"start_on_deploy": "true"}, "neither true nor false"),
        ({"data": {}}, "data lacks bucket"),
        ({"data": {**job_document()["data"], "validation_days": 42}}, "window_days - 1 = 41"),
    ],
)
def test_malformed_job_document_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_job_document(json.dumps(job_document(**change)), JOB)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        (json.dumps(serving_document(endpoint_name="x")), "is of endpoint 'x'"),
        (json.dumps(serving_document(model={})), "no ExecutionRoleArn"),
        (json.dumps(serving_document(config={})), "no ProductionVariants"),
    ],
)
def test_malformed_serving_document_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        ServingDocument.parse(text, ENDPOINT)


def test_gate_without_champion_applies_the_threshold() -> None:
    assert decide_by_threshold(GATE, 12.0).passed
    assert not decide_by_threshold(GATE, 12.1).passed
    assert not decide_by_threshold(GATE, None).passed


def test_gate_with_champion_requires_the_improvement() -> None:
    assert decide_by_champion(GATE, 8.9, 10.0).passed
    assert not decide_by_champion(GATE, 9.0, 10.0).passed
    assert not decide_by_champion(GATE, None, 10.0).passed
    assert not decide_by_champion(GATE, 1.0, float("nan")).passed


def test_maximised_metric_reverses_the_comparison() -> None:
    gate = GateConfig(metric="auc", objective="Maximize", threshold=0.8, improvement=0.0)
    assert decide_by_threshold(gate, 0.8).passed
    assert decide_by_champion(gate, 0.9, 0.85).passed
    assert not decide_by_champion(gate, 0.85, 0.85).passed


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_metric_that_is_not_finite_is_missing(value: float) -> None:
    job = {"FinalMetricDataList": [{"MetricName": "m", "Value": value}]}
    assert final_metric(job, "m") is None
    assert final_metric({}, "m") is None


def test_error_function_depends_on_the_metric_s_name() -> None:
    mae, rmse = error_function("validation:mae"), error_function("validation:rmse")
    assert mae is not None
    assert rmse is not None
    assert (mae([0, 0], [3, 4]), rmse([0, 0], [1, 7])) == (3.5, 5.0)
    assert error_function("validation:auc") is None


def test_chunks_stay_below_the_size_and_lose_nothing() -> None:
    rows = ["x" * 10 for _ in range(25)]
    runs = list(chunks(rows, largest=100))
    assert [row for run in runs for row in run] == rows
    assert max(len("\n".join(run)) for run in runs) <= 100


def test_numbers_are_split_on_lines_and_commas() -> None:
    assert parse_numbers("1,2\n3\n") == [1.0, 2.0, 3.0]


def test_hours_of_a_window_are_whole_days_where_they_can_be() -> None:
    day = 86400.0
    assert hour_prefixes(day - 3600, 2 * day + 10) == [
        "1970/01/01/23/", "1970/01/02/", "1970/01/03/00/",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", [("CSV", "1.5\n2"), ("BASE64", "MS41LDI=")])
def test_captured_responses_of_both_encodings_are_read(encoding: tuple[str, str]) -> None:
    line = _captured("id", encoding[1], encoding=encoding[0])
    answer = read_captured_response(line)
    assert answer is not None
    assert answer.values == (1.5, 2.0)


def test_invocations_of_the_gate_and_without_id_are_excluded() -> None:
    assert read_captured_response(_captured("gate-x-0", "1")) is None
    assert read_captured_response(_captured(None, "1")) is None


def test_join_counts_rows_and_each_invocation_once() -> None:
    responses = [read_captured_response(_captured(i, "1,2")) for i in ("a", "a", "b", "c")]
    chunk = Chunk()
    for each in responses:
        assert each is not None
        chunk.add(each)
    quality = chunk.join([("a", (9.0, 9.0)), ("b", (1.0,)), ("a", (2.0, 4.0)), ("d", (1.0, 2.0))])
    assert (quality.error, quality.predictions) == (1.5, 2)


def test_backoff_doubles_to_a_limit() -> None:
    assert [backoff(10, n) for n in (0, 1, 2, 3)] == [0, 10, 20, 40]
    assert backoff(10, 100) == 640


def test_invalid_setting_is_named() -> None:
    environment = {"STATE_TABLE": "t", "JOB": "j", "COOLDOWN_SECONDS": "soon"}
    with pytest.raises(BadInputError, match="COOLDOWN_SECONDS is 'soon'"):
        StartConfig.read(environment)
    with pytest.raises(BadInputError, match="STATE_TABLE is not set"):
        StartConfig.read({})


def _captured(inference_id: str | None, data: str, *, encoding: str = "CSV") -> str:
    return json.dumps(
        {
            "captureData": {"endpointOutput": {"data": data, "encoding": encoding}},
            "eventMetadata": {
                "inferenceId": inference_id, "inferenceTime": "2022-02-14T17:25:06Z",
            },
        }
    )  # fmt: skip
