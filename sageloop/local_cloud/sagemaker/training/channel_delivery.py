"""Delivery of a job's channels to its hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sageloop.local_cloud.sagemaker import isolation
from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.isolation import Mount
from sageloop.local_cloud.sagemaker.training.channels import files, listing, streams
from sageloop.local_cloud.sagemaker.training.channels.channel import Channel
from sageloop.local_cloud.sagemaker.training.channels.file_systems import FileSystems
from sageloop.local_cloud.sagemaker.training.channels.files import SharedBodies
from sageloop.local_cloud.sagemaker.training.channels.pipe import PipeFeed
from sageloop.local_cloud.sagemaker.training.host import Host
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage

OnError = Callable[[JobFailed], None]


@dataclass(frozen=True, slots=True)
class ChannelDelivery:
    """Delivers channels to hosts; ``on_error`` receives failures of a pipe while it is read."""

    storage: JobStorage
    file_systems: FileSystems
    bodies: SharedBodies
    on_error: OnError

    def deliver(self, channel: Channel, hosts: Sequence[Host]) -> None:
        """Make a channel available on each host that gets it. Raises :class:`JobFailed`."""
        receivers = [host for host in hosts if channel.reaches(host.plan)]
        if channel.file_system:
            for host in receivers:
                self._mount(channel, host)
            return
        # Listed once for all hosts, so each object is in exactly one shard.
        augmented = channel.s3.get("S3DataType") == "AugmentedManifestFile"
        list_parts: Any = listing.lines_of if augmented else listing.items_of
        parts = list_parts(channel, self.storage)
        flow: Any = streams.of_lines if augmented else streams.of_objects
        for rank, host in enumerate(receivers):

            def shard_of(epoch: int, rank: int = rank) -> list[Any]:
                return listing.shard_of(
                    parts, channel, rank=rank, hosts=len(receivers), epoch=epoch
                )  # fmt: skip

            if channel.mode == "Pipe":

                def produce(epoch: int, shard_of: Any = shard_of) -> Iterator[bytes]:
                    flowing: Iterator[bytes] = flow(channel, shard_of(epoch), self.storage)
                    return flowing

                path = host.directory.channel(channel.name)
                host.feeds.append(PipeFeed(path, produce, self.on_error))
            else:
                self._write(channel, host, shard_of(0))

    def _write(self, channel: Channel, host: Host, items: list[listing.Item]) -> None:
        target = host.directory.channel(channel.name)
        if channel.mode != "FastFile":
            files.copy_items(items, target, self.storage)
        elif isolation.possible_for(host.directory.base):
            self.bodies.link_items(items, target, self.storage)
            host.mounts.append(Mount(target, _inside(channel), read_only=True))
        else:
            # Without a read-only mount, a program that runs as root could write through a link.
            files.copy_items(items, target, self.storage)
            files.make_read_only(target)

    def _mount(self, channel: Channel, host: Host) -> None:
        source = self.file_systems.directory(channel.file_system)
        target = host.directory.channel(channel.name)
        if isolation.possible_for(host.directory.base):
            read_only = channel.file_system["FileSystemAccessMode"] == "ro"
            host.mounts.append(Mount(source, _inside(channel), read_only=read_only))
        else:
            _link(target, source)


def _inside(channel: Channel) -> str:
    return f"/opt/ml/input/data/{channel.name}"


def _link(target: Path, source: Path) -> None:
    target.rmdir()
    target.symlink_to(source, target_is_directory=True)
