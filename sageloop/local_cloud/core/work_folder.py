"""The folder that a cloud works in, and what clouds that were killed have left of theirs."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "sageloop-"
_DRAFT_PREFIX = ".sageloop-new-"
_LOCK = "lock"


class WorkFolder:
    """A folder of a cloud's own, locked as long as the cloud or a process of it lives.

    Folders of this user whose lock nobody holds are removed first: their cloud was killed.
    A folder that is ``given`` is used as it is, and stays.
    """

    def __init__(self, given: Path | None = None) -> None:
        self.locks: tuple[int, ...] = ()
        if given is not None:
            given.mkdir(parents=True, exist_ok=True)
            self.path = given
            return
        remove_leftovers()
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT_PREFIX))
        lock = os.open(draft / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Nobody finds a folder under its name before it is locked.
        self.path = draft.rename(draft.with_name(_PREFIX + draft.name.removeprefix(_DRAFT_PREFIX)))
        self.locks = (lock,)

    def remove(self) -> None:
        """Remove a folder that was not given."""
        if self.locks:
            shutil.rmtree(self.path, ignore_errors=True)
            for lock in self.locks:
                os.close(lock)
            self.locks = ()


def remove_leftovers(parent: Path | None = None) -> None:
    """Remove the work folders of this user's clouds that live no more."""
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        # Raises where the cloud lives; what has no lock at all is not known to be a cloud's.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
