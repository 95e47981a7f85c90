"""CreateTrainingJob and its companions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.service import Call, operation
from sageloop.local_cloud.sagemaker.listing import page
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training import requests
from sageloop.local_cloud.sagemaker.training.book import FAMILY, JobBook
from sageloop.local_cloud.sagemaker.training.run import TrainingRun

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.service import SageMakerService

_PRINCIPAL = "sagemaker.amazonaws.com"
_SUMMARY = (
    "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime",
    "TrainingJobStatus", "SecondaryStatus",
)  # fmt: skip


class TrainingJobs:
    """Training jobs, each run by a process of its own."""

    def __init__(self, service: SageMakerService) -> None:
        self._service = service
        self._cloud = service.cloud
        self._store = service.store
        self._book = JobBook(service)
        self._lock = threading.Lock()
        self._runs: dict[str, TrainingRun] = {}

    @operation("CreateTrainingJob")
    def create_training_job(self, call: Call) -> dict[str, Any]:
        """Start a job in the background."""
        return {"TrainingJobArn": self.launch(call.params)}

    def launch(
        self, request: dict[str, Any], *, tuning_job_arn: str | None = None,
        on_metric: Callable[[str, float], None] | None = None,
        on_end: Callable[[Document], None] | None = None,
    ) -> str:  # fmt: skip
        """Start a job as CreateTrainingJob does once its request is well formed; returns its ARN.

        ``on_metric`` is told every observed value of a metric, ``on_end`` once the job's last
        document; both in the job's own thread. Raises ``AwsError``.
        """
        allow = self._cloud.config.allow
        requests.check(request, allow)
        image = request["AlgorithmSpecification"].get("TrainingImage", "")
        runs_here = requests.check_image(image, allow)
        self._check_role(request["RoleArn"])
        name = request["TrainingJobName"]
        document = self._book.open(request, tuning_job_arn=tuning_job_arn)
        arn: str = document["TrainingJobArn"]
        if not runs_here:
            told = f"stored, not executed: {image} has no program on this machine"
            self._book.move(name, "Pending", message=told)
            return arn
        run = TrainingRun(self._cloud, self._book, document, on_metric=on_metric, on_end=on_end)
        with self._lock:
            self._runs[name] = run
        self._cloud.activity.spawn(f"training job {name}", lambda: self._carry_out(name, run))
        return arn

    @operation("DescribeTrainingJob")
    def describe_training_job(self, call: Call) -> dict[str, Any]:
        """The job."""
        return self._store.get(FAMILY, call.params["TrainingJobName"])

    @operation("ListTrainingJobs")
    def list_training_jobs(self, call: Call) -> dict[str, Any]:
        """Jobs by name, status and times."""
        for member in ("WarmPoolStatusEquals", "TrainingPlanArnEquals"):
            if member in call.params:
                return {"TrainingJobSummaries": []}  # there are no warm pools and no plans
        return page(
            self._store.list(FAMILY), call.params, result="TrainingJobSummaries",
            name="TrainingJobName", status="TrainingJobStatus", members=_SUMMARY,
        )  # fmt: skip

    @operation("StopTrainingJob")
    def stop_training_job(self, call: Call) -> None:
        """Ask a job to end: SIGTERM, and SIGKILL when its grace is over."""
        self.stop_job(call.params["TrainingJobName"])

    def stop_job(self, name: str) -> None:
        """What StopTrainingJob does. Raises ``AwsError`` if the job has ended."""
        if not self._book.ask_to_stop(name):
            return
        with self._lock:
            run = self._runs.get(name)
        if run is None:
            self._book.move(name, "Stopped")
        else:
            run.request_stop()

    @operation("DeleteTrainingJob")
    def delete_training_job(self, call: Call) -> None:
        """Forget a job that has ended."""
        name = call.params["TrainingJobName"]
        with self._store.changed:
            status = self._store.get(FAMILY, name)["TrainingJobStatus"]
            if status in ("InProgress", "Stopping"):
                raise AwsError(
                    "ResourceInUse",
                    f"Training job {name} cannot be deleted in status {status}; stop it first.",
                )
            self._store.delete(FAMILY, name)

    def start(self) -> None:
        """Nothing runs before the first job."""

    def stop(self) -> None:
        """Kill what runs; jobs stay as they are."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.abandon()

    def _carry_out(self, name: str, run: TrainingRun) -> None:
        try:
            run.run()
        finally:
            with self._lock:
                self._runs.pop(name, None)

    def _check_role(self, role_arn: str) -> None:
        iam = self._cloud.client("iam", principal=_PRINCIPAL)
        try:
            role = iam.get_role(RoleName=role_arn.rsplit("/", 1)[-1])["Role"]
            trusted = role["Arn"] == role_arn and _trusts(role["AssumeRolePolicyDocument"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
            trusted = False
        if not trusted:
            raise AwsError(
                "ValidationException",
                f"Could not assume role {role_arn}. Please ensure that the role exists and "
                f"allows principal '{_PRINCIPAL}' to assume the role.",
            )


def _trusts(policy: Any) -> bool:
    statements = policy.get("Statement", []) if isinstance(policy, dict) else []
    if isinstance(statements, dict):
        statements = [statements]
    return any(
        s.get("Effect") == "Allow" and _names_sagemaker(s.get("Principal", {})) for s in statements
    )


def _names_sagemaker(principal: Any) -> bool:
    services = principal.get("Service", []) if isinstance(principal, dict) else principal
    return _PRINCIPAL in ([services] if isinstance(services, str) else services)
