"""CreateTrainingJob and the other operations on training jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.execution_role import check_pull, check_role
from sageloop.local_cloud.sagemaker.listing import list_response
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training import requests
from sageloop.local_cloud.sagemaker.training.channels.file_systems import FileSystems
from sageloop.local_cloud.sagemaker.training.channels.files import SharedBodies
from sageloop.local_cloud.sagemaker.training.cluster import cluster_of
from sageloop.local_cloud.sagemaker.training.repository import FAMILY, TrainingJobRepository
from sageloop.local_cloud.sagemaker.training.run import SharedResources, TrainingRun
from sageloop.local_cloud.sagemaker.training.warm_pools import WarmPools

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account

OnMetric = Callable[[str, float], None]
OnEnd = Callable[[Document], None]

_SUMMARY = (
    "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime",
    "TrainingJobStatus", "SecondaryStatus", "WarmPoolStatus",
)  # fmt: skip


class TrainingJobs:
    """Operations on training jobs; each job runs in its own processes.

    ``file_systems`` maps EFS and FSx file systems to local directories.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._cloud = account.cloud
        self._store = account.store
        self._repository = TrainingJobRepository(account)
        self._pools = WarmPools(account.cloud, account.store)
        self.file_systems = FileSystems()
        self._shared = SharedResources(
            self._pools, self.file_systems, SharedBodies(account.cloud.work_dir / "objects")
        )
        self._lock = threading.Lock()
        self._runs: dict[str, TrainingRun] = {}
        self._stored: dict[str, OnEnd | None] = {}

    @operation("CreateTrainingJob")
    def create_training_job(self, call: Call) -> dict[str, Any]:
        """Start a job in the background."""
        return {"TrainingJobArn": self.launch(call.params)}

    def launch(
        self, request: dict[str, Any], *, tuning_job_arn: str | None = None,
        on_metric: OnMetric | None = None, on_end: OnEnd | None = None,
    ) -> str:  # fmt: skip
        """Start a job from a validated CreateTrainingJob request; return its ARN.

        ``on_metric`` is called with each observed value of a metric, ``on_end`` once with the job's
        final document; both are called in the thread of the job. Raises ``AwsError``.
        """
        is_executable = self.check(request, tuning_job_arn=tuning_job_arn)
        image = request["AlgorithmSpecification"].get("TrainingImage", "")
        name = request["TrainingJobName"]
        document = self._repository.open(request, tuning_job_arn=tuning_job_arn)
        arn: str = document["TrainingJobArn"]
        if not is_executable:
            with self._lock:
                self._stored[name] = on_end
            message = f"stored, not executed: {image} has no program on this machine"
            self._repository.move(name, "Pending", message=message)
            return arn
        self._start(document, on_metric, on_end)
        return arn

    def check(self, request: dict[str, Any], *, tuning_job_arn: str | None = None) -> bool:
        """Whether a job would be executed; raises the ``AwsError`` that a launch would raise.

        Starts nothing. Returns ``False`` for an image without a local program that is allowed by
        name.
        """
        allow = self._cloud.config.allow
        requests.check(request, allow, self.file_systems)
        is_executable = requests.check_image(request, allow)
        role, arn = request["RoleArn"], self._store.arn(FAMILY, request["TrainingJobName"])
        check_role(self._cloud, role, *(source for source in (tuning_job_arn, arn) if source))
        check_pull(self._cloud, role, request["AlgorithmSpecification"].get("TrainingImage", ""))
        self._check_quota(request)
        return is_executable

    @operation("DescribeTrainingJob")
    def describe_training_job(self, call: Call) -> dict[str, Any]:
        """Return the job."""
        return self._store.get(FAMILY, call.params["TrainingJobName"])

    @operation("ListTrainingJobs")
    def list_training_jobs(self, call: Call) -> dict[str, Any]:
        """List jobs by name, status and times.

        A page is cut before it is filtered: documented for StatusEquals, reported for NameContains
        (boto3 #2838). Other operations document no such order.
        """
        if "TrainingPlanArnEquals" in call.params:
            return {"TrainingJobSummaries": []}  # there are no training plans
        pool = call.params.get("WarmPoolStatusEquals")

        def admitted(job: Document) -> bool:
            return pool is None or job.get("WarmPoolStatus", {}).get("Status") == pool

        return list_response(
            self._store.list(FAMILY, admitted), call.params, result="TrainingJobSummaries",
            name="TrainingJobName", status="TrainingJobStatus", members=_SUMMARY,
            filters_pages=True,
        )  # fmt: skip

    @operation("StopTrainingJob")
    def stop_training_job(self, call: Call) -> None:
        """Stop a job: SIGTERM, then SIGKILL after the grace period."""
        self.stop_job(call.params["TrainingJobName"])

    def stop_job(self, name: str) -> None:
        """Stop a job as StopTrainingJob does. Raises ``AwsError`` if the job has ended."""
        if not self._repository.mark_stopping(name):
            return
        with self._lock:
            run = self._runs.get(name)
            stored, on_end = name in self._stored, self._stored.pop(name, None)
        if run is not None:
            run.request_stop()
        elif stored:
            last = self._repository.move(name, "Stopped")
            if on_end is not None:
                on_end(last)

    @operation("UpdateTrainingJob")
    def update_training_job(self, call: Call) -> dict[str, Any]:
        """Change how long a warm pool is kept."""
        name = call.params["TrainingJobName"]
        job = self._store.get(FAMILY, name)
        requests.check_update(call.params)
        resources = call.params.get("ResourceConfig")
        if resources is not None:
            self._pools.update(name, resources["KeepAlivePeriodInSeconds"])
        return {"TrainingJobArn": job["TrainingJobArn"]}

    @operation("DeleteTrainingJob")
    def delete_training_job(self, call: Call) -> None:
        """Delete a job that has ended."""
        name = call.params["TrainingJobName"]
        with self._store.changed:
            status = self._store.get(FAMILY, name)["TrainingJobStatus"]
            if status in ("InProgress", "Stopping"):
                raise AwsError(
                    "ResourceInUse",
                    f"Training job {name} cannot be deleted in status {status}; stop it first.",
                )
            if self._pools.available(name):
                raise AwsError(
                    "ResourceInUse",
                    f"Training job {name} cannot be deleted while its warm pool is Available; set "
                    "KeepAlivePeriodInSeconds to 0 with UpdateTrainingJob first.",
                )
            self._store.delete(FAMILY, name)

    def start(self) -> None:
        """Do nothing: the first job starts the background work."""

    def stop(self) -> None:
        """Kill the processes of all jobs; the jobs keep their statuses."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.abandon()

    def _start(self, document: Document, on_metric: OnMetric | None, on_end: OnEnd | None) -> None:
        name = document["TrainingJobName"]

        def ended(last: Document) -> None:
            with self._lock:
                self._runs.pop(name, None)
            if on_end is not None:
                on_end(last)

        run = TrainingRun(
            self._cloud, self._repository, document, self._shared, on_metric=on_metric, on_end=ended
        )
        with self._lock:
            self._runs[name] = run
        if self._repository.describe(name)["TrainingJobStatus"] == "Stopping":
            run.request_stop()  # the stop was requested before the run was registered
        run.start()

    def _check_quota(self, request: dict[str, Any]) -> None:
        spot = "spot training" if request.get("EnableManagedSpotTraining") else "training"
        cluster = cluster_of(request["ResourceConfig"])
        for kind in cluster.instance_types:
            if self._cloud.faults.quota_refused(kind):
                requested = sum(host.instance_type == kind for host in cluster.hosts)
                raise AwsError(
                    "ResourceLimitExceeded",
                    f"The account-level service limit '{kind} for {spot} job usage' is 0 "
                    "Instances, with current utilization of 0 Instances and a request delta of "
                    f"{requested} Instances. Please use AWS Service Quotas to request an increase "
                    "for this quota.",
                )
