"""An input channel of a job, from its request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sageloop.local_cloud.sagemaker.training.cluster import HostPlan


@dataclass(frozen=True, slots=True)
class Channel:
    """An input channel; its source is ``s3`` or ``file_system``.

    ``seed`` is the seed of its ShuffleConfig.
    """

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
        """Whether each host gets a part of the objects (ShardedByS3Key)."""
        return bool(self.s3.get("S3DataDistributionType") == "ShardedByS3Key")

    def reaches(self, host: HostPlan) -> bool:
        """Whether a host belongs to an instance group that gets this channel."""
        groups = self.s3.get("InstanceGroupNames")
        return not groups or host.group in groups

    def config_entry(self) -> dict[str, str]:
        """The channel's entry in ``inputdataconfig.json``."""
        config_entry = {
            "TrainingInputMode": self.mode,
            "S3DistributionType": self.s3.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": self.record_wrapper,
        }
        if self.content_type is not None:
            config_entry["ContentType"] = self.content_type
        return config_entry


def channels_of(job: dict[str, Any]) -> list[Channel]:
    """The channels of a job, each with its own input mode or that of the job."""
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
