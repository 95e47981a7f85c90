"""Runs a job's own ContainerEntrypoint: ``python -I -m ...entrypoint word...``.

The command has a Python of its own, laid over this one and thrown away with the job: what it
installs (``pip install -r requirements.txt``) changes nothing on this machine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sageloop.local_cloud.images.script.environments import overlay

_INSIDE = "/opt/ml"


def main(command: list[str]) -> int:
    """Become the command; returns only if it cannot be started."""
    base = Path(os.environ.get("SAGEMAKER_BASE_DIR", _INSIDE))
    python = overlay(base / ".environment")
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{Path(python).parent}{os.pathsep}{path}"
    try:
        os.execvp(command[0], [_relocated(word, base) for word in command])  # noqa: S606
    except OSError as error:
        told = f"ContainerEntrypoint {command[0]!r} cannot be started: {error}"
        (base / "output" / "failure").write_text(told)
        sys.stderr.write(f"{told}\n")
        return 127 if isinstance(error, FileNotFoundError) else 126


def _relocated(word: str, base: Path) -> str:
    """A word for a machine on which the job's ``/opt/ml`` is another directory."""
    return word.replace(_INSIDE, str(base)) if "SAGEMAKER_BASE_DIR" in os.environ else word


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
