"""One host of a processing job: its environment, process and log stream."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.access.caller import origin_in
from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.sagemaker import isolation
from sageloop.local_cloud.sagemaker.isolation import IsolationSettings
from sageloop.local_cloud.sagemaker.logs import LogStream, escaped
from sageloop.local_cloud.sagemaker.processing import program
from sageloop.local_cloud.sagemaker.processing.layout import HostDirectory
from sageloop.local_cloud.sagemaker.store import Document
from sageloop.local_cloud.sagemaker.training.cluster import Cluster
from sageloop.local_cloud.sagemaker.training.container import Container

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_CANNOT_START = 127  # the exit code of a shell for an unknown command


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a processing job runs: its hosts, and their network if it is private."""

    cluster: Cluster
    hosts_file: Path
    network: int | None


class HostRun:
    """Runs the program of a job on one host; ``on_lines`` is called before lines are logged."""

    def __init__(
        self, cloud: Cloud, job: Document, placement: Placement, directory: HostDirectory,
        on_lines: Callable[[], None],
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._job = job
        self._placement = placement
        self._directory = directory
        self._publish_lines = on_lines
        name, host = job["ProcessingJobName"], directory.host
        stream = f"{name}/{host.name}-{int(cloud.clock.time())}"
        self._log = LogStream(cloud, LOG_GROUP, stream, principal=job["RoleArn"])
        own = host == placement.cluster.leader
        label = f"processing:{name}" if own else f"processing:{name}/{host.name}"
        self.container = Container(cloud, label, self._on_lines)

    def run(self, command: list[str]) -> int:
        """Run the program to its end; return the exit code."""
        base = self._directory.base
        private = isolation.possible_for(base)
        settings = IsolationSettings(
            host_name=self._directory.host.name, hosts_file=self._placement.hosts_file,
            network=self._placement.network,
        )  # fmt: skip
        line = isolation.with_private_opt_ml(command, base, settings) if private \
            else program.relocated(command, base)  # fmt: skip
        try:
            return self.container.run(line, env=self._environment(private=private), cwd=base)
        except OSError as error:
            self._on_lines([f"{command[0]}: {error.strerror}"])
            return _CANNOT_START

    def _environment(self, *, private: bool) -> dict[str, str]:
        cloud, job = self._cloud, self._job
        env: dict[str, str] = clean_environment()
        folder = program.python_folder(cloud.work_dir / "processing" / ".python")
        env["PATH"] = f"{folder}{os.pathsep}{env.get('PATH', os.defpath)}"
        env |= job.get("Environment", {})
        env["SAGELOOP_HOST_ADDRESSES"] = json.dumps(self._placement.cluster.addresses())
        if job.get("NetworkConfig", {}).get("EnableNetworkIsolation", False):
            platform = cloud.child_environment(None)
            del platform["AWS_ENDPOINT_URL"]
        else:
            origin = origin_in(job.get("NetworkConfig", {}).get("VpcConfig"))
            credentials = cloud.credentials_of(job["RoleArn"], "SageMaker", origin)
            platform = cloud.child_environment(credentials)
        if not private:
            platform["SAGEMAKER_BASE_DIR"] = str(self._directory.base)
        return env | platform

    def _on_lines(self, lines: list[str]) -> None:
        self._publish_lines()
        try:
            self._log.write([escaped(line) for line in lines])
        except (BotoCoreError, ClientError):
            # As on AWS, a job continues if its log cannot be written.
            log.warning("no log of %s could be written", self._job["ProcessingJobName"])
