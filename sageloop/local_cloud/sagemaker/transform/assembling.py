"""From the answers of a model to one output object."""

from __future__ import annotations

from collections.abc import Iterable


def assembled(parts: Iterable[bytes], assemble_with: str) -> bytes:
    """One body of many parts: as they are (``None``), or each ended by a newline (``Line``)."""
    if assemble_with != "Line":
        return b"".join(parts)
    return b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts)


def output_key(prefix: str, relative: str) -> str:
    """Where the output of an input object goes: its name with ``.out``, below the prefix."""
    return "/".join(part for part in (prefix.strip("/"), f"{relative}.out") if part)
