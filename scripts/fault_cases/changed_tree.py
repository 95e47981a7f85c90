"""A copy of the sources with one changed file, in which tests run as in the tree itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.synthesis import ROOT

_LINKED = (".venv", "node_modules")
_OPTIONS = ("-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--no-header")
_LONGEST = 600


class ChangedTree:
    """The tracked files in a temporary folder.

    Args:
        folder: The folder; it is deleted at the end.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._passed = 0

    def __enter__(self) -> Self:
        """Copy the files; environments are linked."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            source, target = ROOT / name, self._folder / name
            if source.is_file() and not source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        for name in _LINKED:
            if (ROOT / name).exists():
                (self._folder / name).symlink_to(ROOT / name, target_is_directory=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Delete the copy."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(
        self, tests: Sequence[str], *, file: str | None = None, source: str | None = None
    ) -> tuple[int, str]:
        """The exit code of pytest and its output, with one file changed, which is restored.

        Args:
            tests: Ids of tests.
            file: The changed file; none by default.
            source: Its text.

        """
        if file is None or source is None:
            return self._pytest(tests)
        path = self._folder / file
        self._write(path, source)
        try:
            return self._pytest(tests)
        finally:
            self._write(path, (ROOT / file).read_text(encoding="utf-8"))

    def _write(self, path: Path, text: str) -> None:
        """Write a file with a time of its own: Python compares whole seconds with its bytecode."""
        path.write_text(text, encoding="utf-8")
        self._passed += 2
        at = (ROOT / path.relative_to(self._folder)).stat().st_mtime + self._passed
        os.utime(path, (at, at))

    def _pytest(self, tests: Sequence[str]) -> tuple[int, str]:
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHON"))
        }
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", *_OPTIONS, *tests], cwd=self._folder, check=False,
            env={**environment, "PYTHONPATH": str(self._folder)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_LONGEST,
        )  # fmt: skip
        return ended.returncode, ended.stdout
