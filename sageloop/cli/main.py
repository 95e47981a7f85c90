"""Entry point of the `sageloop` command."""

from __future__ import annotations

import sys
from importlib import metadata


def main() -> None:
    """Run the command line; without the extra `local`, say what to install."""
    try:
        import typer
    except ModuleNotFoundError:
        sys.exit("the sageloop command needs its extra: pip install 'sageloop[local]'")

    from sageloop.cli.demo import demo
    from sageloop.cli.examples import application as examples
    from sageloop.cli.history import history
    from sageloop.cli.local import application as local
    from sageloop.cli.rollback import rollback
    from sageloop.cli.train import train

    app = typer.Typer(
        name="sageloop", no_args_is_help=True, rich_markup_mode=None, add_completion=False,
        help="Provision ML stacks on SageMaker, and run the very same on one machine.",
    )  # fmt: skip
    app.add_typer(local, name="local")
    app.add_typer(examples, name="examples")
    app.command("demo")(demo)
    app.command("train")(train)
    app.command("history")(history)
    app.command("rollback")(rollback)

    @app.command("version")
    def version() -> None:
        """Print the version."""
        typer.echo(metadata.version("sageloop"))

    app()


if __name__ == "__main__":
    main()
