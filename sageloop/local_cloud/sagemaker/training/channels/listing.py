"""The objects of a channel, from a prefix or a manifest, and their distribution to hosts."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.training.channels.channel import Channel
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, split_uri

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Item:
    """An object and the relative path of its file in the channel."""

    bucket: str
    key: str
    relative: str

    def place(self, target: Path) -> Path:
        """The file of the object in ``target``. Raises :class:`JobFailed` if it is outside."""
        parts = PurePosixPath(self.relative).parts
        if not parts or ".." in parts or self.relative.startswith("/"):
            raise JobFailed(
                f"ClientError: Data download failed: {self.relative!r} leaves its channel"
            )
        return target.joinpath(*parts)


def items_of(channel: Channel, storage: JobStorage) -> list[Item]:
    """The objects of a channel, ordered by key or as in the manifest.

    Raises :class:`JobFailed` with AWS's message.
    """
    uri = channel.s3["S3Uri"]
    if channel.s3.get("S3DataType", "S3Prefix") == "ManifestFile":
        return _in_manifest(uri, storage)
    bucket, prefix = split_uri(uri)
    return [Item(bucket, key, _relative(key, prefix)) for key in storage.keys(uri)]


def lines_of(channel: Channel, storage: JobStorage) -> list[dict[str, Any]]:
    """The lines of an augmented manifest. Raises :class:`JobFailed` if a line is no JSON object.

    A manifest is UTF-8, and its lines end with LF or CRLF: other separators of lines that Unicode
    has may be in a text of JSON.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sms-input-data-input-manifest.html
    """
    uri = channel.s3["S3Uri"]
    try:
        text = storage.read(*split_uri(uri)).decode()
    except UnicodeDecodeError as error:
        raise JobFailed(
            f"ClientError: The augmented manifest file {uri} is not UTF-8: {error}"
        ) from None
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            parsed = json.loads(line)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise JobFailed(
                f"ClientError: Line {number} of the augmented manifest file {uri} is not a JSON "
                "object"
            )
        lines.append(parsed)
    return lines


def shard_of(
    parts: Sequence[_Part], channel: Channel, *, rank: int, hosts: int, epoch: int = 0
) -> list[_Part]:
    """The part of a channel that one of several hosts reads in an epoch, in reading order.

    Shuffling comes before sharding, which gives each epoch a different shard, as documented for
    ShuffleConfig.
    """
    ordered = list(parts)
    if channel.seed is not None:
        random.Random(f"{channel.seed}/{epoch}").shuffle(ordered)  # noqa: S311 - no secret
    return ordered[rank::hosts] if channel.sharded else ordered


def _in_manifest(uri: str, storage: JobStorage) -> list[Item]:
    bucket, key = split_uri(uri)
    try:
        entries = json.loads(storage.read(bucket, key))
        prefix = entries[0]["prefix"]
        names = [str(name) for name in entries[1:]]
    except (ValueError, LookupError, TypeError) as error:
        raise JobFailed(
            f'ClientError: The manifest file at {uri} is not valid: a list of {{"prefix": '
            f'"s3://..."}} and names was expected ({error})'
        ) from error
    bucket, start = split_uri(prefix)
    return [Item(bucket, start + name, name) for name in names]


def _relative(key: str, prefix: str) -> str:
    folder = prefix if prefix.endswith("/") else f"{prefix}/"
    if prefix and key.startswith(folder):
        return key[len(folder) :]
    # The prefix ends within a file name: the files keep their names, in one folder.
    return key[prefix.rfind("/") + 1 :]
