"""CloudFormation's protocol and the small custom resources."""

from __future__ import annotations

import json
import time
import urllib.error
from collections.abc import Mapping
from typing import Any

import pytest
from documents import (
    DOCUMENTS,
    ENDPOINT,
    JOB,
    job_document,
    serving_document,
    tuning_document,
)  # fmt: skip
from fake_client import client_error
from sageloop_runtime.aws.custom_resource import Outcome, Request, run
from world import World


class Context:
    invoked_function_arn = "arn"

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


EVENT = {
    "RequestType": "Create", "ResponseURL": "https://answer", "StackId": "s", "RequestId": "r",
    "LogicalResourceId": "L", "ResourceProperties": {},
}  # fmt: skip


class Answers:
    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.bodies: list[bytes] = []

    def __call__(self, _url: str, body: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise urllib.error.URLError("refused")
        self.bodies.append(body)

    @property
    def last(self) -> dict[str, Any]:
        return dict(json.loads(self.bodies[-1]))


def answered(action: Any, *, answers: Answers | None = None, seconds: float = 60.0) -> Answers:
    answers = Answers() if answers is None else answers
    run(
        EVENT, Context(seconds), lambda _: {"Create": action}, physical_id=lambda _: "own",
        send=answers, pause=lambda _: None,
    )  # fmt: skip
    return answers


def test_outcome_is_the_response() -> None:
    last = answered(lambda _: Outcome(data={"A": "b"})).last
    assert (last["Status"], last["PhysicalResourceId"], last["Data"]) == (
        "SUCCESS", "own", {"A": "b"},
    )  # fmt: skip


def test_exception_is_the_response_in_one_line() -> None:
    def broken(_: Request) -> Outcome:
        raise RuntimeError("first\nsecond")

    last = answered(broken).last
    assert (last["Status"], last["Reason"]) == ("FAILED", "RuntimeError: first second")


def test_invalid_setting_is_the_response() -> None:
    def settings(_: object) -> Mapping[str, Any]:
        raise KeyError("STATE_TABLE")

    answers = Answers()
    run(
        EVENT, Context(), settings, physical_id=lambda _: "own", send=answers,
        pause=lambda _: None,
    )  # fmt: skip
    assert (answers.last["Status"], answers.last["PhysicalResourceId"]) == ("FAILED", "own")


def test_response_that_is_not_accepted_is_sent_again() -> None:
    assert len(answered(lambda _: Outcome(), answers=Answers(3)).bodies) == 1


@pytest.mark.parametrize("text", ["x" * 9000, "\u00e9" * 9000])
def test_response_is_never_longer_than_allowed(text: str) -> None:
    def broken(_: Request) -> Outcome:
        raise RuntimeError(text)

    answers = answered(broken)
    assert len(answers.bodies[0]) <= 4096
    answers = answered(lambda _: Outcome(data={"D": text}))
    assert len(answers.bodies[0]) <= 4096


def test_function_that_runs_out_of_time_responds_once() -> None:
    answers = answered(lambda _: time.sleep(0.4) or Outcome(), seconds=4.0)
    assert [json.loads(body)["Reason"] for body in answers.bodies] == ["Create ran out of time"]


def test_deferred_outcome_sends_no_response() -> None:
    assert answered(lambda _: Outcome(deferred=True)).bodies == []


def test_default_security_group_loses_every_rule() -> None:
    world = World()
    rule = {"IpProtocol": "-1"}
    world.groups["sg"] = {"IpPermissions": [rule], "IpPermissionsEgress": [rule]}
    properties = {"SecurityGroupId": "sg"}
    for kind in ("Create", "Update", "Delete"):
        answer = world.resource("default_security_group_resource", kind, properties, physical="sg")
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "sg")
    assert world.groups["sg"] == {"IpPermissions": [], "IpPermissionsEgress": []}
    assert world.counts["ec2:RevokeSecurityGroupIngress"] == 1


def test_start_on_deploy_starts_once_with_the_creation_time_of_the_job() -> None:
    world = World().with_data()
    text = json.dumps(job_document(start_on_deploy=True))
    properties = {"Job": JOB, "Document": text}
    for kind in ("Create", "Create", "Update"):
        answer = world.resource("job_resource", kind, properties)
        assert answer["Status"] == "SUCCESS"
    assert len(world.running_jobs()) == 1
    assert world.row(f"loop#{JOB}")["last_started_at"] == world.now


def test_deletion_stops_jobs_in_progress_and_deletes_the_document() -> None:
    world = World().with_data()
    world.deliver("start_training", world.data_event())
    properties = {"Job": JOB, "Document": json.dumps(job_document())}
    for _ in range(2):
        answer = world.resource("job_resource", "Delete", properties, physical=JOB)
        assert answer["Status"] == "SUCCESS"
    world.drain()
    assert world.running_jobs() == []
    assert f"job#{JOB}" not in world.rows
    assert world.run("start_training", world.data_event("v2"))["status"] == "ignored"


@pytest.mark.feature("lifecycle: unchanged never re-runs")
@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_unchanged_document_of_any_kind_starts_once(kind: str) -> None:
    world = World(kind=kind, standalone=True)
    world.deliver_days("2013-01-01", "2013-02-28")
    for action in ("Create", "Update", "Create"):
        assert world.put_job(action, start_on_deploy=True)["Status"] == "SUCCESS"
    world.finish(world.only_job())
    world.drain()
    assert world.put_job("Update", start_on_deploy=True)["Status"] == "SUCCESS"
    assert world.running_jobs() == []
    assert len([name for name in world.jobs if name.count("-") == 1]) == 1


@pytest.mark.feature("lifecycle: stop on delete")
@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_deletion_stops_jobs_in_progress_of_any_kind(kind: str) -> None:
    world = World(kind=kind, standalone=True)
    world.deliver_days("2013-01-01", "2013-02-28")
    world.put_job(start_on_deploy=True)
    name = world.only_job()
    properties = {"Job": JOB, "Document": json.dumps(world.document(start_on_deploy=True))}
    for _ in range(2):
        answer = world.resource("job_resource", "Delete", properties, physical=JOB)
        assert answer["Status"] == "SUCCESS"
    assert world.kinds[name].status(world.jobs[name]) == "Stopped"
    assert f"job#{JOB}" not in world.rows


@pytest.mark.feature("lifecycle: stop on rollback")
@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_changed_document_stops_the_deployment_s_job_and_starts_another(kind: str) -> None:
    world = World(kind=kind, standalone=True)
    world.deliver_days("2013-01-01", "2013-02-28")
    world.put_job(start_on_deploy=True)
    first = world.only_job()
    world.put_job("Update", start_on_deploy=True, fallback_instance_types=["ml.m5.xlarge"])
    world.drain()
    assert world.kinds[first].status(world.jobs[first]) == "Stopped"
    assert world.only_job() != first


def test_job_that_becomes_another_kind_keeps_its_new_document() -> None:
    """CloudFormation creates the new resource first, then deletes the old one of the same name."""
    world = World()
    world.deliver_days("2013-01-01", "2013-02-28")
    old = _owned(world, "Old", job_document(start_on_deploy=True))
    (training,) = world.running_jobs()
    new = _owned(world, "New", tuning_document())
    _gone(world, old, "training")
    assert world.jobs[training]["TrainingJobStatus"] == "Stopped"
    assert json.loads(world.row(f"job#{JOB}")["document"])["kind"] == "tuning"
    _gone(world, new, "tuning")
    assert f"job#{JOB}" not in world.rows


def test_rollback_of_a_successor_restores_the_previous_document() -> None:
    world = World()
    world.deliver_days("2013-01-01", "2013-02-28")
    _owned(world, "Old", job_document())
    new = _owned(world, "New", tuning_document(start_on_deploy=True))
    (tuning,) = world.running_jobs()
    _gone(world, new, "tuning")
    assert world.jobs[tuning]["HyperParameterTuningJobStatus"] == "Stopped"
    assert json.loads(world.row(f"job#{JOB}")["document"]) == job_document()


def _owned(world: World, logical: str, document: dict[str, Any]) -> dict[str, Any]:
    event = {
        **EVENT, "LogicalResourceId": logical,
        "ResourceProperties": {"Job": JOB, "Document": json.dumps(document)},
    }  # fmt: skip
    world.kind = document.get("kind", "training")
    assert world.run("job_resource", event)["Status"] == "SUCCESS"
    return event


def _gone(world: World, event: dict[str, Any], kind: str) -> None:
    """The resource is deleted, and CloudFormation sends the event twice."""
    world.kind = kind
    for _ in range(2):
        gone = {**event, "RequestType": "Delete", "PhysicalResourceId": JOB}
        assert world.run("job_resource", gone)["Status"] == "SUCCESS"


def test_refused_job_fails_the_deployment_in_one_line_without_an_alert() -> None:
    world = World(kind="processing", standalone=True)
    error = client_error("ValidationException", "no such image")
    world.failures["sagemaker:CreateProcessingJob"] = [error]
    answer = world.put_job(start_on_deploy=True)
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == (
        "the processing job cannot be started: ValidationException: no such image"
    )
    assert "alerts" not in world.row(f"loop#{JOB}")


def test_channel_that_cannot_be_listed_is_not_refused() -> None:
    world = World(standalone=True)
    world.failures["s3:ListBucket"] = [client_error("AccessDenied", "no", 403)]
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://elsewhere/x"}}
    document = job_document(data=None, start_on_deploy=True)
    document["request"]["InputDataConfig"] = [{"ChannelName": "train", "DataSource": source}]
    properties = {"Job": JOB, "Document": json.dumps(document)}
    assert world.resource("job_resource", "Create", properties)["Status"] == "SUCCESS"


def test_first_deployment_of_an_endpoint_only_records() -> None:
    world = World()
    properties = {"EndpointName": ENDPOINT, "Document": json.dumps(serving_document())}
    world.resource("champion_endpoint_resource", "Create", properties)
    assert {action.split(":")[0] for function, action in world.calls if function} == {"dynamodb"}
