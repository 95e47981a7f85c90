"""One channel as its request describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.sagemaker.training.cluster import HostPlan


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel; ``s3`` or ``file_system`` is its source. ``seed`` is its ShuffleConfig's."""

    name: str
    mode: str
    s3: dict[str, Any]
    file_system: dict[str, Any]
    content_type: str | None
    gzipped: bool
    record_wrapper: str
    seed: int | None

    @property
    def sharded(self) -> bool:
        """Whether each host has a part of the objects instead of all of them."""
        return bool(self.s3.get("S3DataDistributionType") == "ShardedByS3Key")

    def reaches(self, host: HostPlan) -> bool:
        """Whether a host is of a group that has this channel."""
        groups = self.s3.get("InstanceGroupNames")
        return not groups or host.group in groups

    def described(self) -> dict[str, str]:
        """Its entry in ``inputdataconfig.json``."""
        described = {
            "TrainingInputMode": self.mode,
            "S3DistributionType": self.s3.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": self.record_wrapper,
        }
        if self.content_type is not None:
            described["ContentType"] = self.content_type
        return described


def channels_of(job: dict[str, Any]) -> list[Channel]:
    """A job's channels, each in its own input mode or the job's."""
    mode = job["AlgorithmSpecification"].get("TrainingInputMode", "File")
    return [_channel(config, mode) for config in job.get("InputDataConfig", ())]


def _channel(config: dict[str, Any], mode: str) -> Channel:
    source = config["DataSource"]
    return Channel(
        name=config["ChannelName"], mode=config.get("InputMode", mode),
        s3=source.get("S3DataSource", {}), file_system=source.get("FileSystemDataSource", {}),
        content_type=config.get("ContentType"), gzipped=config.get("CompressionType") == "Gzip",
        record_wrapper=config.get("RecordWrapperType", "None"),
        seed=config.get("ShuffleConfig", {}).get("Seed"),
    )  # fmt: skip
