"""The `sageloop` command with its subcommands."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from sageloop.cli.demo import demo
from sageloop.cli.examples import application as examples
from sageloop.cli.history import history
from sageloop.cli.local import application as local
from sageloop.cli.rollback import rollback
from sageloop.cli.status import status
from sageloop.cli.train import train

application = typer.Typer(
    name="sageloop", no_args_is_help=True, rich_markup_mode=None, add_completion=False,
    help="Provision ML stacks on SageMaker, and run the same stacks on one machine.",
)  # fmt: skip
application.add_typer(local, name="local")
application.add_typer(examples, name="examples")
application.command("demo")(demo)
application.command("train")(train)
application.command("history")(history)
application.command("rollback")(rollback)
application.command("status")(status)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(metadata.version("sageloop"))
        raise typer.Exit


@application.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="print the version and exit"
        ),
    ] = False,
) -> None:
    pass


@application.command("version")
def _version() -> None:
    """Print the version."""
    _print_version(True)
