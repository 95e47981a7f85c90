"""What is compressed, unpacked within bounds."""

from __future__ import annotations

import zlib

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 1 << 20


class TooLarge(ValueError):
    """What was compressed is larger than is allowed."""


def gunzip(data: bytes, *, most: int) -> bytes:
    """The content of a gzip file of one or more members, of ``most`` bytes at most.

    Raises ``ValueError`` if it is none, :class:`TooLarge` before more than that is unpacked.
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
                raise ValueError("the compressed data is cut short")
            size += len(piece)
            if size > most:
                raise TooLarge(f"it unpacks to more than {most} bytes")
            pieces.append(piece)
        data = member.unused_data.lstrip(b"\0")
    return b"".join(pieces)
