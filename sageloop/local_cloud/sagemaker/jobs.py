"""Records and execution of jobs without secondary statuses: processing and transform jobs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.failures import JobStopped
from sageloop.local_cloud.sagemaker.store import Document

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud
    from sageloop.local_cloud.sagemaker.account import Account

ENDED = ("Completed", "Failed", "Stopped")
_HIDDEN = ("Tags",)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """The API names of one kind of job.

    ``noun`` starts the names of its members (``ProcessingJobName``). ``reported`` are the members
    that its EventBridge events contain.
    """

    family: str
    noun: str
    reported: tuple[str, ...]

    def member(self, tail: str) -> str:
        """The member name with this ending: ``Name`` gives ``ProcessingJobName``."""
        return f"{self.noun}{tail}"


class JobRecords:
    """Creates and updates job documents in the store; each status change is an event."""

    def __init__(self, account: Account, kind: JobKind) -> None:
        self._account = account
        self._store = account.store
        self._clock = account.cloud.clock
        self.kind = kind

    def arn(self, name: str) -> str:
        """The ARN of a job, whether or not it exists."""
        return self._store.arn(self.kind.family, name)

    def open(self, request: Document, **more: Any) -> Document:
        """Create a job from its request. Raises ResourceInUse if the name is taken."""
        name, now = request[self.kind.member("JobName")], self._clock.now()
        document = {m: v for m, v in request.items() if m not in _HIDDEN} | more | {
            self.kind.member("JobArn"): self.arn(name),
            self.kind.member("JobStatus"): "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }  # fmt: skip
        self._store.create(self.kind.family, name, document, tags=request.get("Tags"))
        self._emit(document)
        return document

    def get(self, name: str) -> Document:
        """Return a job. Raises ``AwsError`` if it does not exist."""
        return self._store.get(self.kind.family, name)

    def all(self) -> list[Document]:
        """Return all jobs of the kind in order of creation."""
        return self._store.list(self.kind.family)

    def begin(self, name: str) -> None:
        """Record that a job starts. Raises :class:`JobStopped` if a stop was requested."""

        def change(document: Document) -> None:
            if document[self.kind.member("JobStatus")] != "InProgress":
                raise JobStopped
            document[self.kind.member("StartTime")] = now
            document["LastModifiedTime"] = now

        now = self._clock.now()
        self._emit(self._store.modify(self.kind.family, name, change))

    def end(self, name: str, status: str, **members: Any) -> None:
        """Set the final status of a job together with ``members``."""
        self._move(name, status, members | {self.kind.member("EndTime"): self._clock.now()})

    def mark_stopping(self, name: str) -> bool:
        """Set a job to Stopping; return false if it is stopping already.

        Raises ``AwsError`` if the job has ended.
        """
        with self._store.changed:
            status = self.get(name)[self.kind.member("JobStatus")]
            if status == "Stopping":
                return False
            if status in ENDED:
                raise AwsError(
                    "ValidationException",
                    f"The request was rejected because the {self.kind.noun.lower()} job is in "
                    f"status {status}.",
                )
            self._move(name, "Stopping", {})
        return True

    def delete(self, name: str) -> None:
        """Delete a job that has ended. Raises ResourceInUse if it has not."""
        with self._store.changed:
            status = self.get(name)[self.kind.member("JobStatus")]
            if status not in ENDED:
                raise AwsError(
                    "ResourceInUse",
                    f"{self.kind.noun} job {name} cannot be deleted in status {status}; stop it "
                    "first.",
                )
            self._store.delete(self.kind.family, name)

    def _move(self, name: str, status: str, members: Document) -> None:
        now = self._clock.now()
        changes = {self.kind.member("JobStatus"): status, "LastModifiedTime": now} | members
        self._emit(self._store.update(self.kind.family, name, changes))

    def _emit(self, document: Document) -> None:
        arn = document[self.kind.member("JobArn")]
        detail = {member: document.get(member) for member in self.kind.reported}
        detail["Tags"] = self._store.tags(arn)
        self._account.emit(f"SageMaker {self.kind.noun} Job State Change", detail, arn)


class Run(Protocol):
    """Execution of one job."""

    def run(self) -> None:
        """Execute the job; return when it has its final status."""

    def request_stop(self) -> None:
        """Stop the job early; its status is Stopping already."""

    def abandon(self) -> None:
        """Kill the job's processes and change no status."""


class RunningJobs:
    """The executions of jobs of one kind, by job name."""

    def __init__(self, cloud: Cloud, records: JobRecords) -> None:
        self._cloud = cloud
        self._records = records
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}

    def start(self, name: str, run: Run) -> None:
        """Start a job in the background."""
        with self._lock:
            self._runs[name] = run
        label = f"{self._records.kind.noun.lower()} job {name}"
        self._cloud.activity.spawn(label, lambda: self._carry_out(name, run))

    def stop(self, name: str) -> None:
        """Stop a job. Raises ``AwsError`` if it does not exist or has ended."""
        if not self._records.mark_stopping(name):
            return
        with self._lock:
            run = self._runs.get(name)
        if run is None:
            self._records.end(name, "Stopped")
        else:
            run.request_stop()

    def abandon(self) -> None:
        """Kill the processes of all jobs; the jobs keep their statuses."""
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.abandon()

    def _carry_out(self, name: str, run: Run) -> None:
        try:
            run.run()
        finally:
            with self._lock:
                self._runs.pop(name, None)
