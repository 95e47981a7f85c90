"""Which days train and which are held out: always later days, never random rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sageloop_runtime.errors import BadInputError


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set in daily partitions, as the job document describes it."""

    bucket: str
    prefix: str
    manifest_key: str
    train_channel: str
    validation_channel: str
    validation_days: int
    window_days: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> DataSet:
        """From the document's ``data``."""
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

    def run_key(self, job_name: str, part: str) -> str:
        """The key of a run's manifest; ``part`` is ``train`` or ``validation``."""
        return f"{self.prefix}runs/{job_name}/{part}.manifest"


def day_of(key: str, prefix: str) -> str | None:
    """The day of the partition that a key lies in, None if it lies in none."""
    head, _, rest = key.removeprefix(prefix).partition("/")
    if not key.startswith(prefix) or not head.startswith("dt=") or not rest:
        return None
    try:
        return date.fromisoformat(head.removeprefix("dt=")).isoformat()
    except ValueError:
        return None


def parse_delivery(text: str, where: str) -> tuple[str, str]:
    """The range of days a delivery's manifest names.

    Raises:
        BadInputError: if it is not ``{"from": day, "through": day}`` in this order.

    """
    try:
        manifest = json.loads(text)
        start, end = date.fromisoformat(manifest["from"]), date.fromisoformat(manifest["through"])
    except (ValueError, KeyError, TypeError):
        raise BadInputError(
            f"{where} is no delivery manifest: "
            '{"from": "YYYY-MM-DD", "through": "YYYY-MM-DD"} is expected'
        ) from None
    if start > end:
        raise BadInputError(f"{where} runs from {start} through {end}, which is before it")
    return start.isoformat(), end.isoformat()


def last_days(present: Sequence[str], window_days: int) -> tuple[str, str] | None:
    """The range of the last ``window_days`` days, ending with the last day there is."""
    if not present:
        return None
    end = max(present)
    start = date.fromisoformat(end) - timedelta(days=window_days - 1)
    return start.isoformat(), end


def split_days(days: tuple[str, str], validation_days: int) -> str:
    """The first day of the hold-out: the last ``validation_days`` days of the range."""
    end = date.fromisoformat(days[1])
    return (end - timedelta(days=validation_days - 1)).isoformat()


def divide(
    keys_by_day: Mapping[str, Sequence[str]], days: tuple[str, str], validation_days: int
) -> tuple[list[str], list[str]]:
    """The keys that train and the keys held out.

    Raises:
        BadInputError: if either is empty.

    """
    boundary = split_days(days, validation_days)
    train: list[str] = []
    validation: list[str] = []
    for day in sorted(keys_by_day):
        if days[0] <= day <= days[1]:
            (validation if day >= boundary else train).extend(sorted(keys_by_day[day]))
    if not train or not validation:
        what = "training" if not train else "validation"
        raise BadInputError(
            f"no {what} data from {days[0]} through {days[1]} (held out from {boundary} on)"
        )
    return train, validation


def manifest_file(bucket: str, keys: Sequence[str]) -> str:
    """SageMaker's ManifestFile: a common prefix and the objects below it."""
    return json.dumps([{"prefix": f"s3://{bucket}/"}, *keys])


def read_manifest_file(text: str) -> list[tuple[str, str]]:
    """Bucket and key of every object that a ManifestFile names.

    Raises:
        BadInputError: if it is not one.

    """
    try:
        head, *names = json.loads(text)
        bucket, _, prefix = head["prefix"].removeprefix("s3://").partition("/")
        return [(bucket, prefix + str(name)) for name in names]
    except (ValueError, KeyError, TypeError):
        raise BadInputError("the hold-out's manifest is not a ManifestFile") from None


def list_keys(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Key and ETag of every object below a prefix."""
    request = {"Bucket": bucket, "Prefix": prefix}
    while True:
        answer = s3.list_objects_v2(**request)
        for item in answer.get("Contents", []):
            if int(item.get("Size", 0)):
                yield item["Key"], item.get("ETag", "")
        if not answer.get("IsTruncated"):
            return
        request["ContinuationToken"] = answer["NextContinuationToken"]


def read_text(s3: Any, bucket: str, key: str) -> str:
    """An object's text."""
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode()


def choose_days(s3: Any, data: DataSet, manifest: tuple[str, str] | None) -> tuple[str, str]:
    """The range of days to train on: the delivery's, or the last days there are.

    Raises:
        BadInputError: if there is none.

    """
    if manifest is not None:
        bucket, key = manifest
        return parse_delivery(read_text(s3, bucket, key), f"s3://{bucket}/{key}")
    days = last_days(list(keys_by_day(s3, data)), data.window_days)
    if days is None:
        raise BadInputError(f"no daily partition below s3://{data.bucket}/{data.prefix}")
    return days


def keys_by_day(s3: Any, data: DataSet) -> dict[str, list[str]]:
    """The data set's objects by the day of their partition."""
    found: dict[str, list[str]] = {}
    for key, _ in list_keys(s3, data.bucket, data.prefix + "dt="):
        day = day_of(key, data.prefix)
        if day is not None:
            found.setdefault(day, []).append(key)
    return found
