"""Datasets partitioned by date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._private.checks import Checks, known
from ..data import DataStoreBase


@dataclass(frozen=True, slots=True, kw_only=True)
class DatePartitionedDataset:
    """A dataset in daily partitions, ``<prefix>dt=YYYY-MM-DD/``.

    Attributes:
        prefix: Prefix of the partitions, ending in a slash.
        manifest: Key of the object that completes a delivery; ``<prefix>manifest.json`` if empty.
        validation_days: Number of last days that are held out.
        window_days: Number of days for jobs that no delivery started.
        content_type: Content type of the data.
        train_channel: Name of the training channel.
        validation_channel: Name of the validation channel; ``test`` for K-means.

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
        """Refuse a hold-out that leaves no training data."""
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
        """Both channels; the start function replaces the prefix with manifests."""
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
