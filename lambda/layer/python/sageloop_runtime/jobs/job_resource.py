"""Custom resource: the document of a job."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.aws.custom_resource import Outcome, Request
from sageloop_runtime.aws.metrics import Metrics
from sageloop_runtime.aws.objects import list_keys
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
        """Delete the document, then stop the jobs in progress; idempotent.

        CloudFormation deletes a resource that was moved, or became another kind of job, after it
        created the successor under the same job name: the successor's document and jobs stay.
        """
        job = request.physical_id or request.text("Job")
        row = self._table.get(f"job#{job}") or {}
        kind = _deleted_kind(request, row)
        remaining = self._delete_document(job, row, _owner(request))
        if remaining is None or remaining is not kind:
            for name in kind.running(self._sagemaker, job):
                kind.stop(self._sagemaker, name)
        if remaining is None:
            self._table.delete(f"loop#{job}")
        return Outcome(physical_id=job)

    def _delete_document(self, job: str, row: Row, owner: str) -> Kind | None:
        """Delete the document of an owner; the kind of the document that remains, if any."""
        row_id, former = f"job#{job}", json.loads(row.get("former", "null"))
        if row.get("owner", owner) != owner:
            if former is not None and former["owner"] == owner:
                self._table.swap(row_id, change={"former": None}, expect={"owner": row["owner"]})
            return kind_of(json.loads(row["document"]))
        if former is not None:
            # A deployment is rolled back: the replaced document is valid again.
            change = {**former, "former": None}
            self._table.swap(row_id, change=change, expect={"owner": owner})
            return kind_of(json.loads(former["document"]))
        self._table.delete(row_id)
        return None

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
        if previous != digest or row.get("owner") != _owner(request):
            change: Row = {"document": text, "digest": digest}
            self._table.swap(row_id, change={**change, **_ownership(row, _owner(request))})
        if previous != digest:
            self._stop_superseded(job, kind_of(document), trigger)
        if starts and (previous != digest or request.kind == "Create"):
            self._start(job, kind_of(document), trigger)
        return Outcome(physical_id=job, data={"Digest": digest})

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
        loop = self._table.get(f"loop#{job}") or {}
        if not kind.is_job_of(job, loop.get("in_flight", "")):
            return
        trigger_in_flight = Trigger.of(json.loads(loop["trigger"]))
        if trigger_in_flight.is_deployment and trigger_in_flight.series != trigger.series:
            kind.stop(self._sagemaker, loop["in_flight"])


def _owner(request: Request) -> str:
    """Identifies the resource that owns the document of a job."""
    return f"{request.stack_id}|{request.logical_id}"


def _ownership(row: Row, owner: str) -> Row:
    """The owner of a document, and the document of the previous owner, if it was another."""
    previous = row.get("owner")
    if previous is None or previous == owner:
        return {"owner": owner}
    former = canonical({key: row[key] for key in ("document", "digest", "owner")})
    return {"owner": owner, "former": former}


def _deleted_kind(request: Request, row: Row) -> Kind:
    """The kind of the deleted job; its document may be malformed."""
    for text in (request.properties.get("Document"), row.get("document")):
        try:
            return kind_of(json.loads(str(text)))
        except (ValueError, AttributeError):
            continue
    return TRAINING
