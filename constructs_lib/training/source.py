"""Source code folders, packed for framework images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from .._private.archive import archive_asset, read_statements
from .._private.checks import Checks
from .._private.errors import ConfigurationError
from .._private.folder import files_in, is_inside

REQUIREMENTS = "requirements.txt"
_IGNORE_FILES = (".gitignore", ".sageloopignore")
# Files that differ between machines, or are not code.
_NEVER = (".git", "__pycache__", "*.py[co]", ".DS_Store", ".venv", ".ipynb_checkpoints",
          ".mypy_cache", ".pytest_cache", ".ruff_cache", *_IGNORE_FILES)  # fmt: skip
_WHERE = "SourceCode"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCode:
    """A folder that is packed into a reproducible ``sourcedir.tar.gz``.

    Excluded are the patterns of ``exclude``, of a ``.gitignore`` and of a ``.sageloopignore`` in
    the folder, and byte code, caches and ``.git``.

    Attributes:
        folder: The folder.
        entry_point: The script that is run, relative to the folder.
        exclude: Patterns in Git's way; one that begins with ``!`` takes files in again.

    Raises:
        ConfigurationError: If the folder or the entry point is missing, excluded or outside, or a
            link leaves the folder.

    Example:
        >>> SourceCode(folder="src/digits", entry_point="train.py")
        Traceback (most recent call last):
        constructs_lib._private.errors.ConfigurationError: [SourceCode] FolderMissing: ...

    """

    folder: str | Path
    entry_point: str = "train.py"
    exclude: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check folder and entry point."""
        root = self._root
        if not root.is_dir():
            raise ConfigurationError("FolderMissing", _WHERE, f"no folder {str(self.folder)!r}")
        with Checks(_WHERE) as check:
            names = sorted(name for name, _ in self.files())
            location = f"{self.entry_point!r} of folder {str(self.folder)!r}"
            if not names:
                message = f"folder {str(self.folder)!r} has no files, or all are excluded"
                check.refuse("FolderEmpty", message)
            elif not is_inside(root, root / self.entry_point):
                message = f"entry_point must lie inside the folder, got {location}"
                check.refuse("EntryPointOutside", message)
            elif not (root / self.entry_point).is_file():
                scripts = ", ".join(name for name in names if name.endswith(".py"))
                hint = f"; there are {scripts}" if scripts else ""
                check.refuse("EntryPointMissing", f"no entry_point {location}{hint}")
            elif Path(self.entry_point).as_posix() not in names:
                check.refuse("EntryPointExcluded", f"entry_point {location} is excluded")

    @property
    def has_requirements(self) -> bool:
        """Whether the folder has requirements to install."""
        return any(name == REQUIREMENTS for name, _ in self.files())

    def files(self) -> Iterator[tuple[str, Path]]:
        """Names and paths of the files that are packed.

        Raises:
            ConfigurationError: If a link leaves the folder.

        """
        yield from files_in(self._root, self._excluded(), where=_WHERE)

    def asset(self, scope: Construct) -> assets.Asset:
        """The archive as an asset of the stack, shared by equal folders."""
        return archive_asset(scope, "SourceCode", "sourcedir.tar.gz", self.files())

    def statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Statements that allow a role to read the archive."""
        return read_statements(self.asset(scope))

    @property
    def _root(self) -> Path:
        return Path(self.folder).resolve()

    def _excluded(self) -> list[str]:
        patterns = list(_NEVER)
        for name in _IGNORE_FILES:
            path = self._root / name
            if path.is_file():
                patterns += path.read_text(encoding="utf-8").splitlines()
        return [*patterns, *self.exclude]
