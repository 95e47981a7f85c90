"""The output of a command: a JSON report or an error message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

JsonFile = Annotated[
    Path | None, typer.Option("--json", help="also write the report to this JSON file")
]


def write_report(path: Path | None, document: Any) -> None:
    """Write a report as JSON, if a path is given."""
    if path is not None:
        path.write_text(json.dumps(document, indent=2) + "\n")


def fail(message: str, *, code: int = 2) -> NoReturn:
    """Exit the command with a message on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
