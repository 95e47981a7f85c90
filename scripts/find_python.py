"""The path of a version of Python on this machine: ``python scripts/find_python.py 3.13``.

It searches the PATH and pyenv's root. Any Python runs this file: it needs no package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the path; returns 1 with an error if there is no such Python."""
    (version,) = sys.argv[1:] if arguments is None else arguments
    path = find(version)
    if path is None:
        sys.stderr.write(f"python{version} is not on the PATH and not below pyenv's root\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


def find(version: str) -> Path | None:
    """The first interpreter of a version that runs, or None."""
    return next((path for path in _candidates(version) if _runs(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield Path(on_path)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(root.glob(f"versions/{version}*/bin/python{version}"), reverse=True)


def _runs(path: Path, version: str) -> bool:
    """Whether it is that version: a shim of pyenv may have no interpreter."""
    command = [str(path), "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
    try:
        ended = subprocess.run(command, text=True, capture_output=True, check=False)
    except OSError:
        return False
    return ended.returncode == 0 and ended.stdout.strip() == version


if __name__ == "__main__":
    sys.exit(main())
