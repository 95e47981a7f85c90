"""The output of a command: a JSON report or an error message."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer


def _writable(path: Path | None) -> Path | None:
    """Refuse a report that could not be written, before the command does anything."""
    if path is not None and path.is_dir():
        raise typer.BadParameter(f"{path} is a folder")
    if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written")
    return path


JsonFile = Annotated[
    Path | None,
    typer.Option("--json", callback=_writable, help="also write the report to this JSON file"),
]


def write_report(path: Path | None, document: Any) -> None:
    """Write a report as JSON, if a path is given."""
    if path is None:
        return
    try:
        path.write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")


def epilog(*commands: str) -> str:
    """The end of a command's help: one command on each line, which is not wrapped."""
    return "\n".join(["\b", "Example:" if len(commands) == 1 else "Examples:",
                      *(f"  {command}" for command in commands)])  # fmt: skip


def fail(message: str, *, code: int = 2) -> NoReturn:
    """Exit the command with a message on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
