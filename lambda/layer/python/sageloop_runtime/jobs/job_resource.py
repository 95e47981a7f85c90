"""Custom resource: the document of a job."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.aws.custom_resource import Outcome, Request, named_by
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.objects import list_keys
from sageloop_runtime.aws.ownership import ownership
from sageloop_runtime.aws.state_table import Row, StateTable
from sageloop_runtime.config import StartConfig
from sageloop_runtime.errors import BadInputError, code_of
from sageloop_runtime.jobs.dataset import (
    DatePartitionedDataset,
    choose_days,
    keys_by_day,
    split_hold_out,
)
from sageloop_runtime.jobs.job_request import input_prefixes, read_job_document
from sageloop_runtime.jobs.job_starter import JobStarter
from sageloop_runtime.jobs.kinds import TRAINING, Kind, kind_of
from sageloop_runtime.jobs.triggers import Trigger, deploy_trigger
from sageloop_runtime.log import log
from sageloop_runtime.names import canonical, digest_of, split_uri
from sageloop_runtime.times import parse_time

job_id = named_by("Job")
"""The physical id of a job resource: the job's name, the prefix of the names of its jobs."""


class JobResource:
    """Create, Update and Delete of a job's document.

    Args:
        state_table: name of the state table.
        table: the state table.
        s3: an S3 client.
        sagemaker: a SageMaker client.
        metrics: publishes JobsStarted.

    """

    def __init__(
        self, state_table: str, *, table: StateTable, s3: Any, sagemaker: Any, metrics: Metrics
    ) -> None:
        self._state_table = state_table
        self._table = table
        self._s3 = s3
        self._sagemaker = sagemaker
        self._metrics = metrics

    def create(self, request: Request) -> Outcome:
        """Record the document, and start the job if ``start_on_deploy`` is set."""
        return self._put(request)

    def update(self, request: Request) -> Outcome:
        """Record the document; an unchanged document starts nothing."""
        return self._put(request)

    def delete(self, request: Request) -> Outcome:
        """Delete the document, then stop the jobs in progress and release the lock; idempotent.

        What another resource owns is not changed. CloudFormation deletes a resource that was
        moved, or became another kind of job, after it created the successor under the same job
        name: the successor's document and jobs stay. A resource whose creation was refused
        recorded nothing, and its deletion changes nothing.
        """
        job = request.optional_text("Job")
        if job is None:
            return Outcome()
        row = self._table.get(f"job#{job}") or {}
        former = json.loads(row.get("former", "null"))
        kind = _deleted_kind(request, row)
        if row.get("owner", request.owner) == request.owner:
            if former is None:
                self._delete_document(job, kind, row)
            else:
                self._restore(job, kind, row, former)
        elif former is not None and former["owner"] == request.owner:
            if kind_of(json.loads(row["document"])) is not kind:
                self._stop_all(job, kind)
            # Last, so that a deletion that is repeated stops the jobs that are left.
            expect = {"owner": row["owner"]}
            self._table.swap(f"job#{job}", change={"former": None}, expect=expect)
        return Outcome()

    def _delete_document(self, job: str, kind: Kind, row: Row) -> None:
        """Delete a document without successor, its jobs and its lock.

        The lock is deleted last: while it exists, a deletion that is repeated stops what is left.
        Without a lock no job was ever started, and jobs of that name are another's.
        """
        if row:
            self._table.delete(f"job#{job}")
        if self._table.get(f"loop#{job}") is not None:
            self._stop_all(job, kind)
            self._table.delete(f"loop#{job}")

    def _restore(self, job: str, kind: Kind, row: Row, former: dict[str, Any]) -> None:
        """Restore the document that this one replaced: its deployment is rolled back."""
        document = json.loads(former["document"])
        if kind_of(document) is not kind:
            self._stop_all(job, kind)
        elif former["digest"] != row["digest"]:
            stack = str(row["owner"]).rpartition("|")[0]
            self._stop_started_by(job, kind, deploy_trigger(stack, row["digest"]))
        change = {**former, "former": None}
        self._table.swap(f"job#{job}", change=change, expect={"owner": row["owner"]})

    def _stop_all(self, job: str, kind: Kind) -> None:
        for name in kind.running(self._sagemaker, job):
            kind.stop(self._sagemaker, name)

    def _stop_started_by(self, job: str, kind: Kind, trigger: Trigger) -> None:
        """Stop the job in progress if this trigger, or its retry, started it."""
        in_flight = self._in_flight(job, kind)
        if in_flight is not None and in_flight[1].series == trigger.series:
            self._stop(job, kind, in_flight[0])

    def _stop(self, job: str, kind: Kind, name: str) -> None:
        """Stop the job that has the lock.

        If its start died before the job was created, no event will release the lock, and the
        reconciler would continue the start.
        """
        if kind.find(self._sagemaker, name) is not None:
            kind.stop(self._sagemaker, name)
            return
        self._table.swap(f"loop#{job}", change={"in_flight": None}, expect={"in_flight": name})

    def _in_flight(self, job: str, kind: Kind) -> tuple[str, Trigger] | None:
        """The job of a kind that has the lock, and its trigger."""
        loop = self._table.get(f"loop#{job}") or {}
        name = loop.get("in_flight", "")
        if not kind.is_job_of(job, name):
            return None
        return name, Trigger.of(json.loads(loop["trigger"]))

    def _put(self, request: Request) -> Outcome:
        job, text = request.text("Job"), request.text("Document")
        document = read_job_document(text, job)
        digest = digest_of(canonical(document), length=64)
        row_id = f"job#{job}"
        row = self._table.get(row_id) or {}
        previous = row.get("digest")
        trigger = deploy_trigger(request.stack_id, digest)
        starts = bool(document.get("start_on_deploy"))
        if previous != digest and starts:
            self._refuse_empty(document)
        if previous != digest or row.get("owner") != request.owner:
            change: Row = {"document": text, "digest": digest}
            self._table.swap(row_id, change={**change, **ownership(row, request.owner)})
        if previous != digest:
            self._stop_superseded(job, kind_of(document), trigger)
        if starts and (previous != digest or request.kind == "Create"):
            self._start(job, kind_of(document), trigger)
        return Outcome(data={"Digest": digest})

    def _start(self, job: str, kind: Kind, trigger: Trigger) -> None:
        config = StartConfig(
            state_table=self._state_table,
            job=job,
            cooldown_seconds=0,
            max_attempts=1,
            metric_namespace="",
        )
        starter = JobStarter(
            config,
            table=self._table,
            s3=self._s3,
            sagemaker=self._sagemaker,
            cloudwatch=None,
            metrics=self._metrics,
        )
        response = starter.start(trigger)
        if response["status"] == "refused":
            self._withdraw_alert(f"loop#{job}")
            raise BadInputError(f"the {kind.label} cannot be started: {response['reason']}")
        if response["status"] == "started":
            self._record_start_time(job, kind, response["job_name"])

    def _withdraw_alert(self, loop_id: str) -> None:
        """Remove the alert of the refusal, which CloudFormation shows; earlier ones stay."""
        alerts = (self._table.get(loop_id) or {}).get("alerts", [])
        change, expect = {"alerts": alerts[:-1] or None}, {"alerts": alerts}
        self._table.swap(loop_id, change=change, expect=expect)

    def _record_start_time(self, job: str, kind: Kind, name: str) -> None:
        """Record the creation time of the job: the event of a custom resource has no time."""
        at = parse_time(kind.describe(self._sagemaker, name)["CreationTime"])
        change = {"started_at": at, "last_started_at": at}
        self._table.swap(f"loop#{job}", change=change, expect={"in_flight": name})

    def _refuse_empty(self, document: dict[str, Any]) -> None:
        """Refuse a document with ``start_on_deploy`` and without data to train on."""
        if document.get("data") is not None:
            data = DatePartitionedDataset.of(document["data"])
            days = choose_days(self._s3, data, None)
            split_hold_out(keys_by_day(self._s3, data), days, data.validation_days)
            return
        for channel, uri in input_prefixes(document):
            if self._is_empty(uri):
                raise BadInputError(f"the channel {channel!r} is empty: no object in {uri}")

    def _is_empty(self, uri: str) -> bool:
        """Whether a prefix has no objects; False if this function may not list it."""
        bucket, prefix = split_uri(uri)
        try:
            return next(list_keys(self._s3, bucket, prefix), None) is None
        except ClientError as error:
            if code_of(error) not in {"AccessDenied", "AccessDeniedException"}:
                raise
            log("a channel cannot be listed", uri=uri, error=str(error))
            return False

    def _stop_superseded(self, job: str, kind: Kind, trigger: Trigger) -> None:
        """Stop the job of an earlier deployment.

        A job of another kind is stopped by the deletion of its own resource.
        """
        in_flight = self._in_flight(job, kind)
        if in_flight is None:
            return
        name, started_by = in_flight
        if started_by.is_deployment and started_by.series != trigger.series:
            self._stop(job, kind, name)


def _deleted_kind(request: Request, row: Row) -> Kind:
    """The kind of the deleted job; its document may be malformed."""
    for text in (request.properties.get("Document"), row.get("document")):
        try:
            return kind_of(json.loads(str(text)))
        except (ValueError, AttributeError):
            continue
    return TRAINING
