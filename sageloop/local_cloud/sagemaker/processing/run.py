"""Execution of one processing job."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from sageloop.local_cloud.core.errors import AwsError
from sageloop.local_cloud.sagemaker.execution_role import network_refusal
from sageloop.local_cloud.sagemaker.failures import (
    INTERNAL_ERROR,
    Abandoned,
    InternalError,
    JobFailed,
    JobStopped,
    algorithm_error,
)
from sageloop.local_cloud.sagemaker.jobs import JobRecords
from sageloop.local_cloud.sagemaker.processing import layout, program
from sageloop.local_cloud.sagemaker.processing.host import HostRun, Placement
from sageloop.local_cloud.sagemaker.processing.requests import (
    inputs_of,
    instances_of,
    outputs_of,
)
from sageloop.local_cloud.sagemaker.processing.uploads import ContinuousUpload, Upload
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training.channels.channel import Channel
from sageloop.local_cloud.sagemaker.training.channels.files import copy_items
from sageloop.local_cloud.sagemaker.training.channels.listing import items_of, shard_of
from sageloop.local_cloud.sagemaker.training.cluster import cluster_of
from sageloop.local_cloud.sagemaker.training.container import Container
from sageloop.local_cloud.sagemaker.training.network import PrivateNetwork
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

_DAY = 86_400


class ProcessingRun:
    """Executes a job. :meth:`run` blocks; the other methods are called from other threads.

    Outputs with ``EndOfJob`` are uploaded when the program of every host has exited with 0; outputs
    with ``Continuous`` are uploaded however the job ends. Each host has its own process group, log
    stream and ``/opt/ml``.
    """

    def __init__(self, cloud: Cloud, records: JobRecords, job: Document) -> None:
        self._cloud = cloud
        self._records = records
        self._job = job
        self._name: str = job["ProcessingJobName"]
        self._root = cloud.work_dir / "processing" / self._name
        network = job.get("NetworkConfig", {}).get("VpcConfig")
        self._storage = JobStorage(cloud, job["RoleArn"], network)
        kind, count = instances_of(job)
        self._cluster = cluster_of({"InstanceType": kind, "InstanceCount": count})
        self._lock = threading.Lock()
        self._containers: list[Container] = []
        self._first_failure = 0
        self._stop_requested = False
        self._timed_out = False
        self._abandoned = False
        self._machine_fails = False

    def run(self) -> None:
        """Execute the job; each outcome is a status, never an exception."""
        try:
            with suppress(Abandoned):
                self._run_to_a_status()
        finally:
            shutil.rmtree(self._root, ignore_errors=True)

    def request_stop(self) -> None:
        """Stop the containers; the status is Stopping already."""
        with self._lock:
            self._stop_requested = True
        self._apply_to_containers(Container.stop)

    def abandon(self) -> None:
        """Kill the containers and change no status: the cloud is shutting down."""
        with self._lock:
            self._abandoned = True
        self._apply_to_containers(Container.kill)

    def _apply_to_containers(self, action: Callable[[Container], None]) -> None:
        with self._lock:
            containers = list(self._containers)
        for container in containers:
            action(container)

    def _run_to_a_status(self) -> None:
        directories: list[layout.HostDirectory] = []
        reason = None
        try:
            self._records.begin(self._name)
            self._check_network()
            directories = self._download_inputs()
            self._execute(directories)
            status = "Stopped" if self._stop_requested or self._timed_out else "Completed"
        except JobStopped:
            status = "Stopped"
        except JobFailed as failure:
            status, reason = "Failed", failure.reason
        except Exception:
            self._check_abandoned()
            log.exception("processing job %s failed unexpectedly", self._name)
            status, reason = "Failed", INTERNAL_ERROR
        self._check_abandoned()
        messages = (directory.message() for directory in directories)
        self._records.end(
            self._name, status, FailureReason=reason,
            ExitMessage=next((message for message in messages if message), None),
        )  # fmt: skip

    def _check_network(self) -> None:
        vpc = self._job.get("NetworkConfig", {}).get("VpcConfig")
        refusal = network_refusal(self._cloud, self._job["RoleArn"], vpc)
        if refusal is not None:
            raise JobFailed(refusal)

    def _download_inputs(self) -> list[layout.HostDirectory]:
        hosts = self._cluster.hosts
        directories = [layout.prepare(self._root, host, self._cluster, self._job) for host in hosts]
        for entry in inputs_of(self._job):
            channel = _channel(entry)
            items = items_of(channel, self._storage)
            for rank, directory in enumerate(directories):
                host_items = shard_of(items, channel, rank=rank, hosts=len(directories))
                copy_items(host_items, directory.path(entry["S3Input"]["LocalPath"]), self._storage)
            self._check_not_stopped()
        return directories

    def _execute(self, directories: list[layout.HostDirectory]) -> None:
        uploads = [self._upload(d, output) for d in directories for output in outputs_of(self._job)]
        network = PrivateNetwork(self._cloud, self._name)
        if self._job.get("NetworkConfig", {}).get("EnableNetworkIsolation", False):
            network.open()
        try:
            with ContinuousUpload(uploads):
                self._run_hosts(directories, network.pid)
        finally:
            network.close()
        self._check_abandoned()
        if self._machine_fails:
            raise InternalError
        completed = not (self._first_failure or self._stop_requested or self._timed_out)
        for upload in uploads:
            if upload.continuous or completed:
                upload.send()
        if self._first_failure:
            # What the program wrote to its message file becomes the ExitMessage.
            raise algorithm_error("", self._first_failure)

    def _run_hosts(self, directories: list[layout.HostDirectory], network: int | None) -> None:
        command = program.command_of(self._job["AppSpecification"])
        if command is None:
            raise InternalError  # the image was unregistered after the job was created
        hosts_file = self._root / "hosts"
        hosts_file.write_text(self._cluster.hosts_file())
        placement = Placement(self._cluster, hosts_file, network)
        self._machine_fails = self._cloud.faults.kills_process(f"processing:{self._name}")
        runs = [HostRun(self._cloud, self._job, placement, d, self._on_lines) for d in directories]
        with self._lock:
            self._containers = [run.container for run in runs]
        self._check_not_stopped()
        seconds = self._job.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", _DAY)
        limit = threading.Timer(seconds, self._on_limit)
        limit.daemon = True
        limit.start()
        with ThreadPoolExecutor(len(runs), thread_name_prefix=f"processing {self._name}") as pool:
            list(pool.map(lambda run: self._run_host(run, command), runs))
        limit.cancel()

    def _run_host(self, run: HostRun, command: list[str]) -> None:
        code = run.run(command)
        with self._lock:
            ended = self._stop_requested or self._timed_out or self._first_failure
            if code == 0 or ended:
                return
            self._first_failure = code
        self._apply_to_containers(Container.stop)  # where one host fails, the job fails

    def _upload(self, directory: layout.HostDirectory, output: Document) -> Upload:
        folder = directory.path(output["S3Output"]["LocalPath"])
        kms_key = self._job["ProcessingOutputConfig"].get("KmsKeyId")
        return Upload(self._storage, folder, output, kms_key)

    def _on_lines(self) -> None:
        if self._machine_fails:
            self._apply_to_containers(Container.kill)

    def _on_limit(self) -> None:
        with self._lock:
            self._timed_out = True
        with suppress(AwsError):
            self._records.mark_stopping(self._name)
        self._apply_to_containers(Container.stop)

    def _check_not_stopped(self) -> None:
        self._check_abandoned()
        if self._stop_requested:
            raise JobStopped

    def _check_abandoned(self) -> None:
        if self._abandoned or self._cloud.stopped.is_set():
            raise Abandoned


def _channel(entry: Document) -> Channel:
    return Channel(
        name=entry["InputName"], mode="File", s3=entry["S3Input"], file_system={},
        content_type=None, gzipped=False, record_wrapper="None", seed=None,
    )  # fmt: skip
