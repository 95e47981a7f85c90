"""Execution of one transform job."""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import threading
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.sagemaker.failures import (
    INTERNAL_ERROR,
    Abandoned,
    JobFailed,
    JobStopped,
)
from sageloop.local_cloud.sagemaker.hosting.instances.artifacts import ArtifactError
from sageloop.local_cloud.sagemaker.jobs import JobRecords
from sageloop.local_cloud.sagemaker.logs import LogStream, escaped
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training.channels.channel import Channel
from sageloop.local_cloud.sagemaker.training.channels.listing import Item, items_of
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, split_uri
from sageloop.local_cloud.sagemaker.transform.assembling import output_key
from sageloop.local_cloud.sagemaker.transform.capture import manifest_key, manifests
from sageloop.local_cloud.sagemaker.transform.joining import DataProcessing
from sageloop.local_cloud.sagemaker.transform.limits import container_environment, limits_of
from sageloop.local_cloud.sagemaker.transform.objects import (
    ObjectFailed,
    Stopped,
    Transformation,
)
from sageloop.local_cloud.sagemaker.transform.server import Server

if TYPE_CHECKING:
    from sageloop.local_cloud.sagemaker.account import Account
    from sageloop.local_cloud.sagemaker.hosting.instances.model_containers import (
        ModelContainers,
        Serving,
    )

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TransformJobs"


class TransformRun:
    """Executes a job. :meth:`run` blocks; the other methods are called from other threads.

    Objects are distributed to the instances by key. If an object fails, the other objects are still
    transformed and written; the job then ends as Failed.
    """

    def __init__(
        self, account: Account, containers: ModelContainers, records: JobRecords, job: Document
    ) -> None:
        self._containers = containers
        self._cloud = account.cloud
        self._records = records
        self._job = job
        self._name: str = job["TransformJobName"]
        self._root = self._cloud.work_dir / "transform" / self._name
        model = account.store.get("model", job["ModelName"])
        self._role: str = model["ExecutionRoleArn"]
        self._storage = JobStorage(self._cloud, self._role, model.get("VpcConfig"))
        self._processing = DataProcessing.of(job)
        self._lock = threading.Lock()
        self._servers: list[Server] = []
        self._failures: list[str] = []
        self._transformed: list[Item] = []
        self._stopping = threading.Event()
        self._abandoned = False

    def run(self) -> None:
        """Execute the job; each outcome is a status, never an exception."""
        try:
            with suppress(Abandoned):
                self._run_to_a_status()
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def request_stop(self) -> None:
        """Send no more requests and stop the containers; the status is Stopping already."""
        self._stopping.set()
        self._kill()

    def abandon(self) -> None:
        """Kill the containers and change no status: the cloud is shutting down."""
        self._abandoned = True
        self._stopping.set()
        self._kill()

    def _kill(self) -> None:
        with self._lock:
            servers = list(self._servers)
        for server in servers:
            server.kill()

    def _run_to_a_status(self) -> None:
        reason = None
        try:
            self._records.begin(self._name)
            self._transform_all()
            status = "Completed"
            if self._failures:
                reason = f"{self._failures[0]}: See job logs for more information"
                status = "Failed"
        except (JobStopped, Stopped):
            status = "Stopped"
        except JobFailed as failure:
            status, reason = "Failed", failure.reason
        except Exception:
            self._check_abandoned()
            log.exception("transform job %s failed unexpectedly", self._name)
            status, reason = "Failed", INTERNAL_ERROR
        self._check_abandoned()
        if self._stopping.is_set():
            status, reason = "Stopped", None
        self._records.end(self._name, status, FailureReason=reason)

    def _transform_all(self) -> None:
        items = items_of(_channel(self._job), self._storage)
        try:
            serving = self._containers.serving(
                self._job["ModelName"], source_arn=self._job["TransformJobArn"]
            )
        except ArtifactError as error:
            raise JobFailed(f"ClientError: {error}") from error
        count = self._job["TransformResources"]["InstanceCount"]
        parts = [items[number::count] for number in range(count)]
        with ThreadPoolExecutor(count, thread_name_prefix=f"transform {self._name}") as pool:
            instances = [
                pool.submit(self._run_instance, number, serving, part)
                for number, part in enumerate(parts)
            ]
        for instance in instances:
            instance.result()
        self._capture()

    def _run_instance(self, number: int, serving: Serving, items: list[Item]) -> None:
        stream = f"{self._name}/i-{secrets.token_hex(8)}-{secrets.token_hex(4)}"
        server = Server(
            self._cloud, serving, label=f"transform:{self._name}",
            base=self._root / str(number) / "ml", on_lines=self._writer(stream),
            timing=self._containers.timing(),
        )  # fmt: skip
        with self._lock:
            self._servers.append(server)
        try:
            if self._stopping.is_set():
                raise Stopped
            own = dict(self._job.get("Environment", {})) | container_environment(self._job)
            server.start(own)
            self._transform_part(server, items, self._writer(f"{stream}/data-log"))
        finally:
            server.stop()

    def _transform_part(
        self, server: Server, items: list[Item], write: Callable[[list[str]], None]
    ) -> None:
        limits = limits_of(self._job, server.execution_parameters())
        write([self._line(limits.log_line())])
        with ThreadPoolExecutor(limits.concurrent) as pool:
            work = Transformation(
                request=self._job, limits=limits, processing=self._processing, server=server,
                pool=pool, stopping=self._stopping,
            )  # fmt: skip
            started: deque[tuple[Item, Callable[[], bytes]]] = deque()
            for item in items:
                with self._recording_failure(item, write):
                    data = self._storage.read(item.bucket, item.key)
                    started.append((item, work.begin(item, data)))
                while len(started) > limits.concurrent:
                    self._finish(*started.popleft(), write)
            while started:
                self._finish(*started.popleft(), write)

    def _finish(
        self, item: Item, output: Callable[[], bytes], write: Callable[[list[str]], None]
    ) -> None:
        with self._recording_failure(item, write):
            target = self._job["TransformOutput"]
            bucket, prefix = split_uri(target["S3OutputPath"])
            key = output_key(prefix, item.relative)
            self._storage.upload(bucket, key, output(), kms_key=target.get("KmsKeyId"))
            with self._lock:
                self._transformed.append(item)

    def _recording_failure(
        self, item: Item, write: Callable[[list[str]], None]
    ) -> _FailureRecorder:
        return _FailureRecorder(lambda failure: self._record_failure(item, failure, write))

    def _record_failure(
        self, item: Item, failure: ObjectFailed, write: Callable[[list[str]], None]
    ) -> None:
        with self._lock:
            self._failures.append(failure.kind)
        write([self._line(f"{item.bucket}/{item.key}: {line}") for line in failure.lines])

    def _line(self, text: str) -> str:
        stamp = self._cloud.clock.now()
        return f"{stamp:%Y-%m-%dT%H:%M:%S}.{stamp.microsecond // 1000:03d}:[sagemaker logs]: {text}"

    def _writer(self, stream: str) -> Callable[[list[str]], None]:
        written = LogStream(self._cloud, LOG_GROUP, stream, principal=self._role)

        def write(lines: list[str]) -> None:
            try:
                written.write([escaped(line) for line in lines])
            except (BotoCoreError, ClientError):
                # As on AWS, a job continues if its log cannot be written.
                log.warning("no log of transform job %s could be written", self._name)

        return write

    def _capture(self) -> None:
        config = self._job.get("DataCaptureConfig")
        if config is None:
            return
        bucket, prefix = split_uri(config["DestinationS3Uri"])
        target = self._job["TransformOutput"]["S3OutputPath"]
        for side, manifest in manifests(self._transformed, target).items():
            key = manifest_key(prefix, side, self._cloud.clock.now(), str(uuid.uuid4()))
            body = json.dumps(manifest).encode()
            self._storage.upload(bucket, key, body, kms_key=config.get("KmsKeyId"))

    def _check_abandoned(self) -> None:
        if self._abandoned or self._cloud.stopped.is_set():
            raise Abandoned


class _FailureRecorder:
    """Context manager that records the failure of one object and continues with the next."""

    def __init__(self, note: Callable[[ObjectFailed], None]) -> None:
        self._record_failure = note

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> bool:
        if not isinstance(error, ObjectFailed):
            return False
        self._record_failure(error)
        return True


def _channel(job: Document) -> Channel:
    return Channel(
        name="input", mode="File", s3=job["TransformInput"]["DataSource"]["S3DataSource"],
        file_system={}, content_type=None, gzipped=False, record_wrapper="None", seed=None,
    )  # fmt: skip
