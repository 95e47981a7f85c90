"""One training job from its download to its last status."""

from __future__ import annotations

import logging
import shutil
import threading
import time as wall
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.sagemaker import containers, isolation
from sageloop.local_cloud.sagemaker.logs import LogStream, escaped
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training import layout
from sageloop.local_cloud.sagemaker.training.book import JobBook
from sageloop.local_cloud.sagemaker.training.container import Container
from sageloop.local_cloud.sagemaker.training.failures import (
    INTERNAL_ERROR,
    Abandoned,
    InternalError,
    JobFailed,
    JobStopped,
    algorithm_error,
)
from sageloop.local_cloud.sagemaker.training.metrics import MetricReader
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, packed, split_uri

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_NAMESPACE = LOG_GROUP = "/aws/sagemaker/TrainingJobs"


class TrainingRun:
    """Carries one job out. :meth:`run` blocks; the other methods come from other threads."""

    def __init__(
        self, cloud: Cloud, book: JobBook, job: Document, *,
        on_metric: Callable[[str, float], None] | None = None,
        on_end: Callable[[Document], None] | None = None,
    ) -> None:  # fmt: skip
        self._on_metric = on_metric
        self._tell_end = on_end
        self._cloud = cloud
        self._book = book
        self._job = job
        self._name: str = job["TrainingJobName"]
        self._root = cloud.work_dir / "training" / self._name
        self._metrics = MetricReader(job["AlgorithmSpecification"].get("MetricDefinitions", ()))
        self._storage = JobStorage(
            cloud.client("s3", principal=job["RoleArn"]), region=cloud.region,
            role_arn=job["RoleArn"],
        )  # fmt: skip
        stream = f"{self._name}/algo-1-{int(cloud.clock.time())}"
        self._log = LogStream(cloud, LOG_GROUP, stream, principal=job["RoleArn"])
        self._lock = threading.Lock()
        self._container: Container | None = None
        self._stop_asked = False
        self._abandoned = False
        self._dies = False
        self._began: float | None = None

    def run(self) -> None:
        """Carry the job out; every end is a status, none an exception."""
        try:
            with suppress(Abandoned):
                self._run_to_a_status()
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def request_stop(self) -> None:
        """End the container; the job is Stopping already."""
        with self._lock:
            self._stop_asked = True
            container = self._container
        if container is not None:
            container.stop()

    def abandon(self) -> None:
        """Kill the container and change no status: the cloud goes down."""
        with self._lock:
            self._abandoned = True
            container = self._container
        if container is not None:
            container.kill()

    def _run_to_a_status(self) -> None:
        try:
            end = self._attempts()
        except JobStopped:
            self._end("Stopped")
        except JobFailed as failure:
            self._end("Failed", FailureReason=failure.reason)
        except Abandoned:
            raise
        except Exception:
            self._check_abandoned()
            log.exception("training job %s broke", self._name)
            self._end("Failed", FailureReason=INTERNAL_ERROR)
        else:
            self._end(end, ModelArtifacts={"S3ModelArtifacts": self._model_uri()})

    def _attempts(self) -> str:
        left = self._job.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
        while True:
            try:
                return self._attempt()
            except InternalError:
                if left == 0:
                    raise
                left -= 1
                shutil.rmtree(self._root, ignore_errors=True)
                self._book.move(self._name, "Restarting")

    def _attempt(self) -> str:
        directory = layout.prepare(self._root / "ml", self._job)
        began = self._cloud.clock.now()
        self._book.move(self._name, "Downloading", TrainingStartTime=began)
        self._began = wall.monotonic()
        for channel in self._job.get("InputDataConfig", ()):
            self._storage.download(channel, directory.channel(channel["ChannelName"]))
            self._check_abandoned()
        self._book.move(self._name, "Training")
        end, failure = self._contained(directory)
        self._book.move(self._name, "Uploading")
        self._keep(directory, failure)
        return end

    def _contained(self, directory: layout.JobDirectory) -> tuple[str, JobFailed | None]:
        label = f"training:{self._name}"
        self._dies = self._cloud.faults.process_dies(label)
        container = Container(self._cloud, label, self._on_lines, self._on_limit)
        with self._lock:
            self._container = container
            stop_asked = self._stop_asked
        if stop_asked:
            raise JobStopped
        self._check_abandoned()
        image = self._job["AlgorithmSpecification"]["TrainingImage"]
        command = containers.training_command(image)
        if command is None:
            raise InternalError  # unregistered since the job was created
        wrapped = isolation.with_private_opt_ml(command, directory.base)
        code = container.run(
            wrapped, env=self._environment(directory, private=wrapped != command),
            cwd=directory.base,
            max_seconds=self._job["StoppingCondition"]["MaxRuntimeInSeconds"],
        )  # fmt: skip
        self._check_abandoned()
        return self._judged(code, container, directory)

    def _judged(
        self, code: int, container: Container, directory: layout.JobDirectory
    ) -> tuple[str, JobFailed | None]:
        if self._dies:
            raise InternalError
        with self._lock:
            stopped = self._stop_asked
        if container.timed_out:
            return "MaxRuntimeExceeded", None
        if stopped:
            return "Stopped", None
        if code == 0:
            return "Completed", None
        return "Failed", algorithm_error(directory.failure_text(), code)

    def _environment(self, directory: layout.JobDirectory, *, private: bool) -> dict[str, str]:
        job, cloud = self._job, self._cloud
        env: dict[str, str] = clean_environment() | job.get("Environment", {})
        env |= {"TRAINING_JOB_NAME": self._name, "TRAINING_JOB_ARN": job["TrainingJobArn"]}
        if job["EnableNetworkIsolation"]:
            platform = cloud.child_environment(None)
            del platform["AWS_ENDPOINT_URL"]
        else:
            platform = cloud.child_environment(
                cloud.credentials_of(job["RoleArn"], "SageMaker")
            )  # fmt: skip
        if not private:
            channels = [c["ChannelName"] for c in job.get("InputDataConfig", ())]
            platform |= layout.fallback_environment(directory, channels)
        return env | platform

    def _on_lines(self, lines: list[str]) -> None:
        if self._dies and self._container is not None:
            self._container.kill()
        told = [escaped(line) for line in lines]
        now = self._cloud.clock.now()
        for line in told:
            for observed in self._metrics.read(line, now):
                self._publish(observed.name, observed.value)
                if self._on_metric is not None:
                    self._on_metric(observed.name, observed.value)
        try:
            self._log.write(told)
        except (BotoCoreError, ClientError):
            # A log that cannot be written never ends a job, on AWS neither.
            log.warning("no log of training job %s could be written", self._name)

    def _on_limit(self) -> None:
        with suppress(AwsError):
            self._book.ask_to_stop(self._name)

    def _publish(self, metric: str, value: float) -> None:
        cloudwatch: Any = self._cloud.front.services.get("cloudwatch")
        if cloudwatch is not None:
            named = {"TrainingJobName": self._name}
            cloudwatch.put(_NAMESPACE, metric, value, dimensions=named)

    def _keep(self, directory: layout.JobDirectory, failure: JobFailed | None) -> None:
        sources = {"output": directory.output} if any(directory.output.iterdir()) else {}
        if failure is None:
            self._upload(sources | {"model": directory.model})
            return
        with suppress(JobFailed):  # the first failure is the one to tell
            self._upload(sources)
        raise failure

    def _upload(self, sources: dict[str, Path]) -> None:
        output = self._job["OutputDataConfig"]
        bucket, prefix = split_uri(output["S3OutputPath"])
        kms_key = output.get("KmsKeyId")
        place = "/".join(part for part in (prefix.rstrip("/"), self._name, "output") if part)
        plain = output.get("CompressionType", "GZIP") == "NONE"
        for name, source in sources.items():
            if plain:
                for path in sorted(p for p in source.rglob("*") if p.is_file()):
                    key = f"{place}/{name}/{path.relative_to(source).as_posix()}"
                    self._storage.upload(bucket, key, path.read_bytes(), kms_key=kms_key)
            else:
                key = f"{place}/{name}.tar.gz"
                self._storage.upload(bucket, key, packed(source), kms_key=kms_key)

    def _model_uri(self) -> str:
        output = self._job["OutputDataConfig"]
        tail = "model/" if output.get("CompressionType", "GZIP") == "NONE" else "model.tar.gz"
        return f"{output['S3OutputPath'].rstrip('/')}/{self._name}/output/{tail}"

    def _end(self, secondary: str, **members: Any) -> None:
        self._check_abandoned()
        if self._began is not None:
            # Machine time is wall time, so this is what the instance would have been billed.
            seconds = max(1, round(wall.monotonic() - self._began))
            members |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
        final = self._metrics.final()
        if final:
            members["FinalMetricDataList"] = final
        if secondary == "Failed":
            members.setdefault("FailureReason", INTERNAL_ERROR)
        document = self._book.move(self._name, secondary, **members)
        if self._tell_end is not None:
            self._tell_end(document)

    def _check_abandoned(self) -> None:
        if self._abandoned or self._cloud.stopped.is_set():
            raise Abandoned
