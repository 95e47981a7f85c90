"""The project's assemblies, synthesized once for all workers of a test run.

The root ``conftest.py`` sets a folder that the workers share in :data:`PLACE`; the first test that
needs an assembly creates it there. Assemblies are read-only.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
from pathlib import Path

from scripts.synthesis import synthesise, synthesise_example

PLACE = "SAGELOOP_TEST_ASSEMBLIES"
EXAMPLE = "examples/"
"""What the name of an example begins with."""


@functools.cache
def assembly(settings: str = "prod") -> Path:
    """The folder of the app's assembly for settings, a name or a file, to read only.

    With ``examples/NAME`` it is the assembly of an example.

    Raises:
        RuntimeError: If the app does not synthesize, with its output.

    """
    folder = Path(os.environ[PLACE]) / _name(settings)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(settings, folder)
    return folder


def _make(settings: str, folder: Path) -> None:
    unfinished = folder.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    example = settings.removeprefix(EXAMPLE)
    if example == settings:
        ended = synthesise(settings, unfinished)
    else:
        ended = synthesise_example(example, unfinished)
    if ended.returncode:
        raise RuntimeError(f"{settings} does not synthesise:\n{ended.stderr}")
    unfinished.rename(folder)


def _name(settings: str) -> str:
    # Settings files are identified by content: tests write different ones of the same name.
    content = Path(settings).read_bytes() if settings.endswith(".toml") else b""
    digest = hashlib.sha256(settings.encode() + b"\0" + content).hexdigest()[:16]
    return f"{Path(settings).stem}-{digest}"
