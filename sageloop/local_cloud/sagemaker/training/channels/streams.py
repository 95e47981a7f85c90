"""The data of a pipe: objects decompressed, wrapped and concatenated."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from sageloop.local_cloud.sagemaker.failures import JobFailed
from sageloop.local_cloud.sagemaker.training.channels.channel import Channel
from sageloop.local_cloud.sagemaker.training.channels.listing import Item
from sageloop.local_cloud.sagemaker.training.channels.recordio import record
from sageloop.local_cloud.sagemaker.training.s3 import JobStorage, split_uri

_GZIP = 16 + zlib.MAX_WBITS
_REFERENCE = "-ref"


def of_objects(channel: Channel, items: Iterable[Item], storage: JobStorage) -> Iterator[bytes]:
    """The objects in order; each is one record if RecordWrapperType is RecordIO."""
    for item in items:
        yield from _wrapped(channel, _body(channel, item.bucket, item.key, storage))


def of_lines(
    channel: Channel, lines: Iterable[dict[str, Any]], storage: JobStorage
) -> Iterator[bytes]:
    """The attributes of an augmented manifest's lines, in the order of AttributeNames.

    An attribute named ``...-ref`` gives the body of the object that it references, any other
    attribute gives its value.
    https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest-stream.html
    """
    for line in lines:
        for name in channel.s3.get("AttributeNames", ()):
            yield from _wrapped(channel, _attribute(channel, line, name, storage))


def _attribute(
    channel: Channel, line: dict[str, Any], name: str, storage: JobStorage
) -> Iterator[bytes]:
    if name not in line:
        raise JobFailed(
            f"ClientError: A line of the augmented manifest file {channel.s3['S3Uri']} has no "
            f"attribute {name}; it has {', '.join(line)}"
        )
    value = line[name]
    if name.endswith(_REFERENCE):
        yield from _body(channel, *split_uri(str(value)), storage)
    else:
        yield (value if isinstance(value, str) else json.dumps(value)).encode()


def _wrapped(channel: Channel, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if channel.record_wrapper == "RecordIO":
        yield record(b"".join(pieces))
    else:
        yield from pieces


def _body(channel: Channel, bucket: str, key: str, storage: JobStorage) -> Iterator[bytes]:
    pieces = storage.pieces(bucket, key)
    yield from _gunzipped(pieces, f"s3://{bucket}/{key}") if channel.gzipped else pieces


def _gunzipped(pieces: Iterable[bytes], location: str) -> Iterator[bytes]:
    open_member: Any = zlib.decompressobj(_GZIP)
    try:
        for piece in pieces:
            rest = piece
            while rest:
                yield open_member.decompress(rest)
                rest = open_member.unused_data
                if open_member.eof:  # a gzip file may contain several members
                    open_member = zlib.decompressobj(_GZIP)
    except zlib.error as error:
        raise JobFailed(f"ClientError: {location} is not compressed with gzip: {error}") from error
