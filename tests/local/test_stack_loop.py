"""The closed loop on a small data set, driven and judged through AWS's own APIs."""

from __future__ import annotations

import base64
import fnmatch
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deployed import Loop, deploy_project, rows

from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker import validation
from sageloop.waiting import until

pytestmark = pytest.mark.slow

WINTER, SUMMER = date(2013, 1, 1), date(2013, 6, 1)
SHIFT = 30.0
_COMMAND = Path(sys.executable).with_name("sageloop")
_HOURS = 8
# What the wire calls one thing and IAM another.
_ACTIONS = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "lambda:Invoke": "lambda:InvokeFunction",
}
# Anybody may ask who they are.
_FREE = frozenset(("sts:GetCallerIdentity",))


@dataclass
class Closed:
    """What one run through the loop left behind."""

    loop: Loop
    first: dict[str, Any]
    hours: int
    alarmed: str
    second: dict[str, Any]


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud.start() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def closed(cloud: LocalCloud) -> Closed:
    """Deploy, train on winter, ask in summer until the alarm, let the loop close."""
    loop = deploy_project(cloud)
    loop.deliver(WINTER, 14)
    first = until("the first endpoint", loop.watch.in_service, seconds=180)
    cloud.settle()
    loop.deliver(SUMMER, 21, shift=SHIFT, manifest=False)
    _pass(cloud, hours=6)  # an alarm soon after a training starts nothing
    hours = 0
    while loop.watch.alarm()["StateValue"] != "ALARM" and hours < _HOURS:
        hours += 1
        loop.ask(SUMMER + timedelta(days=20 + hours), shift=SHIFT)
        cloud.settle()  # captured data is written a moment after the answer
        _pass(cloud, hours=1)
    alarmed = loop.watch.alarm()["StateValue"]
    cloud.set_rate(60)
    second = until(
        "the new configuration",
        lambda: loop.watch.in_service(other_than=first["EndpointConfigName"]), seconds=180,
    )  # fmt: skip
    cloud.set_rate(1)
    cloud.settle()
    return Closed(loop, first, hours, alarmed, second)


def _pass(cloud: LocalCloud, *, hours: float) -> None:
    """Let virtual hours go by with everything that is due in them, an hour in half a second."""
    end = cloud.time() + 3600 * hours
    cloud.set_rate(7200)
    until("the hours to pass", lambda: cloud.time() >= end, seconds=180)
    cloud.set_rate(60)
    cloud.settle()


def test_delivered_data_trains_a_model_that_becomes_champion_on_two_instances(
    closed: Closed,
) -> None:
    job = closed.loop.watch.jobs()[0]
    (variant,) = closed.first["ProductionVariants"]

    assert job["TrainingJobStatus"] == "Completed"
    assert (variant["CurrentInstanceCount"], closed.first["EndpointStatus"]) == (2, "InService")
    assert job["TrainingJobName"] in closed.loop.watch.model(closed.first["EndpointConfigName"])


@pytest.mark.feature("capture: answers under their inference ids")
def test_captured_answers_lie_in_the_store_under_their_inference_ids(closed: Closed) -> None:
    s3, bucket = closed.loop.cloud.client("s3"), closed.loop.names.bucket
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"capture/{closed.loop.names.endpoint}/")
    lines = [
        json.loads(line)
        for item in found["Contents"]
        for line in s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read().splitlines()
    ]

    asked = {line["eventMetadata"].get("inferenceId") for line in lines}
    assert {f"ask-{n}" for n in range(1, 10 * closed.hours + 1)} <= asked
    data = lines[0]["captureData"]["endpointInput"]
    text = base64.b64decode(data["data"]).decode() if data["encoding"] == "BASE64" else data["data"]
    assert "," in text


@pytest.mark.feature("operations: every object of the store lies under the store's key")
def test_every_object_of_the_store_lies_under_its_key(closed: Closed) -> None:
    s3, bucket = closed.loop.cloud.client("s3"), closed.loop.names.bucket
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    key = encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    heads = {
        item["Key"]: s3.head_object(Bucket=bucket, Key=item["Key"])
        for page in pages
        for item in page["Contents"]
    }

    assert {name.split("/")[0] for name in heads} >= {
        "capture",
        "datasets",
        "models",
        "ground-truth",
    }
    assert {(head["ServerSideEncryption"], head["SSEKMSKeyId"]) for head in heads.values()} == {
        ("aws:kms", key)
    }


def test_the_live_error_in_cloudwatch_is_what_the_world_changed_by(closed: Closed) -> None:
    config = closed.first["EndpointConfigName"]
    errors = [error for _, error in closed.loop.watch.errors(closed.loop.began, config=config)]

    assert len(errors) >= 3
    assert all(abs(error - SHIFT) < 3 for error in errors)


def test_three_bad_windows_put_the_alarm_to_alarm(closed: Closed) -> None:
    assert closed.alarmed == "ALARM"
    assert 3 <= closed.hours < _HOURS
    assert closed.loop.watch.transitions() == 1


def test_the_alarm_starts_exactly_one_retraining(closed: Closed) -> None:
    first, *more = closed.loop.watch.jobs()

    assert len(more) == 1
    assert more[0]["TrainingJobStatus"] == "Completed"
    trained = closed.loop.cloud.client("sagemaker").describe_training_job(
        TrainingJobName=more[0]["TrainingJobName"]
    )
    assert trained["CreationTime"] > first["CreationTime"]


@pytest.mark.feature("promotion: approval by the gate")
def test_the_better_challenger_is_registered_and_rolled_out(closed: Closed) -> None:
    config = closed.second["EndpointConfigName"]

    assert [p["ModelApprovalStatus"] for p in closed.loop.packages()] == ["Approved"] * 2
    assert config != closed.first["EndpointConfigName"]
    assert closed.loop.watch.jobs()[1]["TrainingJobName"] in closed.loop.watch.model(config)
    assert closed.loop.champion()["live_config"] == config


def test_the_new_champion_knows_the_changed_world(closed: Closed) -> None:
    day = SUMMER + timedelta(days=60)
    answers = closed.loop.ask(day, shift=SHIFT, requests=1)

    truth = [label for label, _ in rows(day, SHIFT)][::1][:5]
    assert max(abs(a - t) for a, t in zip(answers, truth, strict=True)) < 8


def test_a_repeated_alarm_event_starts_no_second_retraining(closed: Closed) -> None:
    cloud, alarm = closed.loop.cloud, closed.loop.names.alarm
    cloud.fault("event", "CloudWatch Alarm State Change", copies=3)
    client = cloud.client("cloudwatch")
    client.set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="test")
    cloud.settle()
    client.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    cloud.settle()
    cloud.clear_faults()

    assert len(closed.loop.watch.jobs()) == 2  # within the cooldown of six hours


def _sageloop(closed: Closed, folder: Path, *words: str) -> dict[str, Any]:
    """The report of a command against the deployed stack."""
    report, cloud = folder / "report.json", closed.loop.cloud
    done = subprocess.run(
        [_COMMAND, *words, "--endpoint-url", cloud.endpoint_url, "--json", str(report)],
        text=True, capture_output=True, check=False, cwd=folder, timeout=600,
        env=cloud.access.write(folder / "access.json").environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(report.read_text()))


@pytest.mark.feature("promotion: history and rollback of the project's own stacks")
def test_the_former_champion_comes_back_by_the_stacks_own_canary(
    closed: Closed, tmp_path: Path
) -> None:
    cloud, name = closed.loop.cloud, closed.loop.names.endpoint
    cloud.set_rate(60)
    rolled = _sageloop(closed, tmp_path, "rollback", name, "--wait")
    cloud.set_rate(1)
    told = _sageloop(closed, tmp_path, "history", name)

    assert rolled["end"]["live"]
    assert rolled["end"]["config"] == closed.first["EndpointConfigName"]
    (endpoint,) = told["endpoints"]
    jobs = [job["TrainingJobName"] for job in closed.loop.watch.jobs()]
    assert [model["origin"]["training_job"] for model in endpoint["models"]] == jobs[::-1]
    assert [model["status"] for model in endpoint["models"]] == ["former champion", "champion"]


def test_no_call_of_a_function_or_job_lacks_permission(closed: Closed) -> None:
    cloud = closed.loop.cloud
    allowed = _allowed(cloud)
    made: dict[str, set[str]] = {}
    for call in cloud.calls():
        principal = call["principal"]
        if ":assumed-role/" in principal:
            role = principal.split(":assumed-role/")[1].split("/")[0]
            made.setdefault(role, set()).add(_ACTIONS.get(call["action"], call["action"]))

    lacking = {
        f"{role}: {action}"
        for role, actions in made.items()
        if role in allowed
        for action in actions - _FREE
        if not any(fnmatch.fnmatchcase(action, pattern) for pattern in allowed[role])
    }
    assert len(set(made) & set(allowed)) >= 6  # functions, the job, the model
    assert lacking == set()


def test_no_call_of_the_loop_failed_for_a_reason_of_its_own(closed: Closed) -> None:
    # Lost races (while hours pass in a second the reconciler may finish what a starter has begun:
    # the job's name is then taken), an endpoint or a log stream that is not there yet.
    expected = ("ConditionalCheckFailedException", "ValidationException", "ResourceInUse",
                "ResourceNotFoundException", "ResourceAlreadyExistsException")  # fmt: skip
    failed = {
        f"{call['action']}: {call['outcome']}"
        for call in closed.loop.cloud.calls()
        if ":assumed-role/" in call["principal"] and call["outcome"] not in ("OK", *expected)
    }
    assert failed == set()


def _allowed(cloud: LocalCloud) -> dict[str, set[str]]:
    """Action patterns by role, of every role that the stacks made."""
    iam = cloud.client("iam")
    allowed: dict[str, set[str]] = {}
    for role in iam.list_roles(MaxItems=1000)["Roles"]:
        name = role["RoleName"]
        documents = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            arn = policy["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            held = iam.get_policy_version(PolicyArn=arn, VersionId=version)
            documents.append(held["PolicyVersion"]["Document"])
        allowed[name] = {action for document in documents for action in _actions_of(document)}
    return allowed


def _actions_of(document: dict[str, Any]) -> Iterator[str]:
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            action = statement["Action"]
            yield from [action] if isinstance(action, str) else action


@pytest.mark.feature("fidelity: every request of the loop keeps to botocore's model")
def test_every_request_keeps_to_the_model_of_its_operation(
    cloud: LocalCloud, closed: Closed
) -> None:
    wrong, seen = {}, set()
    for call in cloud.calls():
        service, _, operation = call["action"].partition(":")
        # Of S3's XML bodies the record has no members; SourceArn is the record's own.
        params = {k: v for k, v in call["params"].items() if k != "SourceArn"}
        if service == "s3":
            continue
        seen.add(service)
        if operation.startswith("InvokeEndpoint"):  # IAM has one prefix for both services
            service, params = "sagemaker-runtime", params | {"Body": b""}  # kept without it
        try:
            validation.check(operation, params, service=service)
        except AwsError as error:
            wrong[call["action"]] = str(error)

    assert wrong == {}
    assert {"dynamodb", "events", "lambda", "sagemaker", "cloudwatch"} <= seen


def test_the_demo_reads_the_holdout_of_each_training(closed: Closed) -> None:
    watch = closed.loop.watch

    assert watch.runs() == [job["TrainingJobName"] for job in watch.jobs()]
    assert all(watch.holdout(run) is not None for run in watch.runs())
