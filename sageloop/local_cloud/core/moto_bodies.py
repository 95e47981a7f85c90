"""Reads large objects from the files in which moto stores them.

moto answers GetObject with the whole body in memory while it holds the lock of S3. Data of many
gigabytes is copied in parts from moto's file instead. The caller must have requested the object
through the front first, where the call is authorized and recorded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredBody:
    """The body of one version of an object; it stays readable if the object is replaced."""

    etag: str
    size: int
    _kept: Any

    def pieces(self) -> Iterator[bytes]:
        """The body in parts of at most one mebibyte."""
        buffer = self._kept._value_buffer
        if not buffer._rolled:
            yield self._kept.value
            return
        with self._kept.lock:
            buffer.flush()
            descriptor = buffer.fileno()
        place = 0
        while place < self.size:
            piece = os.pread(descriptor, _PIECE, place)
            if not piece:
                raise OSError(f"the body of {self._kept.name} ends at {place} of {self.size}")
            place += len(piece)
            yield piece


def find(account_id: str, bucket: str, key: str) -> StoredBody | None:
    """The body of an object's latest version, or ``None`` if it does not exist."""
    from moto.s3.exceptions import S3ClientError
    from moto.s3.models import s3_backends

    try:
        kept: Any = s3_backends[account_id]["aws"].get_object(bucket, key)
    except S3ClientError:
        return None
    if kept is None or not hasattr(kept, "_value_buffer"):
        return None
    return StoredBody(str(kept.etag), int(kept.size), kept)
