"""CreateProcessingJob and the other operations on processing jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.execution_role import check_pull, check_role
from sageloop.local_cloud.sagemaker.jobs import JobKind, JobRecords, RunningJobs
from sageloop.local_cloud.sagemaker.listing import list_response
from sageloop.local_cloud.sagemaker.processing import program, requests
from sageloop.local_cloud.sagemaker.processing.run import ProcessingRun
from sageloop.local_cloud.sagemaker.store import Document

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account

PROCESSING = JobKind(
    family="processing-job",
    noun="Processing",
    reported=(
        "ProcessingJobName", "ProcessingJobArn", "ProcessingJobStatus", "ProcessingInputs",
        "ProcessingOutputConfig", "ProcessingResources", "StoppingCondition", "AppSpecification",
        "Environment", "NetworkConfig", "RoleArn", "ExperimentConfig", "ExitMessage",
        "FailureReason", "CreationTime", "ProcessingStartTime", "ProcessingEndTime",
        "LastModifiedTime",
    ),
)  # fmt: skip
_SUMMARY = (
    "ProcessingJobName", "ProcessingJobArn", "CreationTime", "ProcessingEndTime",
    "LastModifiedTime", "ProcessingJobStatus", "FailureReason", "ExitMessage",
)  # fmt: skip


class ProcessingJobs:
    """Operations on processing jobs; each host of a job is a process group."""

    def __init__(self, account: Account) -> None:
        self._cloud = account.cloud
        self._records = JobRecords(account, PROCESSING)
        self._running = RunningJobs(account.cloud, self._records)

    @operation("CreateProcessingJob")
    def create_processing_job(self, call: Call) -> dict[str, Any]:
        """Start a job in the background."""
        request = call.params
        allow = self._cloud.config.allow
        requests.check(request, allow)
        is_executable = program.check_image(request["AppSpecification"], allow)
        role, image = request["RoleArn"], request["AppSpecification"]["ImageUri"]
        check_role(self._cloud, role, self._records.arn(request["ProcessingJobName"]))
        check_pull(self._cloud, role, image)
        document = self._records.open(_with_instance(request))
        if is_executable:
            run = ProcessingRun(self._cloud, self._records, document)
            self._running.start(document["ProcessingJobName"], run)
        return {"ProcessingJobArn": document["ProcessingJobArn"]}

    @operation("DescribeProcessingJob")
    def describe_processing_job(self, call: Call) -> dict[str, Any]:
        """Return the job."""
        return self._records.get(call.params["ProcessingJobName"])

    @operation("ListProcessingJobs")
    def list_processing_jobs(self, call: Call) -> dict[str, Any]:
        """List jobs by name, status and times."""
        return list_response(
            self._records.all(), call.params, result="ProcessingJobSummaries",
            name="ProcessingJobName", status="ProcessingJobStatus", members=_SUMMARY,
        )  # fmt: skip

    @operation("StopProcessingJob")
    def stop_processing_job(self, call: Call) -> None:
        """Stop a job: SIGTERM, then SIGKILL after the grace period."""
        self._running.stop(call.params["ProcessingJobName"])

    @operation("DeleteProcessingJob")
    def delete_processing_job(self, call: Call) -> None:
        """Delete a job that has ended."""
        self._records.delete(call.params["ProcessingJobName"])

    def stop(self) -> None:
        """Kill the processes of all jobs; the jobs keep their statuses."""
        self._running.abandon()


def _with_instance(request: Document) -> Document:
    cluster = request["ProcessingResources"]["ClusterConfig"]
    if "InstancePreferences" not in cluster:
        return request
    kind, count = requests.instances_of(request)
    chosen = cluster | {"SelectedInstanceType": kind, "SelectedInstanceCount": count}
    return request | {"ProcessingResources": {"ClusterConfig": chosen}}
