"""Paths of the functions that the demo does not take: lost events, failures, stops and deletions.

The tests take one path after the other on one stack. Each also checks that the rare permissions
that ``tests/security/rare_permissions.toml`` lists for it were used, under enforced access.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from deployed import in_process
from hosting_stage import served_image
from rare_stage import DATA, ENDPOINT, JOB, STACK, RareStage

from sageloop.local_cloud.assembly import destroy
from sageloop.waiting import until
from scripts.rare_permissions import rare_permissions, used_permissions

pytestmark = [pytest.mark.slow, pytest.mark.long]

FUNCTIONS = (
    "NetworkDefaultGroupFunction", "JobFunction", "EndpointPromoter", "EndpointResourceFunction",
    "LoopEvaluate", "LoopOnJobChange", "LoopReconcile", "LoopStartTraining",
)  # fmt: skip

_ENDLESS = 10_000_000


@pytest.fixture(scope="module")
def stage() -> Iterator[RareStage]:
    """The stack with data; events of the promoter are lost."""
    with served_image(), in_process() as (inside, cloud):
        stage = RareStage(inside, cloud)
        stage.deploy()
        stage.deliver()
        stage.lose_events(lost=True)
        yield stage


@pytest.fixture(autouse=True)
def listed_permissions_are_used(request: pytest.FixtureRequest, stage: RareStage) -> Iterator[None]:
    """After each test the permissions that are listed for it have been used."""
    yield
    used = used_permissions(stage.cloud.decisions())
    listed = {
        permission
        for rare in rare_permissions()
        if rare.test == request.node.nodeid.replace("\\", "/")
        for permission in rare.permissions
    }
    assert sorted(listed - used) == []
    of_deleted_role = "TrainingRole" if "deletion" in request.node.name else None
    denials = stage.cloud.denials()
    assert [
        text for text in denials if of_deleted_role is None or of_deleted_role not in text
    ] == []


def test_event_that_every_attempt_refuses_is_a_dead_letter(stage: RareStage) -> None:
    stage.fail(*FUNCTIONS)

    assert {name: stage.dead_letters(name) for name in FUNCTIONS} == dict.fromkeys(FUNCTIONS, 1)


def test_reconciler_creates_the_endpoint_after_a_lost_event(stage: RareStage) -> None:
    stage.approve()
    assert stage.status() == "none"

    assert stage.reconcile() == "waiting"
    stage.finish()

    assert stage.status() == "InService"


def test_deployment_concludes_a_rollout_whose_event_was_lost(stage: RareStage) -> None:
    stage.deploy(requests=500.0)
    assert stage.status() == "Updating"
    stage.finish()

    assert stage.reconcile() == "live"


def test_deployment_restores_scaling_after_a_lost_rollback(stage: RareStage) -> None:
    stage.add_scheduled_action()
    stage.deploy_broken(instance_type="ml.c5.large")
    stage.finish()
    assert stage.scheduled_actions() == []

    stage.deploy_mended(instance_type="ml.m5.large", requests=410.0)

    assert stage.scheduled_actions() == ["night"]


def test_reconciler_restores_scaling_after_a_lost_rollback(stage: RareStage) -> None:
    assert stage.status() == "Updating"
    stage.deploy_broken(instance_type="ml.c5.large")  # the endpoint is busy: nothing starts
    stage.finish()
    assert stage.reconcile() == "waiting"
    stage.finish()
    assert stage.scheduled_actions() == []

    assert stage.reconcile() == "rolled back"

    assert stage.scheduled_actions() == ["night"]


def test_deployment_creates_the_endpoint_that_a_person_deleted(stage: RareStage) -> None:
    stage.cloud.client("sagemaker").delete_endpoint(EndpointName=ENDPOINT)
    stage.finish("none")

    stage.deploy_mended(instance_type="ml.m5.large", requests=420.0)
    stage.finish()

    assert stage.status() == "InService"
    assert stage.reconcile() == "live"


def test_reconciler_deletes_superseded_configurations_and_models(stage: RareStage) -> None:
    client = stage.cloud.client("sagemaker")
    first = client.list_models(SortBy="CreationTime", SortOrder="Ascending")["Models"][0]
    for _ in range(4):
        stage.approve()
        assert stage.reconcile() == "waiting"
        stage.finish()
        assert stage.reconcile() == "live"

    assert first["ModelName"] not in {m["ModelName"] for m in client.list_models()["Models"]}


def test_reconciler_stops_an_endpoint_that_was_busy(stage: RareStage) -> None:
    stage.approve()
    assert stage.reconcile() == "waiting"
    assert stage.request("stop") == "accepted"
    assert stage.status() == "Updating"
    stage.finish()

    assert stage.reconcile() == "waiting"
    stage.finish("none")


def test_promoter_starts_the_stopped_endpoint(stage: RareStage) -> None:
    stage.lose_events(lost=False)

    assert stage.request("start") == "accepted"
    stage.finish()

    assert stage.status() == "InService"


def test_promoter_restores_scaling_after_a_rollback(stage: RareStage) -> None:
    stage.add_scheduled_action()
    deregistered = stage.calls("application-autoscaling:DeregisterScalableTarget")
    registered = stage.calls("application-autoscaling:PutScheduledAction")
    stage.approve()
    until("the rollout", lambda: stage.status() == "Updating", seconds=60)
    stage.deploy_broken(instance_type="ml.c5.large")  # the endpoint is busy: nothing starts

    def restored() -> bool:
        stage.cloud.advance(seconds=60)
        return stage.calls("application-autoscaling:PutScheduledAction") > registered

    until("the scheduled action", restored, seconds=300)
    stage.finish()

    assert stage.calls("application-autoscaling:DeregisterScalableTarget") == deregistered + 1
    assert stage.scheduled_actions() == ["night"]


def test_promoter_stops_the_endpoint(stage: RareStage) -> None:
    assert stage.request("stop") == "accepted"
    stage.finish("none")


def test_manual_request_trains_and_registers_a_model(stage: RareStage) -> None:
    stage.deploy_mended()
    assert stage.request("start") == "accepted"  # without a champion in service the gate waits
    stage.finish()
    client, group = stage.cloud.client("sagemaker"), stage.outputs["PackageGroup"]
    count = len(client.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"])

    started = stage.invoke("LoopStartTraining", source="manual", id="first")

    assert started["status"] == "started"

    def registered() -> bool:
        stage.cloud.advance(seconds=60)
        listed = client.list_model_packages(ModelPackageGroupName=group)
        return len(listed["ModelPackageSummaryList"]) == count + 1

    until("the package", registered, seconds=120)
    stage.cloud.settle()


def test_reconciler_concludes_a_job_whose_event_was_lost(stage: RareStage) -> None:
    stage.cloud.fault("event", "SageMaker Training Job State Change", times=None, copies=0)
    count = len(stage.jobs())
    stage.invoke("LoopStartTraining", source="manual", id="third")
    until("the job", lambda: len(stage.jobs()) == count + 1, seconds=60)
    until("its end", lambda: stage.jobs()[-1]["TrainingJobStatus"] == "Completed", seconds=120)
    stage.cloud.clear_faults()

    assert stage.invoke("LoopReconcile")["training"] == "concluding"
    stage.cloud.settle()


def test_notebook_trains_invokes_and_reads(stage: RareStage) -> None:
    sagemaker = stage.as_role("WorkbenchRole", "sagemaker")
    name = stage.jobs()[-1]["TrainingJobName"]
    described = sagemaker.describe_training_job(TrainingJobName=name)
    members = (
        "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig",
        "ResourceConfig", "VpcConfig", "StoppingCondition", "HyperParameters",
        "EnableNetworkIsolation",
    )  # fmt: skip
    request = {member: described[member] for member in members if member in described}
    request["AlgorithmSpecification"].pop("MetricDefinitions", None)  # not of a built-in algorithm
    request["HyperParameters"] |= {"num_round": str(_ENDLESS)}
    own = f"{JOB}-notebook"
    sagemaker.create_training_job(
        TrainingJobName=own, Tags=[{"Key": "by", "Value": "ann"}], **request
    )
    sagemaker.stop_training_job(TrainingJobName=own)
    assert sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"] == "InService"
    runtime = stage.as_role("WorkbenchRole", "sagemaker-runtime")
    runtime.invoke_endpoint(EndpointName=ENDPOINT, ContentType="text/csv", Body=b"1")
    s3, bucket = stage.as_role("WorkbenchRole", "s3"), stage.outputs["Bucket"]
    (key, *_) = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix=DATA)["Contents"]]
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    (notebook,) = stage.cloud.client("sagemaker").list_notebook_instances()["NotebookInstances"]
    sagemaker.stop_notebook_instance(NotebookInstanceName=notebook["NotebookInstanceName"])


def test_evaluation_continues_in_another_invocation(stage: RareStage) -> None:
    """The call by which the function continues; so many responses take minutes to read."""
    progress = {
        "config": "c", "variants": ["AllTraffic"], "start": 0.0, "end": 1.0, "variant": 0,
        "key": "", "line": 0, "total": 0.0, "predictions": 0, "passes": 1,
    }  # fmt: skip
    stage.as_role("LoopEvaluateRole", "lambda").invoke(
        FunctionName=stage.physical("LoopEvaluate", "AWS::Lambda::Function"),
        InvocationType="Event",
        Payload=json.dumps({"source": "evaluate", "progress": progress}),
    )


@pytest.mark.parametrize(
    ("role", "key"),
    [("TrainingRole", "models/large.tar.gz"), ("ServingRole", "capture/large.jsonl")],
)
def test_interrupted_upload_is_aborted(stage: RareStage, role: str, key: str) -> None:
    s3, bucket = stage.as_role(role, "s3"), stage.outputs["Bucket"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]

    s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)

    uploads = stage.cloud.client("s3").list_multipart_uploads(Bucket=bucket)
    assert upload not in {each["UploadId"] for each in uploads.get("Uploads", [])}


def test_deployment_starts_the_job_if_the_settings_say_so(stage: RareStage) -> None:
    before = len(stage.jobs())

    stage.deploy(start_on_deploy=True, rounds=_ENDLESS)

    assert [job["TrainingJobStatus"] for job in stage.jobs()[before:]] == ["InProgress"]


def test_deletion_stops_the_job_and_waits_for_the_busy_endpoint(stage: RareStage) -> None:
    stage.approve()
    until("the rollout", lambda: stage.status() == "Updating", seconds=60)
    running = stage.jobs()
    stage.cloud.set_rate(30)

    destroy(stage.cloud, STACK)

    assert stage.status() == "none"
    assert {job["TrainingJobStatus"] for job in running} > {"Completed"}
    # The program may end after the policies of its role: then its output is refused, and it failed.
    ended = {"Completed", "Failed", "Stopped"}
    assert {job["TrainingJobStatus"] for job in stage.jobs()} <= ended
