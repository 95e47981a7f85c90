"""A data set that grows by the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._private.checks import Checks, known
from ..data import DataStoreBase


@dataclass(frozen=True, slots=True, kw_only=True)
class DatePartitionedDataset:
    """A data set that lies in daily partitions, ``<prefix>dt=YYYY-MM-DD/``.

    Attributes:
        prefix: Where the partitions lie, ending in a slash.
        manifest: Key of the object that completes a delivery; ``<prefix>manifest.json`` if empty.
        validation_days: The last days of a set, held out.
        window_days: How far back a training that was not started by data looks.
        content_type: Type of the data, as the container is told.
        train_channel: Name of the channel of the days that are learnt from.
        validation_channel: Name of the channel of the days that are held out; K-means calls it
            ``test``.

    """

    prefix: str
    manifest: str = ""
    validation_days: int = 7
    window_days: int = 42
    content_type: str = "text/csv"
    train_channel: str = "train"
    validation_channel: str = "validation"

    @property
    def manifest_key(self) -> str:
        """Key of the manifest object."""
        return self.manifest if self.manifest else f"{self.prefix}manifest.json"

    @property
    def channel_names(self) -> list[str]:
        """Names of the two channels."""
        return [self.train_channel, self.validation_channel]

    def check(self, check: Checks) -> None:
        """Refuse days that leave nothing to train on."""
        check.prefix("data.prefix", self.prefix)
        check.whole("data.validation_days", self.validation_days, 1, 365)
        check.whole("data.window_days", self.window_days, 2, 3650)
        for name in self.channel_names:
            check.matches("data: the name of a channel", name, r"[A-Za-z0-9._-]+", 64)
        days = (self.validation_days, self.window_days)
        if known(*days) and self.validation_days >= self.window_days:
            message = (
                f"data.validation_days must be fewer than data.window_days, got "
                f"{self.validation_days} of {self.window_days}"
            )
            check.refuse("ValueOutOfRange", message)

    def channels(self, store: DataStoreBase) -> list[dict[str, Any]]:
        """Both channels; whoever starts the job puts its own manifests in the prefix's place."""
        source = {
            "S3DataType": "ManifestFile",
            "S3Uri": store.uri(self.prefix),
            "S3DataDistributionType": "FullyReplicated",
        }
        return [
            {
                "ChannelName": name,
                "DataSource": {"S3DataSource": dict(source)},
                "ContentType": self.content_type,
                "CompressionType": "None",
            }
            for name in self.channel_names
        ]

    def document(self, store: DataStoreBase) -> dict[str, Any]:
        """The job document's ``data`` (see ADR 3)."""
        return {
            "bucket": store.bucket.bucket_name,
            "prefix": self.prefix,
            "manifest_key": self.manifest_key,
            "train_channel": self.train_channel,
            "validation_channel": self.validation_channel,
            "validation_days": self.validation_days,
            "window_days": self.window_days,
        }
