"""Failures of a framework's container, and the files that report them."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Sequence
from pathlib import Path

_KILLED = 137
_OUT_OF_MEMORY = "OutOfMemory: Process killed by SIGKILL (signal 9)"


class ClientError(Exception):
    """An error of the job's owner; its text is the complete failure reason."""


class ProcessFailed(ClientError):
    """A process ended with a nonzero exit code.

    ``kind`` is the toolkit's name for the purpose of the process.
    """

    def __init__(self, kind: str, *, command: Sequence[str], code: int, message: str = "") -> None:
        lines = [f"{kind}:", f"ExitCode {code}", f'ErrorMessage "{message}"']
        if code == _KILLED:
            lines.append(f'ExtraInfo "{_OUT_OF_MEMORY}"')
        lines.append(f'Command "{" ".join(command)}"')
        super().__init__("\n".join(lines).strip())


class Terminated(Exception):
    """The platform stopped the container; not a failure of the script."""


def failure_text(error: Exception) -> str:
    """The content of the failure file."""
    if isinstance(error, ClientError):
        return str(error)
    trace = "".join(traceback.format_exception(error))
    return f"Framework Error: \n{trace}\n{error}"


def exit_code(error: Exception) -> int:
    """The container's exit code: the error's errno, if it has one, or 1."""
    number = None if isinstance(error, ClientError) else getattr(error, "errno", None)
    return number if isinstance(number, int) else 1


def write_failure(output: Path, text: str) -> None:
    """Write the failure file, unless the script has written it."""
    _write_new(output / "failure", text)


def write_success(output: Path) -> None:
    """Write the success file."""
    _write_new(output / "success", "")


def quoted(command: Sequence[str]) -> str:
    """The shell-quoted command for messages."""
    return shlex.join(command)


def _write_new(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text)
