"""Large objects, read from where moto keeps them.

moto answers a GetObject with the whole body in memory, behind the lock of its S3. Data of
many gigabytes is copied in pieces from moto's own file instead; who reads must have asked
for the object through the front first, where the call is recorded and may be refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredBody:
    """The body of one version of an object. It stays readable if the object is replaced."""

    etag: str
    size: int
    _kept: Any

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces of at most one mebibyte."""
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
    """The body of an object's latest version, or ``None`` if there is none."""
    from moto.s3.exceptions import S3ClientError
    from moto.s3.models import s3_backends

    try:
        kept: Any = s3_backends[account_id]["aws"].get_object(bucket, key)
    except S3ClientError:
        return None
    if kept is None or not hasattr(kept, "_value_buffer"):
        return None
    return StoredBody(str(kept.etag), int(kept.size), kept)
