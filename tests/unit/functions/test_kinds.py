"""What differs between the kinds of jobs, and what a document and a trigger may say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from documents import BUCKET, DOCUMENTS, JOB, job_document, tuning_document
from fake_client import checked_action
from sageloop_runtime.config import JobChangeConfig
from sageloop_runtime.errors import BadInputError
from sageloop_runtime.jobs.instance_types import with_type
from sageloop_runtime.jobs.job_request import input_prefixes, job_request, read_job_document
from sageloop_runtime.jobs.kinds import KINDS, TRAINING, TUNING, job_in_event
from sageloop_runtime.jobs.outcomes import (
    duration_of,
    failure_reason,
    is_capacity_error,
    is_stopped_on_request,
)
from sageloop_runtime.jobs.triggers import Trigger, fallback_of, read_trigger, retry_of
from world import World

MANUAL = {"source": "manual", "id": "1", "time": "2024-02-17T11:53:08Z"}


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_request_of_every_kind_is_valid_for_sagemaker(kind: str) -> None:
    document = DOCUMENTS[kind]()
    request = job_request(document, "job-1")
    operation = f"create_{'hyper_parameter_tuning' if kind == 'tuning' else kind}_job"
    checked_action("sagemaker", operation, request)
    assert request[KINDS[kind].name_member] == "job-1"
    assert KINDS[kind].name_member not in document["request"]


def test_tuning_reads_the_job_s_manifests_in_every_definition() -> None:
    document = tuning_document()
    definition = document["request"].pop("TrainingJobDefinition")
    document["request"]["TrainingJobDefinitions"] = [definition, definition]
    request = job_request(document, "flights-1")
    for part in request["TrainingJobDefinitions"]:
        uris = [c["DataSource"]["S3DataSource"]["S3Uri"] for c in part["InputDataConfig"]]
        assert uris == [
            f"s3://{BUCKET}/sets/runs/flights-1/{half}.manifest" for half in ("train", "validation")
        ]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("training", {"kind": "labeling"}, "the kind 'labeling' is unknown: training, tuning,"),
        ("training", {"kind": []}, "is unknown"),
        ("tuning", {"request": {}}, "lacks HyperParameterTuningJobConfig, TrainingJobDefinition"),
        ("processing", {"request": {}}, "lacks AppSpecification, ProcessingResources, RoleArn"),
        ("transform", {"request": {}}, "lacks ModelName, TransformInput"),
        ("processing", {"data": {"bucket": "b"}}, "a processing job has its own inputs"),
        ("transform", {"data": {"bucket": "b"}}, "a batch transform job has its own inputs"),
        ("training", {"fallback_instance_types": "ml.g5.xlarge"}, "a list of types is expected"),
        ("training", {"fallback_instance_types": [1]}, "a list of types is expected"),
        ("transform", {"fallback_instance_types": ["ml.m5.large"]}, "has ml.m5.large twice"),
        ("tuning", {"fallback_instance_types": ["a", "b", "a"]}, "has a twice"),
    ],
)
def test_malformed_document_of_any_kind_is_refused(
    kind: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        read_job_document(json.dumps(DOCUMENTS[kind](**change)), JOB)


def test_name_in_the_request_is_refused() -> None:
    document = job_document()
    document["request"]["TrainingJobName"] = "mine"
    with pytest.raises(BadInputError, match="has a TrainingJobName: the trigger determines it"):
        read_job_document(json.dumps(document), JOB)


def test_tuning_job_s_name_has_room_for_the_digest() -> None:
    job = "j" * 22
    with pytest.raises(BadInputError, match="is not 1-21 letters"):
        read_job_document(json.dumps(tuning_document(job=job)), job)
    assert read_job_document(json.dumps(job_document(job=job)), job)["job"] == job


def test_groups_of_instances_have_no_fallback() -> None:
    document = job_document(fallback_instance_types=["ml.g5.xlarge"])
    document["request"]["ResourceConfig"] = {"InstanceGroups": [], "VolumeSizeInGB": 1}
    with pytest.raises(BadInputError, match="need one InstanceType in the request"):
        read_job_document(json.dumps(document), JOB)


def test_fallback_type_is_put_into_every_definition() -> None:
    document = tuning_document(fallback_instance_types=["ml.g5.xlarge"])
    one = document["request"].pop("TrainingJobDefinition")
    two = {k: v for k, v in one.items() if k != "ResourceConfig"}
    two["HyperParameterTuningResourceConfig"] = one["ResourceConfig"]
    document["request"]["TrainingJobDefinitions"] = [one, two]
    request = job_request(document, "n")
    with_type(document, request, 1)
    assert json.dumps(request).count("ml.g5.xlarge") == 2
    assert "ml.g5.xlarge" not in json.dumps(document["request"])


def test_trial_is_no_job_of_the_loop() -> None:
    name = TUNING.job_name("flights", "k")
    assert TUNING.is_job_of("flights", name)
    assert not TRAINING.is_job_of("flights", f"{name}-001-0123abcd")
    assert job_in_event({"HyperParameterTuningJobName": name}) == (TUNING, name)
    assert job_in_event({"EndpointName": "e"}) is None


def test_prefixes_of_a_tuning_job_are_its_definitions() -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/p"}}
    document = tuning_document(data=None)
    document["request"]["TrainingJobDefinition"]["InputDataConfig"] = [
        {"ChannelName": "train", "DataSource": source}
    ]
    assert list(input_prefixes(document)) == [("train", "s3://b/p")]


# triggers


def test_next_type_keeps_the_attempt_and_a_retry_uses_the_first_type() -> None:
    first = Trigger(kind="data", key="k", at=1.0, series="k", days=("a", "b"))
    second = fallback_of(first, instance=1, at=2.0)
    assert (second.key, second.attempt, second.instance, second.days) == (
        "fallback|k|1",
        1,
        1,
        None,
    )
    assert second == fallback_of(first, instance=1, at=2.0)
    assert Trigger.of(json.loads(second.to_json())) == second
    assert retry_of(second, attempt=2, at=3.0).instance == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"hyperparameter": {}}, "^the manual event has hyperparameter: only hyperparameters, id"),
        ({"hyperparameters": ["eta"]}, "an object of strings is expected"),
        (
            {"hyperparameters": {"eta": 0.1}},
            "the hyperparameter 'eta' is 0.1: a string is expected",
        ),
    ],
)
def test_malformed_manual_event_is_refused_in_one_line(more: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read_trigger({**MANUAL, **more})


@pytest.mark.feature("lifecycle: manual start")
def test_hyperparameters_of_a_manual_event_override_the_document_s() -> None:
    for document in (job_document(), tuning_document()):
        document["request"].setdefault("HyperParameters", {"eta": "0.3", "max_depth": "3"})
        text = json.dumps(job_request(document, "n", {"eta": "0.1"}))
        assert '"eta": "0.1"' in text
        assert '"max_depth": "3"' in text


def test_hyperparameters_for_a_job_without_any_are_refused() -> None:
    world = World(kind="processing", standalone=True)
    world.deploy()
    world.deliver("start_training", {**MANUAL, "hyperparameters": {"eta": "1"}})
    ((_, _, error),) = world.dead
    assert str(error) == "a processing job has no hyperparameters: the event must not have any"
    assert world.running_jobs() == []


# ends


@pytest.mark.parametrize(
    ("job", "text"),
    [
        ({"TrainingJobStatus": "Failed", "FailureReason": "x"}, "Failed: x"),
        ({"TrainingJobStatus": "Stopped", "SecondaryStatus": "MaxRuntimeExceeded"},
         "Stopped: MaxRuntimeExceeded"),
        ({"TrainingJobStatus": "Failed"}, "Failed: Failed"),
    ],
)  # fmt: skip
def test_failure_reason_includes_the_status(job: dict[str, str], text: str) -> None:
    assert failure_reason(TRAINING, job, []) == text


def test_exit_message_of_a_processing_job_is_its_reason() -> None:
    job = {"ProcessingJobStatus": "Failed", "ExitMessage": "bad column"}
    assert failure_reason(KINDS["processing"], job, []) == "Failed: bad column"


def test_capacity_error_requires_every_failed_trial_to_have_it() -> None:
    short, other = {"FailureReason": "CapacityError: no"}, {"FailureReason": "AlgorithmError"}
    assert is_capacity_error(short, [])
    assert is_capacity_error({"FailureReason": "All failed"}, [short, short])
    assert not is_capacity_error({"FailureReason": "All failed"}, [short, other])
    assert not is_capacity_error({}, [])


def test_job_that_never_started_has_no_duration() -> None:
    assert duration_of(TRAINING, {}) is None
    assert is_stopped_on_request(
        TRAINING, {"TrainingJobStatus": "Stopped", "SecondaryStatus": "Stopped"}
    )


# settings


def test_gate_s_companions_without_gate_are_refused() -> None:
    environment = {"STATE_TABLE": "t", "JOB": "j", "METRIC_NAMESPACE": "sageloop"}
    assert JobChangeConfig.read(environment).gate is None
    with pytest.raises(BadInputError, match="ENDPOINT_NAME without GATE"):
        JobChangeConfig.read({**environment, "ENDPOINT_NAME": "e"})
