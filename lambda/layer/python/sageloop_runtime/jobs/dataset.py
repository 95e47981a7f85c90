"""Date-partitioned datasets: which days train, and which later days are held out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sageloop_runtime.aws.objects import list_keys, read_text
from sageloop_runtime.errors import BadInputError


@dataclass(frozen=True, kw_only=True)
class DatePartitionedDataset:
    """The ``data`` of a job document: a dataset in daily partitions."""

    bucket: str
    prefix: str
    manifest_key: str
    train_channel: str
    validation_channel: str
    validation_days: int
    window_days: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> DatePartitionedDataset:
        """From the ``data`` of a job document."""
        prefix = str(data["prefix"])
        return cls(
            bucket=data["bucket"],
            prefix=prefix if not prefix or prefix.endswith("/") else prefix + "/",
            manifest_key=data["manifest_key"],
            train_channel=data["train_channel"],
            validation_channel=data["validation_channel"],
            validation_days=int(data["validation_days"]),
            window_days=int(data["window_days"]),
        )

    def manifest_key_of(self, job_name: str, part: str) -> str:
        """The key of a job's ManifestFile; ``part`` is ``train`` or ``validation``."""
        return f"{self.prefix}runs/{job_name}/{part}.manifest"


def day_of(key: str, prefix: str) -> str | None:
    """The day of a key's partition; None if the key is in no partition."""
    head, _, rest = key.removeprefix(prefix).partition("/")
    if not key.startswith(prefix) or not head.startswith("dt=") or not rest:
        return None
    try:
        return date.fromisoformat(head.removeprefix("dt=")).isoformat()
    except ValueError:
        return None


def parse_delivery(text: str, uri: str) -> tuple[str, str]:
    """The first and the last day of a delivery manifest.

    Args:
        text: the manifest.
        uri: its S3 URI, for messages.

    Raises:
        BadInputError: if it is not ``{"from": day, "through": day}`` in this order.

    """
    try:
        manifest = json.loads(text)
        start, end = date.fromisoformat(manifest["from"]), date.fromisoformat(manifest["through"])
    except (ValueError, KeyError, TypeError):
        raise BadInputError(
            f"{uri} is not a delivery manifest: "
            '{"from": "YYYY-MM-DD", "through": "YYYY-MM-DD"} is expected'
        ) from None
    if start > end:
        raise BadInputError(f"{uri}: 'through' is {end}, before 'from', which is {start}")
    return start.isoformat(), end.isoformat()


def last_days(days: Sequence[str], window_days: int) -> tuple[str, str] | None:
    """The range of ``window_days`` days that ends with the last of ``days``."""
    if not days:
        return None
    end = max(days)
    start = date.fromisoformat(end) - timedelta(days=window_days - 1)
    return start.isoformat(), end


def first_validation_day(days: tuple[str, str], validation_days: int) -> str:
    """The first day of the hold-out, which is the last ``validation_days`` days of the range."""
    end = date.fromisoformat(days[1])
    return (end - timedelta(days=validation_days - 1)).isoformat()


def split_hold_out(
    keys_by_day: Mapping[str, Sequence[str]], days: tuple[str, str], validation_days: int
) -> tuple[list[str], list[str]]:
    """The keys for training and the keys of the hold-out.

    Raises:
        BadInputError: if either is empty.

    """
    boundary = first_validation_day(days, validation_days)
    train: list[str] = []
    validation: list[str] = []
    for day in sorted(keys_by_day):
        if days[0] <= day <= days[1]:
            (validation if day >= boundary else train).extend(sorted(keys_by_day[day]))
    if not train or not validation:
        part = "training" if not train else "validation"
        raise BadInputError(
            f"no {part} data from {days[0]} through {days[1]} (hold-out from {boundary})"
        )
    return train, validation


def manifest_file(bucket: str, keys: Sequence[str]) -> str:
    """A ManifestFile of SageMaker: a common prefix and the objects with it."""
    return json.dumps([{"prefix": f"s3://{bucket}/"}, *keys])


def read_manifest_file(text: str) -> list[tuple[str, str]]:
    """Bucket and key of every object of a ManifestFile.

    Raises:
        BadInputError: if it is malformed.

    """
    try:
        head, *names = json.loads(text)
        bucket, _, prefix = head["prefix"].removeprefix("s3://").partition("/")
        return [(bucket, prefix + str(name)) for name in names]
    except (ValueError, KeyError, TypeError):
        raise BadInputError("the manifest of the hold-out is not a ManifestFile") from None


def choose_days(
    s3: Any, data: DatePartitionedDataset, manifest: tuple[str, str] | None
) -> tuple[str, str]:
    """The range of days to train on: those of the delivery, or the last days of the dataset.

    Raises:
        BadInputError: if the dataset is empty.

    """
    if manifest is not None:
        bucket, key = manifest
        return parse_delivery(read_text(s3, bucket, key), f"s3://{bucket}/{key}")
    days = last_days(list(keys_by_day(s3, data)), data.window_days)
    if days is None:
        raise BadInputError(f"no daily partition in s3://{data.bucket}/{data.prefix}")
    return days


def keys_by_day(s3: Any, data: DatePartitionedDataset) -> dict[str, list[str]]:
    """The keys of the dataset by the day of their partition."""
    keys: dict[str, list[str]] = {}
    for key, _ in list_keys(s3, data.bucket, data.prefix + "dt="):
        day = day_of(key, data.prefix)
        if day is not None:
            keys.setdefault(day, []).append(key)
    return keys
