"""The work folder of a cloud; removes those of clouds that were killed."""

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
    """A cloud's own folder, locked while the cloud or a process of it lives.

    It first removes folders of this user without a lock: their cloud was killed. A folder that is
    passed in is used as it is, and kept.
    """

    def __init__(self, existing: Path | None = None) -> None:
        self.locks: tuple[int, ...] = ()
        if existing is not None:
            existing.mkdir(parents=True, exist_ok=True)
            self.path = existing
            return
        remove_leftovers()
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT_PREFIX))
        lock = os.open(draft / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The folder gets its final name after it is locked.
        self.path = draft.rename(draft.with_name(_PREFIX + draft.name.removeprefix(_DRAFT_PREFIX)))
        self.locks = (lock,)

    def remove(self) -> None:
        """Remove the folder, unless it was passed in."""
        if self.locks:
            shutil.rmtree(self.path, ignore_errors=True)
            for lock in self.locks:
                os.close(lock)
            self.locks = ()


def remove_leftovers(parent: Path | None = None) -> None:
    """Remove the work folders of this user's clouds that no longer run."""
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        # Raises while the cloud runs; a folder without a lock file may not be a cloud's.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
