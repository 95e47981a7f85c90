"""The environment of an example: a cloud, its deployed stacks, and its results."""

from __future__ import annotations

import io
import tarfile
import time as wall
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sageloop.examples.figure import Figure, Outcome
from sageloop.jobs.start import Place, start_job
from sageloop.local_cloud.assembly import DeploymentError
from sageloop.local_cloud.client import LocalCloud
from sageloop.waiting import until

Deploy = Callable[[Path, LocalCloud, Mapping[str, str]], dict[str, str]]
_ENDED = ("Completed", "Failed", "Stopped")


class ExampleFailedError(RuntimeError):
    """An expected result of an example did not occur."""


class Stage:
    """One run of one example in its own cloud.

    An example uses what a client of AWS could use: the CDK CLI, boto3, and the clock.
    """

    def __init__(
        self, folder: Path, cloud: LocalCloud, outcome: Outcome, *, deploy: Deploy,
        log: Callable[[str], None],
    ) -> None:  # fmt: skip
        """``deploy`` deploys the app of a folder with variables; ``log`` receives progress."""
        self.folder, self.cloud, self._outcome = folder, cloud, outcome
        self._deploy, self._log = deploy, log
        self.outputs: dict[str, str] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the time of a step."""
        began = wall.monotonic()
        yield
        seconds = round(wall.monotonic() - began, 2)
        self._outcome.steps.append({"name": name, "seconds": seconds})
        self._log(f"{name} ({seconds:.1f} s)")

    def deploy(self, *, environment: Mapping[str, str] | None = None) -> dict[str, str]:
        """Deploy the example's app; returns the outputs of its stacks, also in ``outputs``.

        ``environment`` has variables for the app, for example which of two models it serves.

        Raises:
            ExampleFailedError: If the deployment failed, with the reason.

        """
        variables = {} if environment is None else dict(environment)
        with self.step("deploy"):
            try:
                self.outputs = self._deploy(self.folder, self.cloud, variables)
            except DeploymentError as error:
                raise ExampleFailedError(str(error)) from error
        return self.outputs

    def say(self, line: str) -> None:
        """Print a line of progress."""
        self._log(line)

    def upload(self, bucket: str, files: Mapping[str, bytes]) -> None:
        """Upload objects by key, in order."""
        with self.step(f"upload {len(files)} file{'s' if len(files) > 1 else ''}"):
            s3 = self.cloud.client("s3")
            for key, body in files.items():
                s3.put_object(Bucket=bucket, Key=key, Body=body)

    def start(self, job: str) -> str:
        """Start a job manually, like ``sageloop train``; returns the name of the job.

        Raises:
            ExampleFailedError: If no job was started.

        """
        place = Place(
            client=self.cloud.client, now=self.cloud.time, name=self.cloud.endpoint_url, pause=0.1
        )
        started = start_job(place, job)
        if started.status != "started":
            raise ExampleFailedError(f"{job} was not started: {started.status} {started.reason}")
        return started.name

    def training_job(self, prefix: str, *, seconds: float = 180) -> dict[str, Any]:
        """Wait for the first training job with a prefix to end; returns its description.

        Raises:
            ExampleFailedError: If it did not complete, with its reason.

        """
        sagemaker = self.cloud.client("sagemaker")

        def ended() -> dict[str, Any] | None:
            # All pages: a page is cut before it is filtered by name.
            pages = sagemaker.get_paginator("list_training_jobs").paginate(
                NameContains=prefix, SortBy="CreationTime", SortOrder="Ascending"
            )
            jobs = [job for page in pages for job in page["TrainingJobSummaries"]]
            ended_jobs = [job for job in jobs if job["TrainingJobStatus"] in _ENDED]
            return ended_jobs[0] if ended_jobs else None

        with self.step(f"train {prefix}"):
            name = until(f"the end of a job {prefix}*", ended, seconds=seconds)["TrainingJobName"]
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        return self._completed(name, job["TrainingJobStatus"], job)

    def tuning_job(self, prefix: str, *, seconds: float = 300) -> dict[str, Any]:
        """Wait for the first tuning job with a prefix to end; returns its description.

        Raises:
            ExampleFailedError: If it did not complete, with its reason.

        """
        sagemaker = self.cloud.client("sagemaker")

        def ended() -> dict[str, Any] | None:
            jobs = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=prefix)
            ended_jobs = [
                job
                for job in jobs["HyperParameterTuningJobSummaries"]
                if job["HyperParameterTuningJobStatus"] in _ENDED
            ]
            return ended_jobs[0] if ended_jobs else None

        with self.step(f"tune {prefix}"):
            ended_job = until(f"the end of a tuning job {prefix}*", ended, seconds=seconds)
        name = ended_job["HyperParameterTuningJobName"]
        job: dict[str, Any] = sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        return self._completed(name, job["HyperParameterTuningJobStatus"], job)

    def artifact(self, job: Mapping[str, Any]) -> dict[str, bytes]:
        """The files of a training job's ``model.tar.gz``."""
        uri: str = job["ModelArtifacts"]["S3ModelArtifacts"]
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body = self.cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            members = [m for m in archive.getmembers() if m.isfile()]
            opened = {m.name: archive.extractfile(m) for m in members}
            return {name: file.read() for name, file in opened.items() if file is not None}

    def log_streams(self, job: str) -> list[str]:
        """Names of a training job's log streams, one for each host."""
        streams = self.cloud.client("logs").describe_log_streams(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{job}/"
        )
        return sorted(str(stream["logStreamName"]) for stream in streams["logStreams"])

    def figure(self, figure: Figure) -> None:
        """Report a metric."""
        self._outcome.figures.append(figure)

    def note(self, **facts: Any) -> None:
        """Report facts beside the metrics."""
        self._outcome.detail.update(facts)

    def metric(self, job: Mapping[str, Any], name: str) -> float:
        """The final value of a metric of a training job.

        Raises:
            ExampleFailedError: If the job did not report it.

        """
        values = {m["MetricName"]: m["Value"] for m in job.get("FinalMetricDataList", [])}
        if name not in values:
            raise ExampleFailedError(f"no metric {name!r}: the job reported {sorted(values)}")
        return float(values[name])

    def _completed(self, name: str, status: str, job: dict[str, Any]) -> dict[str, Any]:
        if status != "Completed":
            raise ExampleFailedError(f"{name} is {status}: {job.get('FailureReason')}")
        return job
