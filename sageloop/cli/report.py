"""How a command ends: a report as JSON where one is wanted, or a line that says what failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

JsonFile = Annotated[Path | None, typer.Option("--json", help="also write the report here")]


def write_report(path: Path | None, document: Any) -> None:
    """Write a report as JSON where one is wanted."""
    if path is not None:
        path.write_text(json.dumps(document, indent=2) + "\n")


def fail(message: str, *, code: int = 2) -> NoReturn:
    """End the command with a line on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
