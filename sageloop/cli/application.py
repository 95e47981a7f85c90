"""The `sageloop` command with its subcommands."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from sageloop.cli.data import application as data
from sageloop.cli.demo import demo
from sageloop.cli.examples import application as examples
from sageloop.cli.history import history
from sageloop.cli.local import application as local
from sageloop.cli.preflight import preflight
from sageloop.cli.report import JsonFile, epilog, write_report
from sageloop.cli.rollback import rollback
from sageloop.cli.status import status
from sageloop.cli.train import train

application = typer.Typer(
    name="sageloop", no_args_is_help=True, rich_markup_mode=None,
    help="Provision ML stacks on SageMaker, and run the same stacks on one machine.",
    epilog=epilog("sageloop local up", "sageloop --install-completion"),
)  # fmt: skip
application.add_typer(local, name="local")
application.add_typer(examples, name="examples")
application.add_typer(data, name="data")
application.command("demo", epilog=epilog("sageloop demo --json report.json"))(demo)
application.command("preflight", epilog=epilog("sageloop preflight cdk.out --profile prod"))(
    preflight
)
application.command(
    "train", epilog=epilog("sageloop train scores --local --follow -p num_round=200")
)(train)
application.command("history", epilog=epilog("sageloop history --profile prod"))(history)
application.command("rollback", epilog=epilog("sageloop rollback scores --to 3 --wait --local"))(
    rollback
)
application.command("status", epilog=epilog("sageloop status scores --local"))(status)


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


@application.command("version", epilog=epilog("sageloop version"))
def _version(json_file: JsonFile = None) -> None:
    """Print the version."""
    write_report(json_file, {"version": metadata.version("sageloop")})
    _print_version(True)
