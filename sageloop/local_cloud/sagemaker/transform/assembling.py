"""Assembly of the responses of a model into one output object."""

from __future__ import annotations

from collections.abc import Iterable


def assembled(parts: Iterable[bytes], assemble_with: str) -> bytes:
    """Join the parts of an output: unchanged (``None``), or each with a newline (``Line``)."""
    if assemble_with != "Line":
        return b"".join(parts)
    return b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts)


def output_key(prefix: str, relative: str) -> str:
    """The output key of an input object: its name with ``.out`` under the output prefix."""
    return "/".join(part for part in (prefix.strip("/"), f"{relative}.out") if part)
