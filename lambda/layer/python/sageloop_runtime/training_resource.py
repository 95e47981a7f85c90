"""The custom resource behind a training job: keeps its document, starts and stops nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from sageloop_runtime.config import StartConfig
from sageloop_runtime.custom_resource import Outcome, Request
from sageloop_runtime.data_window import DataSet, choose_days, divide, keys_by_day, list_keys
from sageloop_runtime.errors import BadInputError, message_of
from sageloop_runtime.job_request import input_prefixes, read_job_document
from sageloop_runtime.names import canonical, digest_of, is_job_of, split_uri
from sageloop_runtime.state import StateTable
from sageloop_runtime.times import parse_time
from sageloop_runtime.training import Starter
from sageloop_runtime.triggers import Trigger, deploy_trigger


class TrainingResource:
    """Create, Update and Delete of a training job's document.

    Args:
        state_table: the state table's name.
        table: the state table.
        s3: an S3 client.
        sagemaker: a SageMaker client.

    """

    def __init__(self, state_table: str, *, table: StateTable, s3: Any, sagemaker: Any) -> None:
        self._state_table = state_table
        self._table = table
        self._s3 = s3
        self._sagemaker = sagemaker

    def create(self, request: Request) -> Outcome:
        """Keep the document and start the job if it says so."""
        return self._put(request)

    def update(self, request: Request) -> Outcome:
        """Keep the new document; the same one again changes nothing and starts nothing."""
        return self._put(request)

    def delete(self, request: Request) -> Outcome:
        """Forget the document, then stop what runs; idempotent."""
        job = request.physical_id or request.text("Job")
        self._table.delete(f"job#{job}")
        for name in self._running(job):
            self._stop(name)
        self._table.delete(f"loop#{job}")
        return Outcome(physical_id=job)

    def _put(self, request: Request) -> Outcome:
        job, text = request.text("Job"), request.text("Document")
        document = read_job_document(text, job)
        digest = digest_of(canonical(document), length=64)
        row_id = f"job#{job}"
        known = (self._table.get(row_id) or {}).get("digest")
        trigger = deploy_trigger(request.stack_id, digest)
        starts = bool(document.get("start_on_deploy"))
        if known != digest:
            if starts:
                self._refuse_empty(document)
            self._table.swap(row_id, change={"document": text, "digest": digest})
            self._stop_superseded(job, trigger)
        if starts and (known != digest or request.kind == "Create"):
            self._start(job, trigger)
        return Outcome(physical_id=job, data={"Digest": digest})

    def _start(self, job: str, trigger: Trigger) -> None:
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
            metrics=None,
        )
        answer = starter.start(trigger)
        if answer["status"] == "refused":
            self._table.swap(f"loop#{job}", change={"page": None})
            raise BadInputError(f"the training job cannot be started: {answer['reason']}")
        if answer["status"] == "started":
            self._note_start(job, answer["training_job"])

    def _note_start(self, job: str, name: str) -> None:
        """Take the time of the start from the job: a deployment's event carries none."""
        described = self._sagemaker.describe_training_job(TrainingJobName=name)
        at = parse_time(described["CreationTime"])
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
            bucket, prefix = split_uri(uri)
            if next(list_keys(self._s3, bucket, prefix), None) is None:
                raise BadInputError(f"the channel {channel!r} is empty: nothing is below {uri}")

    def _stop_superseded(self, job: str, trigger: Trigger) -> None:
        """Stop the job that an earlier deployment started: this one replaces it."""
        loop = self._table.get(f"loop#{job}") or {}
        if not loop.get("in_flight"):
            return
        running = Trigger.of(json.loads(loop["trigger"]))
        if running.kind == "deploy" and running.key != trigger.key:
            self._stop(loop["in_flight"])

    def _running(self, job: str) -> Iterator[str]:
        request = {"NameContains": f"{job}-", "StatusEquals": "InProgress"}
        while True:
            answer = self._sagemaker.list_training_jobs(**request)
            for item in answer["TrainingJobSummaries"]:
                if is_job_of(job, item["TrainingJobName"]):
                    yield item["TrainingJobName"]
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]

    def _stop(self, name: str) -> None:
        try:
            self._sagemaker.stop_training_job(TrainingJobName=name)
        except ClientError as error:
            # It ended meanwhile, or was never created.
            text = message_of(error).lower()
            if not any(part in text for part in ("not found", "could not", "status", "stopp")):
                raise
