"""Decompression within a limit."""

from __future__ import annotations

import zlib

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 1 << 20


class TooLarge(ValueError):
    """Decompressed data exceeds the limit."""


def gunzip(data: bytes, *, most: int) -> bytes:
    """Decompress a gzip file of one or more members, up to ``most`` bytes.

    Raises ``ValueError`` for other data, :class:`TooLarge` before the limit is exceeded.
    """
    pieces: list[bytes] = []
    size = 0
    while data:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            try:
                piece = member.decompress(data, min(_PIECE, most - size + 1))
            except zlib.error as error:
                raise ValueError(str(error)) from None
            data = member.unconsumed_tail
            if not piece and not data and not member.eof:
                raise ValueError("the compressed data is truncated")
            size += len(piece)
            if size > most:
                raise TooLarge(f"it decompresses to more than {most} bytes")
            pieces.append(piece)
        data = member.unused_data.lstrip(b"\0")
    return b"".join(pieces)
