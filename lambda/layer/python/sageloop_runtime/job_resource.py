"""The custom resource behind a job: keeps its document, starts and stops nothing else."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.config import StartConfig
from sageloop_runtime.custom_resource import Outcome, Request
from sageloop_runtime.data_window import DataSet, choose_days, divide, keys_by_day, list_keys
from sageloop_runtime.errors import BadInputError, code_of
from sageloop_runtime.job_request import input_prefixes, read_job_document
from sageloop_runtime.kinds import TRAINING, Kind, kind_of
from sageloop_runtime.log import log
from sageloop_runtime.metrics import Metrics
from sageloop_runtime.names import canonical, digest_of, split_uri
from sageloop_runtime.starter import Starter
from sageloop_runtime.state import Row, StateTable
from sageloop_runtime.times import parse_time
from sageloop_runtime.triggers import Trigger, deploy_trigger


class JobResource:
    """Create, Update and Delete of a job's document.

    Args:
        state_table: the state table's name.
        table: the state table.
        s3: an S3 client.
        sagemaker: a SageMaker client.
        metrics: where JobsStarted goes.

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
        """Keep the document and start the job if it says so."""
        return self._put(request)

    def update(self, request: Request) -> Outcome:
        """Keep the new document; the same one again changes nothing and starts nothing."""
        return self._put(request)

    def delete(self, request: Request) -> Outcome:
        """Forget the document, then stop what runs; idempotent.

        A resource that was moved or became another kind of job is deleted after its successor
        was created under the same job: then the successor's document and jobs stay.
        """
        job = request.physical_id or request.text("Job")
        row = self._table.get(f"job#{job}") or {}
        kind = _kind_deleted(request, row)
        stays = self._forget(job, row, _owner(request))
        if stays is None or stays is not kind:
            for name in kind.running(self._sagemaker, job):
                kind.stop(self._sagemaker, name)
        if stays is None:
            self._table.delete(f"loop#{job}")
        return Outcome(physical_id=job)

    def _forget(self, job: str, row: Row, owner: str) -> Kind | None:
        """Take an owner's document away; the kind of the document that stays, if one does."""
        row_id, former = f"job#{job}", json.loads(row.get("former", "null"))
        if row.get("owner", owner) != owner:
            if former is not None and former["owner"] == owner:
                self._table.swap(row_id, change={"former": None}, expect={"owner": row["owner"]})
            return kind_of(json.loads(row["document"]))
        if former is not None:
            # A deployment is rolled back: what it wanted to replace is there still.
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
        known = row.get("digest")
        trigger = deploy_trigger(request.stack_id, digest)
        starts = bool(document.get("start_on_deploy"))
        if known != digest and starts:
            self._refuse_empty(document)
        if known != digest or row.get("owner") != _owner(request):
            change: Row = {"document": text, "digest": digest}
            self._table.swap(row_id, change={**change, **_taken_over(row, _owner(request))})
        if known != digest:
            self._stop_superseded(job, kind_of(document), trigger)
        if starts and (known != digest or request.kind == "Create"):
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
        starter = Starter(
            config,
            table=self._table,
            s3=self._s3,
            sagemaker=self._sagemaker,
            cloudwatch=None,
            metrics=self._metrics,
        )
        answer = starter.start(trigger)
        if answer["status"] == "refused":
            self._table.swap(f"loop#{job}", change={"page": None})
            raise BadInputError(f"the {kind.words} cannot be started: {answer['reason']}")
        if answer["status"] == "started":
            self._note_start(job, kind, answer["job_name"])

    def _note_start(self, job: str, kind: Kind, name: str) -> None:
        """Take the time of the start from the job: a deployment's event carries none."""
        at = parse_time(kind.describe(self._sagemaker, name)["CreationTime"])
        change = {"started_at": at, "last_started_at": at}
        self._table.swap(f"loop#{job}", change=change, expect={"in_flight": name})

    def _refuse_empty(self, document: dict[str, Any]) -> None:
        """Refuse a document that starts on deploy without anything to train on."""
        if document.get("data") is not None:
            data = DataSet.of(document["data"])
            days = choose_days(self._s3, data, None)
            divide(keys_by_day(self._s3, data), days, data.validation_days)
            return
        for channel, uri in input_prefixes(document):
            if self._is_empty(uri):
                raise BadInputError(f"the channel {channel!r} is empty: nothing is below {uri}")

    def _is_empty(self, uri: str) -> bool:
        """Whether nothing is below a URI; what this function may not list is taken as full."""
        bucket, prefix = split_uri(uri)
        try:
            return next(list_keys(self._s3, bucket, prefix), None) is None
        except ClientError as error:
            if code_of(error) not in {"AccessDenied", "AccessDeniedException"}:
                raise
            log("a channel could not be looked at", uri=uri, error=str(error))
            return False

    def _stop_superseded(self, job: str, kind: Kind, trigger: Trigger) -> None:
        """Stop the job that an earlier deployment started: this one replaces it.

        One of another kind is stopped by the function of its own resource, which goes.
        """
        loop = self._table.get(f"loop#{job}") or {}
        if not kind.is_job_of(job, loop.get("in_flight", "")):
            return
        running = Trigger.of(json.loads(loop["trigger"]))
        if running.deployed and running.series != trigger.series:
            kind.stop(self._sagemaker, loop["in_flight"])


def _owner(request: Request) -> str:
    """The resource of a stack, which keeps a document under its job's name."""
    return f"{request.stack_id}|{request.logical_id}"


def _taken_over(row: Row, owner: str) -> Row:
    """The owner of a document, and whose it was if it was another's."""
    known = row.get("owner")
    if known is None or known == owner:
        return {"owner": owner}
    former = canonical({key: row[key] for key in ("document", "digest", "owner")})
    return {"owner": owner, "former": former}


def _kind_deleted(request: Request, row: Row) -> Kind:
    """The kind of what is deleted, whose document may be one that was never good."""
    for text in (request.properties.get("Document"), row.get("document")):
        try:
            return kind_of(json.loads(str(text)))
        except (ValueError, AttributeError):
            continue
    return TRAINING
