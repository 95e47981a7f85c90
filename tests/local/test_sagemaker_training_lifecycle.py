"""Lifecycle of training jobs: checkpoints, spot, capacity, internal errors, warm pools."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from training_stage import (  # noqa: F401 - fixtures are found by name
    BUCKET,
    aws,
    messages,
    model,
    program,
    put,
    refusal,
    request,
    run,
    statuses,
    wait_for_log,
    world,
)

KEPT = {"S3Uri": "s3://training-tests/kept"}
SPOT = {
    "EnableManagedSpotTraining": True,
    "CheckpointConfig": KEPT,
    "StoppingCondition": {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 600},
}
BASE = """
import os, pathlib, signal
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
kept = base / "checkpoints"
"""
RESUMING = (
    BASE
    + """
done = kept / "epoch"
start = int(done.read_text()) if done.exists() else 0
for epoch in range(start, 4):
    done.write_text(str(epoch + 1))
    print(f"epoch {epoch} done", flush=True)
    if epoch == 1 and start == 0:
        signal.pause()
(base / "model/started-at").write_text(str(start))
"""
)
WARM = {
    "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1,
    "KeepAlivePeriodInSeconds": 600,
}  # fmt: skip
CACHING = """
import os, pathlib
base = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
kept = pathlib.Path(os.environ["SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"]) / "note"
(base / "model/found").write_text(kept.read_text() if kept.exists() else "nothing")
kept.write_text(os.environ["TRAINING_JOB_NAME"])
"""


@pytest.fixture
def pools(aws: SimpleNamespace) -> Any:
    yield aws
    aws.cloud.clock.advance(21_600)
    assert aws.cloud.settle(180) == []


def described(aws: SimpleNamespace, name: str = "job") -> dict[str, Any]:
    return dict(aws.sagemaker.describe_training_job(TrainingJobName=name))


def warm_pool_status(aws: SimpleNamespace, name: str) -> dict[str, Any]:
    return dict(described(aws, name)["WarmPoolStatus"])


@pytest.mark.feature("training: checkpoints both ways")
def test_checkpoints_are_downloaded_uploaded_and_deleted(
    aws: SimpleNamespace, program: Any
) -> None:
    put(aws, **{"kept/old": b"old", "kept/sub/gone": b"gone", "kept-not/x": b"x"})
    image = program(
        BASE + "found = sorted(str(p.relative_to(kept)) for p in kept.rglob('*') if p.is_file())\n"
        "(base / 'model/found').write_text(' '.join(found))\n"
        "(kept / 'sub/gone').unlink()\n"
        "(kept / 'sub/new').write_text('new')\n"
        "(base / 'model/config').write_text("
        "(base / 'input/config/checkpointconfig.json').read_text())\n"
    )

    run(aws, request("job", image, CheckpointConfig=KEPT))

    assert model(aws)["found"] == b"old sub/gone"
    files = b'{"S3Uri": "s3://training-tests/kept", "LocalPath": "/opt/ml/checkpoints"}'
    assert model(aws)["config"] == files
    keys = [o["Key"] for o in aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="kept/")["Contents"]]
    assert keys == ["kept/old", "kept/sub/new"]


def test_checkpoints_are_uploaded_while_the_job_runs(aws: SimpleNamespace, program: Any) -> None:
    up = __import__("threading").Event()

    def on_call(call: Any, _: Any) -> None:
        if call.params["Key"] == "kept/half":
            up.set()

    aws.cloud.front.after("s3:PutObject", on_call)
    image = program(BASE + "(kept / 'half').write_text('h')\nsignal.pause()\n")
    aws.sagemaker.create_training_job(**request("job", image, CheckpointConfig=KEPT))

    assert up.wait(180)

    assert described(aws)["SecondaryStatus"] == "Training"
    aws.sagemaker.stop_training_job(TrainingJobName="job")
    assert aws.cloud.settle(180) == []


@pytest.mark.feature("training: spot with checkpoints")
def test_interrupted_spot_job_continues_from_its_checkpoint(
    aws: SimpleNamespace, program: Any
) -> None:
    aws.cloud.faults.interrupt_spot("job", when_logged="epoch 1 done")

    job = run(aws, request("job", program(RESUMING), **SPOT))

    assert statuses(job) == [
        "Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading",
        "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert model(aws) == {"started-at": b"2"}
    assert job["EnableManagedSpotTraining"]


@pytest.mark.feature("training: billable time of spot is below training time")
def test_spot_job_continues_after_waiting_for_capacity(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.interrupt_spot("job", when_logged="epoch 1 done")
    once = [lambda: aws.cloud.faults.refuse_capacity("ml.m5.large")]
    aws.cloud.front.after("logs:PutLogEvents", lambda *_: once.pop()() if once else None)
    waiting = run(aws, request("job", program(RESUMING), **SPOT))
    last = waiting["SecondaryStatusTransitions"][-1]
    assert last["Status"] == "Starting"
    assert last["StatusMessage"].startswith("Insufficient capacity error from EC2")

    aws.cloud.clock.advance(60)

    assert aws.cloud.settle(180) == []
    job = described(aws)
    assert job["TrainingJobStatus"] == "Completed"
    assert job["TrainingTimeInSeconds"] >= 60
    assert job["BillableTimeInSeconds"] < 10


@pytest.mark.feature("training: maximum wait")
def test_spot_job_over_max_wait_time_is_stopped(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.refuse_capacity("ml.m5.large", times=None)
    run(aws, request("job", program(""), **SPOT))

    for _ in range(10):
        aws.cloud.clock.advance(60)
        assert aws.cloud.settle(180) == []

    job = described(aws)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert statuses(job)[-2:] == ["Stopping", "MaxWaitTimeExceeded"]
    assert "TrainingTimeInSeconds" not in job


def test_waiting_spot_job_can_be_stopped(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.refuse_capacity("ml.m5.large")
    run(aws, request("job", program(""), **SPOT))

    aws.sagemaker.stop_training_job(TrainingJobName="job")

    assert aws.cloud.settle(180) == []
    assert described(aws)["SecondaryStatus"] == "Stopped"


@pytest.mark.feature("training: capacity refused")
def test_on_demand_job_without_capacity_fails(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.refuse_capacity("ml.m5.large")

    job = run(aws, request("job", program("")))

    assert job["FailureReason"] == (
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
        "different ML instance type."
    )
    assert "TrainingStartTime" not in job


@pytest.mark.feature("training: quota refused")
def test_quota_is_refused_at_creation(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.refuse_quota("ml.m5.large")

    code, message = refusal(aws, request("job", program("")))

    assert code == "ResourceLimitExceeded"
    assert message.startswith(
        "The account-level service limit 'ml.m5.large for training job usage'"
    )
    with pytest.raises(ClientError, match="Requested resource not found"):
        described(aws)


@pytest.mark.feature("training: internal errors are retried")
def test_internal_error_restarts_the_job(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.fail_internally("job", times=2)
    image = program("print('here', flush=True)\n")

    job = run(aws, request("job", image, RetryStrategy={"MaximumRetryAttempts": 2}))

    assert statuses(job).count("Restarting") == 2
    assert job["TrainingJobStatus"] == "Completed"


def test_run_time_of_all_attempts_is_limited_together(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.interrupt_spot("job", when_logged="epoch 1 done")
    limits = {"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 100}
    spec = request(
        "job", program(RESUMING + "signal.pause()"), **SPOT | {"StoppingCondition": limits}
    )

    job = run(aws, spec)

    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert job["TrainingTimeInSeconds"] <= 4


@pytest.mark.feature("training: warm pools")
def test_matching_job_reuses_the_warm_pool_and_its_cache(
    pools: SimpleNamespace, program: Any
) -> None:
    image = program(CACHING)
    first = run(pools, request("first", image, ResourceConfig=WARM))
    assert first["WarmPoolStatus"] == {
        "Status": "Available", "ResourceRetainedBillableTimeInSeconds": 0
    }  # fmt: skip
    pools.cloud.clock.advance(100)
    pools.cloud.faults.refuse_capacity("ml.m5.large")  # a job with a warm pool needs no capacity

    second = run(pools, request("second", image, ResourceConfig=WARM))

    assert second["TrainingJobStatus"] == "Completed"
    assert model(pools, "first") == {"found": b"nothing"}
    assert model(pools, "second") == {"found": b"first"}
    status = warm_pool_status(pools, "first")
    assert (status["Status"], status["ReusedByJob"]) == ("Reused", "second")
    assert status["ResourceRetainedBillableTimeInSeconds"] >= 100
    listed = pools.sagemaker.list_training_jobs(WarmPoolStatusEquals="Available")
    assert [s["TrainingJobName"] for s in listed["TrainingJobSummaries"]] == ["second"]


def test_different_job_does_not_use_the_warm_pool(pools: SimpleNamespace, program: Any) -> None:
    image = program("")
    run(pools, request("first", image, ResourceConfig=WARM))

    run(pools, request("second", image, ResourceConfig=WARM | {"VolumeSizeInGB": 2}))

    assert warm_pool_status(pools, "first")["Status"] == "Available"


def test_warm_pool_ends_after_its_period(pools: SimpleNamespace, program: Any) -> None:
    run(pools, request("first", program(""), ResourceConfig=WARM))
    with pytest.raises(ClientError, match="while its warm pool is Available"):
        pools.sagemaker.delete_training_job(TrainingJobName="first")

    pools.cloud.clock.advance(600)

    assert pools.cloud.settle(180) == []
    assert warm_pool_status(pools, "first") == {
        "Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 600
    }  # fmt: skip


def longer(aws: SimpleNamespace) -> str:
    update(aws, 2000)
    aws.cloud.clock.advance(700)
    return "Available"


def ended(aws: SimpleNamespace) -> str:
    update(aws, 0)
    return "Terminated"


def update(aws: SimpleNamespace, seconds: int) -> None:
    aws.sagemaker.update_training_job(
        TrainingJobName="first", ResourceConfig={"KeepAlivePeriodInSeconds": seconds}
    )


@pytest.mark.parametrize("act", [longer, ended])
def test_warm_pool_is_updated(
    pools: SimpleNamespace, program: Any, act: Callable[[SimpleNamespace], str]
) -> None:
    run(pools, request("first", program(""), ResourceConfig=WARM))

    expected = act(pools)

    assert pools.cloud.settle(180) == []
    assert warm_pool_status(pools, "first")["Status"] == expected


def test_job_without_a_pool_cannot_be_updated(aws: SimpleNamespace, program: Any) -> None:
    run(aws, request("first", program("")))

    with pytest.raises(ClientError, match="must be Available to be updated; its status is none"):
        update(aws, 10)


def test_no_warm_pool_after_an_internal_error(aws: SimpleNamespace, program: Any) -> None:
    aws.cloud.faults.fail_internally("job")

    job = run(aws, request("job", program(""), ResourceConfig=WARM))

    assert job["WarmPoolStatus"] == {"Status": "Terminated"}


@pytest.mark.feature("training: live logs")
def test_log_is_written_while_the_job_runs(aws: SimpleNamespace, program: Any) -> None:
    image = program("import signal\nprint('now', flush=True)\nsignal.pause()")
    aws.sagemaker.create_training_job(**request("job", image))

    wait_for_log(aws)

    assert messages(aws, "job") == ["now"]
    assert described(aws)["SecondaryStatus"] == "Training"
    aws.sagemaker.stop_training_job(TrainingJobName="job")
    assert aws.cloud.settle(180) == []


@pytest.mark.feature("training: launch callbacks receive metrics and the end")
def test_launch_callbacks_receive_metrics_and_final_document(
    aws: SimpleNamespace, program: Any
) -> None:
    image = program("print('loss=2')\nprint('loss=1')")
    spec = request("job", image)
    spec["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "l", "Regex": "loss=(.)"}]
    events: list[Any] = []

    arn = aws.cloud.service("sagemaker").training.launch(
        spec, tuning_job_arn="arn:tuning", on_metric=lambda *values: events.append(values),
        on_end=lambda job: events.append(job["TrainingJobStatus"]),
    )  # fmt: skip

    assert aws.cloud.settle(180) == []
    assert events == [("l", 2.0), ("l", 1.0), "Completed"]
    job = described(aws)
    assert (job["TrainingJobArn"], job["TuningJobArn"]) == (arn, "arn:tuning")


def test_launch_callback_receives_the_end_of_a_stored_job(aws: SimpleNamespace) -> None:
    events: list[Any] = []
    training = aws.cloud.service("sagemaker").training
    training.launch(
        request("job", "elsewhere/image:1"),
        on_end=lambda job: events.append(job["SecondaryStatus"]),
    )

    training.stop_job("job")

    assert events == ["Stopped"]


def test_checkpoints_stay_where_the_role_may_not_delete_them(
    aws: SimpleNamespace, program: Any
) -> None:
    policy = aws.iam.get_role_policy(RoleName="training-tests", PolicyName="work")["PolicyDocument"]
    (statement,) = policy["Statement"]
    kept = [action for action in statement["Action"] if action != "s3:DeleteObject"]
    changed = {**policy, "Statement": [{**statement, "Action": kept}]}
    put(aws, **{"kept/gone": b"gone"})
    image = program(BASE + "(kept / 'gone').unlink()\n")
    aws.iam.put_role_policy(
        RoleName="training-tests", PolicyName="work", PolicyDocument=json.dumps(changed)
    )
    try:
        run(aws, request("job", image, CheckpointConfig=KEPT))
    finally:
        aws.iam.put_role_policy(
            RoleName="training-tests", PolicyName="work", PolicyDocument=json.dumps(policy)
        )

    keys = [o["Key"] for o in aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="kept/")["Contents"]]
    assert keys == ["kept/gone"]
