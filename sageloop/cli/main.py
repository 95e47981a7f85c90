"""Entry point of the `sageloop` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sageloop.cli.output import end_at_closed_pipe


def main() -> None:
    """Run the command line; without the extra `local`, report the command that installs it."""
    end_at_closed_pipe()
    with _dead_shell_unless_well(sys.argv[1:]):
        _run()
    sys.stdout.flush()


def _run() -> None:
    try:
        import typer  # noqa: F401 - distinguishes its absence from other errors
    except ModuleNotFoundError:
        sys.exit("the sageloop command needs the extra: pip install 'sageloop[local]'")

    from sageloop.cli.application import application

    application()


@contextmanager
def _dead_shell_unless_well(arguments: list[str]) -> Iterator[None]:
    """If `local env` fails, the lines that a shell evaluates still unset all account variables."""
    try:
        yield
    except BaseException as error:
        failed = not isinstance(error, SystemExit) or error.code not in (None, 0)
        if failed and arguments[:2] == ["local", "env"]:
            sys.stdout.write("\n".join([*_dead_shell_lines(), ""]))
        raise


def _dead_shell_lines() -> list[str]:
    try:
        from sageloop.local_cloud.shell_environment import unreachable_shell_lines
    except ModuleNotFoundError:
        # Without the extra this package has no local cloud; no process listens on port 1.
        return ["export AWS_ENDPOINT_URL=http://127.0.0.1:1", "false"]
    return unreachable_shell_lines(os.environ)


if __name__ == "__main__":
    main()
