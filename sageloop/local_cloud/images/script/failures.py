"""How a container of a framework tells that it failed."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Sequence
from pathlib import Path

_KILLED = 137
_OUT_OF_MEMORY = "OutOfMemory: Process killed by SIGKILL (signal 9)"


class ClientError(Exception):
    """Something that the job's owner did; the text is the whole reason."""


class ProcessFailed(ClientError):
    """A program that was started ended with a code other than zero.

    ``kind`` is the toolkit's name for what the program was for.
    """

    def __init__(self, kind: str, *, command: Sequence[str], code: int, message: str = "") -> None:
        lines = [f"{kind}:", f"ExitCode {code}", f'ErrorMessage "{message}"']
        if code == _KILLED:
            lines.append(f'ExtraInfo "{_OUT_OF_MEMORY}"')
        lines.append(f'Command "{" ".join(command)}"')
        super().__init__("\n".join(lines).strip())


class Terminated(Exception):
    """The platform stopped the container: no failure of the script's."""


def told(error: Exception) -> str:
    """What goes into the failure file."""
    if isinstance(error, ClientError):
        return str(error)
    trace = "".join(traceback.format_exception(error))
    return f"Framework Error: \n{trace}\n{error}"


def exit_code(error: Exception) -> int:
    """The container's exit code: the system's number of the error, if it has one, or 1."""
    number = None if isinstance(error, ClientError) else getattr(error, "errno", None)
    return number if isinstance(number, int) else 1


def write_failure(output: Path, text: str) -> None:
    """Write the failure file, unless the script has written its own."""
    _write_new(output / "failure", text)


def write_success(output: Path) -> None:
    """Leave the file that says that all went well."""
    _write_new(output / "success", "")


def quoted(command: Sequence[str]) -> str:
    """A command line for people."""
    return shlex.join(command)


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text)
