"""One host of a training job: its directory, environment, process and log stream."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sageloop.local_cloud.access.caller import origin_in
from sageloop.local_cloud.core.processes import clean_environment
from sageloop.local_cloud.sagemaker import isolation
from sageloop.local_cloud.sagemaker.isolation import IsolationSettings, Mount
from sageloop.local_cloud.sagemaker.logs import LogStream, escaped
from sageloop.local_cloud.sagemaker.training import layout
from sageloop.local_cloud.sagemaker.training.channels.channel import Channel
from sageloop.local_cloud.sagemaker.training.channels.pipe import PipeFeed
from sageloop.local_cloud.sagemaker.training.cluster import Cluster, HostPlan
from sageloop.local_cloud.sagemaker.training.container import Container

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_CACHE_VARIABLE = "SAGELOOP_CACHE_DIR"

OnHostLines = Callable[["Host", list[str]], None]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an attempt runs: its hosts, their common port, and their network if it is private."""

    cluster: Cluster
    port: int
    network: int | None
    hosts_file: Path


@dataclass
class Host:
    """A host that is ready to run; ``mounts`` and ``feeds`` provide its data."""

    plan: HostPlan
    directory: layout.JobDirectory
    channels: Sequence[Channel]
    mounts: list[Mount] = field(default_factory=list)
    feeds: list[PipeFeed] = field(default_factory=list)


class HostRun:
    """Runs the program of a job on one host."""

    def __init__(
        self, cloud: Cloud, job: dict[str, Any], placement: Placement, host: Host,
        on_lines: OnHostLines,
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._job = job
        self._placement = placement
        self.host = host
        self._on_host_lines = on_lines
        name = job["TrainingJobName"]
        stream = f"{name}/{host.plan.name}-{int(cloud.clock.time())}"
        self._log = LogStream(cloud, LOG_GROUP, stream, principal=job["RoleArn"])
        own = host.plan == placement.cluster.leader
        label = f"training:{name}" if own else f"training:{name}/{host.plan.name}"
        self.container = Container(cloud, label, self._on_lines)

    def run(self, command: Sequence[str]) -> int:
        """Run the program to its end; return the exit code."""
        base = self.host.directory.base
        private = isolation.possible_for(base)
        settings = IsolationSettings(
            host_name=self.host.plan.name, hosts_file=self._placement.hosts_file,
            mounts=tuple(self.host.mounts), network=self._placement.network,
        )  # fmt: skip
        for feed in self.host.feeds:
            feed.start()
        try:
            return self.container.run(
                isolation.with_private_opt_ml(command, base, settings),
                env=self._environment(private=private), cwd=base,
            )  # fmt: skip
        finally:
            for feed in self.host.feeds:
                feed.close()

    def _environment(self, *, private: bool) -> dict[str, str]:
        job, cloud, cluster = self._job, self._cloud, self._placement.cluster
        env = clean_environment()
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}"
        env |= job.get("Environment", {})
        env |= {
            "TRAINING_JOB_NAME": job["TrainingJobName"],
            "TRAINING_JOB_ARN": job["TrainingJobArn"],
            "SAGELOOP_HOST_ADDRESSES": json.dumps(cluster.addresses()),
            "SAGELOOP_MASTER_PORT": str(self._placement.port),
            _CACHE_VARIABLE: str(cache_folder()),
        }
        if "WarmPoolStatus" in job:
            base = layout.INSIDE if private else self.host.directory.base
            env["SAGEMAKER_MANAGED_WARMPOOL_CACHE_DIRECTORY"] = str(base / layout.WARM_CACHE)
        if job["EnableNetworkIsolation"]:
            platform = cloud.child_environment(None)
            del platform["AWS_ENDPOINT_URL"]
        else:
            origin = origin_in(job.get("VpcConfig"))
            credentials = cloud.credentials_of(job["RoleArn"], "SageMaker", origin)
            platform = cloud.child_environment(credentials)
        if not private:
            platform |= layout.fallback_environment(self.host.directory, self.host.channels)
        return env | platform

    def _on_lines(self, lines: list[str]) -> None:
        text = [escaped(line) for line in lines]
        self._on_host_lines(self.host, text)
        try:
            self._log.write(text)
        except (BotoCoreError, ClientError):
            # As on AWS, a job continues if its log cannot be written.
            log.warning("no log of training job %s is written", self._job["TrainingJobName"])


def cache_folder() -> Path:
    """The folder that keeps environments of requirements.txt files between clouds."""
    configured = os.environ.get(_CACHE_VARIABLE)
    if configured:
        return Path(configured)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "sageloop"
