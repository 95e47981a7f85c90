"""CreateTransformJob and the other operations on transform jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.jobs import JobKind, JobRecords, RunningJobs
from sageloop.local_cloud.sagemaker.listing import list_response
from sageloop.local_cloud.sagemaker.models import is_multi_model
from sageloop.local_cloud.sagemaker.transform import requests
from sageloop.local_cloud.sagemaker.transform.run import TransformRun

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import ModelContainers

TRANSFORM = JobKind(
    family="transform-job",
    noun="Transform",
    reported=(
        "TransformJobName", "TransformJobArn", "TransformJobStatus", "FailureReason",
        "ModelName", "MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy", "Environment",
        "TransformInput", "TransformOutput", "TransformResources", "DataProcessing",
        "CreationTime", "TransformStartTime", "TransformEndTime",
    ),
)  # fmt: skip
_SUMMARY = (
    "TransformJobName", "TransformJobArn", "CreationTime", "TransformEndTime",
    "LastModifiedTime", "TransformJobStatus", "FailureReason",
)  # fmt: skip


class TransformJobs:
    """Operations on transform jobs; each job runs its own containers of its model."""

    def __init__(self, account: Account, containers: ModelContainers) -> None:
        self._account = account
        self._containers = containers
        self._cloud = account.cloud
        self._records = JobRecords(account, TRANSFORM)
        self._running = RunningJobs(account.cloud, self._records)

    @operation("CreateTransformJob")
    def create_transform_job(self, call: Call) -> dict[str, Any]:
        """Start a job in the background."""
        request = call.params
        allow = self._cloud.config.allow
        if any(map(is_multi_model, self._containers.all_containers(request["ModelName"]))):
            raise AwsError(
                "ValidationException",
                f"Batch transform does not support multi-model containers, which model "
                f"{request['ModelName']} has.",
            )
        image = self._containers.image_of(request["ModelName"])
        requests.check(request, allow)
        is_executable = requests.check_image(image, allow)
        document = self._records.open(request)
        if is_executable:
            run = TransformRun(self._account, self._containers, self._records, document)
            self._running.start(document["TransformJobName"], run)
        return {"TransformJobArn": document["TransformJobArn"]}

    @operation("DescribeTransformJob")
    def describe_transform_job(self, call: Call) -> dict[str, Any]:
        """Return the job."""
        return self._records.get(call.params["TransformJobName"])

    @operation("ListTransformJobs")
    def list_transform_jobs(self, call: Call) -> dict[str, Any]:
        """List jobs by name, status and times."""
        return list_response(
            self._records.all(), call.params, result="TransformJobSummaries",
            name="TransformJobName", status="TransformJobStatus", members=_SUMMARY,
        )  # fmt: skip

    @operation("StopTransformJob")
    def stop_transform_job(self, call: Call) -> None:
        """Stop a job: requests in flight are aborted, unfinished objects have no output."""
        self._running.stop(call.params["TransformJobName"])

    def stop(self) -> None:
        """Kill the processes of all jobs; the jobs keep their statuses."""
        self._running.abandon()
