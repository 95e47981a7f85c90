"""Runs the ContainerEntrypoint of a job: ``python -I -m ...entrypoint word...``.

The command runs in an overlay of this Python environment that is deleted with the job. Packages
that it installs (``pip install -r requirements.txt``) do not change this machine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sageloop.local_cloud.images.script.environments import overlay

_INSIDE = "/opt/ml"


def main(command: list[str]) -> int:
    """Replace this process with the command. Returns 1 only if it cannot be started."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", _INSIDE))
    python = overlay(base / ".environment")
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{Path(python).parent}{os.pathsep}{path}"
    try:
        os.execvp(command[0], [_relocated(word, base) for word in command])  # noqa: S606
    except OSError as error:
        message = f"ContainerEntrypoint {command[0]!r} cannot be started: {error}"
        (base / "output" / "failure").write_text(message)
        sys.stderr.write(f"{message}\n")
        return 127 if isinstance(error, FileNotFoundError) else 126


def _relocated(word: str, base: Path) -> str:
    """A word of the command with ``/opt/ml`` replaced by the job's directory on this machine."""
    return word.replace(_INSIDE, str(base)) if "SAGEMAKER_BASE_DIR" in os.environ else word


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
