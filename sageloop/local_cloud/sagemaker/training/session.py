"""The resources of one attempt: hosts, channels, checkpoints and artifacts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sageloop.local_cloud import images
from sageloop.local_cloud.core.ports import free_port
from sageloop.local_cloud.sagemaker.failures import InternalError, JobFailed
from sageloop.local_cloud.sagemaker.training import layout
from sageloop.local_cloud.sagemaker.training.artifacts import Artifacts
from sageloop.local_cloud.sagemaker.training.channel_delivery import ChannelDelivery
from sageloop.local_cloud.sagemaker.training.channels.channel import channels_of
from sageloop.local_cloud.sagemaker.training.channels.file_systems import FileSystems
from sageloop.local_cloud.sagemaker.training.channels.files import SharedBodies
from sageloop.local_cloud.sagemaker.training.checkpoints import CheckpointSync, NoCheckpoints
from sageloop.local_cloud.sagemaker.training.cluster import Cluster, HostPlan
from sageloop.local_cloud.sagemaker.training.host import Host, HostRun, OnHostLines, Placement
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage

if TYPE_CHECKING:
    from sageloop.local_cloud.core.cloud import Cloud


class Session:
    """The resources of one attempt; ``on_error`` receives failures of its pipes."""

    def __init__(
        self, cloud: Cloud, job: dict[str, Any], cluster: Cluster, file_systems: FileSystems,
        bodies: SharedBodies, *, network: int | None,
    ) -> None:  # fmt: skip
        self._cloud = cloud
        self._job = job
        self._cluster = cluster
        self._network = network
        self._storage = JobStorage(cloud, job["RoleArn"], job.get("VpcConfig"))
        self._channels = channels_of(job)
        self._channel_delivery = ChannelDelivery(
            self._storage, file_systems, bodies, self._report_error
        )
        self.artifacts = Artifacts(job, self._storage)
        self.on_error: Callable[[JobFailed], None] | None = None

    def make_hosts(self, root: Path, pool: Path | None) -> list[Host]:
        """Create the directory of each host; the caches of a warm pool are moved into them."""
        root.mkdir(parents=True, exist_ok=True)
        (root / "hosts").write_text(self._cluster.hosts_file())
        self._hosts_file = root / "hosts"
        return [self._host(root, plan, pool) for plan in self._cluster.hosts]

    def deliver_channels(self, hosts: list[Host]) -> None:
        """Deliver all channels to the hosts. Raises :class:`JobFailed`."""
        for channel in self._channels:
            self._channel_delivery.deliver(channel, hosts)

    def runs(self, hosts: list[Host], on_lines: OnHostLines) -> list[HostRun]:
        """The programs to run, one for each host."""
        placement = Placement(self._cluster, free_port(), self._network, self._hosts_file)
        return [HostRun(self._cloud, self._job, placement, host, on_lines) for host in hosts]

    def command(self) -> list[str]:
        """The command line of the container."""
        image = self._job["AlgorithmSpecification"]["TrainingImage"]
        command = images.training_command(image, self._job)
        if command is None:
            raise InternalError  # the image was unregistered after the job was created
        return command

    @contextmanager
    def checkpoints(self, hosts: list[Host]) -> Iterator[CheckpointSync | NoCheckpoints]:
        """Context of the checkpoints: restored on entry, no longer scanned on exit."""
        config = self._job.get("CheckpointConfig")
        if not config:
            yield NoCheckpoints()
            return
        local = config.get("LocalPath", layout.CHECKPOINTS)
        folders = [host.directory.inside(local) for host in hosts]
        sync = CheckpointSync(self._storage, config["S3Uri"], folders)
        sync.restore()
        try:
            yield sync
        finally:
            sync.abandon()

    def upload_outputs(self, hosts: list[Host], failure: JobFailed | None) -> None:
        """Upload the artifacts of the hosts; then raise ``failure`` if there is one."""
        outputs = [host.directory.output for host in hosts]
        upload_output = any(any(folder.iterdir()) for folder in outputs)
        if upload_output:
            self._upload_output(outputs, failure)
        if failure is not None:
            raise failure
        self.artifacts.upload("model", [host.directory.model for host in hosts])

    def _upload_output(self, folders: list[Path], failure: JobFailed | None) -> None:
        try:
            self.artifacts.upload("output", folders)
        except JobFailed:
            if failure is None:  # else the first failure is the one to report
                raise

    def _host(self, root: Path, plan: HostPlan, pool: Path | None) -> Host:
        channels = [channel for channel in self._channels if channel.reaches(plan)]
        base = root / plan.name / "ml"
        directory = layout.prepare(base, self._job, self._cluster, plan, channels)
        if "WarmPoolStatus" in self._job:
            directory.warm_cache.parent.mkdir(parents=True)
            cache = None if pool is None else pool / plan.name
            if cache is not None and cache.is_dir():
                shutil.move(cache, directory.warm_cache)
            else:
                directory.warm_cache.mkdir()
        return Host(plan, directory, channels)

    def _report_error(self, failure: JobFailed) -> None:
        if self.on_error is not None:
            self.on_error(failure)
