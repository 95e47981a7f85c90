"""A folder with the code of a revision and the tests of today, and an environment for it."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from scripts.synthesis import ROOT

_OF_TODAY = ("tests", "conftest.py", "pyproject.toml")


class Tree:
    """The code of a revision with the tests of today.

    Its Python sees the installed packages, but not the project, which is installed as editable: a
    module that the revision does not have must be missing.

    Args:
        folder: An empty folder.
        revision: The revision of the code.

    """

    def __init__(self, folder: Path, revision: str) -> None:
        self.folder = folder / revision
        archive = subprocess.run(
            ["git", "archive", revision], cwd=ROOT, capture_output=True, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as members:
            members.extractall(self.folder, filter="data")
        for name in _OF_TODAY:
            self._replace(name)
        self._environment = folder / f"{revision}-environment"
        self._install()

    @property
    def python(self) -> Path:
        """The interpreter of the tree's environment."""
        return self._environment / "bin" / "python"

    def _replace(self, name: str) -> None:
        old, new = self.folder / name, ROOT / name
        if new.is_dir():
            # Modules that only the revision's tests have are kept: others may import them.
            shutil.copytree(
                new, old, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(new, old)

    def _install(self) -> None:
        command = [sys.executable, "-m", "venv", "--without-pip", str(self._environment)]
        subprocess.run(command, check=True)
        (packages,) = self._environment.glob("lib/python*/site-packages")
        installed = sysconfig.get_path("purelib")
        # Appended by a statement: as a plain line its own .pth files would count, with the project.
        (packages / "tree.pth").write_text(
            f"import sys; sys.path += [{str(self.folder)!r}, {installed!r}]\n"
        )
        command_line = self._environment / "bin" / "sageloop"
        command_line.write_text(f"#!{self.python}\nfrom sageloop.cli.main import main\nmain()\n")
        command_line.chmod(0o755)
        if (ROOT / "node_modules").exists():
            (self.folder / "node_modules").symlink_to(ROOT / "node_modules")
