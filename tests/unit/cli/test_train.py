"""Starting a job manually and watching it, against clients with prepared responses."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sageloop.jobs.kinds import KINDS, log_lines
from sageloop.jobs.start import NoSuchJobError, Place, Start, StartError, start_job, watch_job

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:start"


class MissingError(Exception):
    """A log group that does not exist yet."""


class Fake:
    """A client whose methods return prepared responses; the last one is repeated."""

    class exceptions:
        ResourceNotFoundException = MissingError

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.requests.append((name, request))
            queue = self.answers[name]
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, name: str) -> Any:
        class Paginator:
            paginate = staticmethod(lambda **request: [getattr(self, name)(**request)])

        return Paginator()


def place(**clients: Fake) -> Place:
    return Place(client=clients.__getitem__, now=lambda: 1_700_000_000.0, name="here", pause=1.0)


def parameter(value: str = ARN) -> Fake:
    return Fake(get_parameter=[{"Parameter": {"Value": value}}])


def answer(content: dict[str, Any], **more: Any) -> Fake:
    return Fake(invoke=[{"Payload": io.BytesIO(json.dumps(content).encode()), **more}])


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetParameter")


def watched(sagemaker: Fake, kind: str = "training", **more: Any) -> tuple[Any, list[str]]:
    reported: list[str] = []
    started = Start(status="started", kind=kind, name="flights-1")
    end = watch_job(
        place(sagemaker=sagemaker, logs=more.pop("log_client", Fake())), started,
        report=reported.append, show=lambda _: None, pause=lambda _: None, **more,
    )  # fmt: skip
    return end, reported


@pytest.mark.feature("lifecycle: manual start (sageloop train)")
def test_start_function_is_invoked_with_the_time_of_the_target() -> None:
    functions = answer({"status": "started", "kind": "tuning", "job_name": "flights-0123456789"})
    ssm = parameter()

    started = start_job(place(ssm=ssm, **{"lambda": functions}), "flights", {"eta": "0.1"})

    assert (started.status, started.kind, started.name) == (
        "started", "tuning", "flights-0123456789",
    )  # fmt: skip
    assert ssm.requests == [("get_parameter", {"Name": "/sageloop/jobs/flights/start-function"})]
    ((_, request),) = functions.requests
    event = json.loads(request["Payload"])
    assert request["FunctionName"] == ARN
    assert event.pop("id")
    assert event == {
        "source": "manual", "time": "2023-11-14T22:13:20Z", "hyperparameters": {"eta": "0.1"},
    }  # fmt: skip


def test_each_request_has_its_own_id() -> None:
    functions = Fake(invoke=[
        {"Payload": io.BytesIO(b'{"status": "started"}')},
        {"Payload": io.BytesIO(b'{"status": "started"}')},
    ])  # fmt: skip
    target = place(ssm=parameter(), **{"lambda": functions})
    start_job(target, "flights")
    start_job(target, "flights")
    one, two = (json.loads(request["Payload"])["id"] for _, request in functions.requests)
    assert one != two


def test_reason_of_a_suppressed_request_is_returned() -> None:
    functions = answer({"status": "suppressed", "reason": "in_flight"})
    started = start_job(place(ssm=parameter(), **{"lambda": functions}), "flights")
    assert (started.status, started.reason) == ("suppressed", "in_flight")


def test_unknown_job_error_lists_declared_jobs() -> None:
    names = [{"Name": f"/sageloop/jobs/{job}/start-function"} for job in ("flights", "digits")]
    ssm = Fake(
        get_parameter=[error("ParameterNotFound")], get_parameters_by_path=[{"Parameters": names}]
    )
    with pytest.raises(NoSuchJobError, match=r"no job 'flight' .*declared jobs: digits, flights"):
        start_job(place(ssm=ssm), "flight")


def test_unknown_job_is_reported_without_permission_to_list() -> None:
    ssm = Fake(
        get_parameter=[error("ParameterNotFound")],
        get_parameters_by_path=[error("AccessDeniedException")],
    )
    with pytest.raises(NoSuchJobError, match="no job with triggers is deployed"):
        start_job(place(ssm=ssm), "flights")


def test_other_errors_of_the_parameter_are_raised() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        start_job(place(ssm=Fake(get_parameter=[error("AccessDenied")])), "flights")


def test_message_of_a_failed_function_is_raised() -> None:
    functions = answer({"errorMessage": "an empty range"}, FunctionError="Unhandled")
    with pytest.raises(StartError, match=r"^an empty range$"):
        start_job(place(ssm=parameter(), **{"lambda": functions}), "flights")


def test_every_status_of_a_training_job_is_reported_once() -> None:
    def at(*passed: str, status: str = "InProgress", **more: Any) -> dict[str, Any]:
        steps = [{"Status": step, "StatusMessage": f"{len(passed)} so far"} for step in passed]
        return {"TrainingJobStatus": status, "SecondaryStatus": passed[-1],
                "SecondaryStatusTransitions": steps, **more}  # fmt: skip

    metrics = [{"MetricName": "validation:mae", "Value": 8.5}]
    sagemaker = Fake(describe_training_job=[
        at("Starting"), at("Starting"), at("Starting", "Downloading", "Training"),
        at("Starting", "Downloading", "Training", "Completed", status="Completed",
           FinalMetricDataList=metrics),
    ])  # fmt: skip

    end, reported = watched(sagemaker)

    assert reported == ["Starting", "Downloading", "Training", "Completed"]
    assert (end.status, end.reason, end.metrics) == ("Completed", None, {"validation:mae": 8.5})


@pytest.mark.feature("lifecycle: failure reason reaches the user")
def test_failure_reason_is_returned() -> None:
    failed = {"ProcessingJobStatus": "Failed", "FailureReason": "AlgorithmError: bad column"}
    sagemaker = Fake(describe_processing_job=[{"ProcessingJobStatus": "InProgress"}, failed])

    end, reported = watched(sagemaker, "processing")

    assert reported == ["InProgress", "Failed"]
    assert (end.status, end.reason) == ("Failed", "AlgorithmError: bad column")


def test_best_trial_of_a_tuning_job_is_returned() -> None:
    best = {
        "TrainingJobName": "flights-1-002-0123abcd", "TunedHyperParameters": {"eta": "0.2"},
        "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "mae", "Value": 7.0},
    }  # fmt: skip
    completed = {"HyperParameterTuningJobStatus": "Completed", "BestTrainingJob": best}

    end, _ = watched(Fake(describe_hyper_parameter_tuning_job=[completed]), "tuning")

    assert end.metrics == {"mae": 7.0}
    assert end.best == {
        "TrainingJobName": "flights-1-002-0123abcd", "TunedHyperParameters": {"eta": "0.2"},
    }  # fmt: skip


def test_progress_counts_trials() -> None:
    counters = {"Completed": 3, "InProgress": 2, "Stopped": 0}
    described = {
        "HyperParameterTuningJobStatus": "InProgress", "TrainingJobStatusCounters": counters,
    }  # fmt: skip
    assert KINDS["tuning"].progress(described) == "InProgress (3 Completed, 2 InProgress)"


def test_log_lines_are_reported_once() -> None:
    def batch(token: str, *messages: str) -> dict[str, Any]:
        events = [{"message": f"{text}\n"} for text in messages]
        return {"events": events, "nextForwardToken": token}

    logs = Fake(
        describe_log_streams=[{"logStreams": [{"logStreamName": "flights-1/algo-1-1"}]}],
        get_log_events=[batch("1", "one"), batch("1"), batch("2", "two"), batch("2")],
    )
    tokens: dict[str, str] = {}
    assert list(log_lines(logs, "g", "flights-1", tokens)) == ["one"]
    assert list(log_lines(logs, "g", "flights-1", tokens)) == ["two"]


def test_missing_log_group_has_no_lines() -> None:
    logs = Fake(describe_log_streams=[MissingError()])
    assert list(log_lines(logs, "g", "flights-1", {})) == []
