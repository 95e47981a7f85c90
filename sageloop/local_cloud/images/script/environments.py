"""What a script requires, installed in an environment of its own.

AWS installs requirements into the container's Python, which ends with the job. Here that Python
is the user's: it stays as it is, an environment laid over it takes the requirements. The overlay
sees all that the Python below has, so only what is missing is installed, and it is kept for the
next job that requires the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sageloop.local_cloud.images.script.entry import Kind
from sageloop.local_cloud.images.script.failures import ProcessFailed, quoted

Say = Callable[[str], None]
REQUIREMENTS = "requirements.txt"
# A line that names a file makes the file a part of what is required.
_NAMES_A_FILE = re.compile(r"^\s*(-|\.|/|file:)|[ /]\.{0,2}/|@\s*file:", re.MULTILINE)
_READY = ".ready"


@contextmanager
def python_for(
    kind: Kind, code: Path, environment: Mapping[str, str], say: Say
) -> Iterator[str]:  # fmt: skip
    """The interpreter that runs a program, with what the program requires installed.

    Raises :class:`ProcessFailed` as the toolkit does if it cannot be installed.
    """
    wanted = _wanted(kind, code)
    if not wanted:
        yield sys.executable
        return
    cache = environment.get("SAGELOOP_CACHE_DIR")
    # A job without a network could not install on AWS what an earlier one left in the cache.
    if cache is None or "AWS_ENDPOINT_URL" not in environment:
        with tempfile.TemporaryDirectory(prefix="sageloop-environment-") as once:
            yield _installed(Path(once), kind, wanted, code, say)
        return
    folder = Path(cache) / "environments" / _key(kind, code)
    yield _cached(folder, kind, wanted, code, say)


def overlay(folder: Path) -> str:
    """Make an environment over this Python; returns its interpreter."""
    venv.EnvBuilder(symlinks=True, with_pip=importlib.util.find_spec("pip") is None).create(folder)
    tag = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = folder / "lib" / tag / "site-packages"
    # This Python may be an environment itself, so the standard option for this is not enough;
    # addsitedir because packages that are installed as editable have files of their own there.
    lines = [f"import site; site.addsitedir({path!r})\n" for path in _packages_below()]
    (own / "below.pth").write_text("".join(lines))
    return str(folder / "bin" / "python")


def _wanted(kind: Kind, code: Path) -> list[str]:
    """What pip is to install, in its words."""
    required = ["-r", REQUIREMENTS] if (code / REQUIREMENTS).exists() else []
    if kind is Kind.PACKAGE:
        return [".", *required]
    return required if kind is Kind.SCRIPT else []


def _cached(folder: Path, kind: Kind, wanted: list[str], code: Path, say: Say) -> str:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go by the system, however this process ends
        if (folder / _READY).exists():
            say(f"Requirements: the environment {folder.name} is cached, nothing is installed")
            return str(folder / "bin" / "python")
        shutil.rmtree(folder, ignore_errors=True)
        python = _installed(folder, kind, wanted, code, say)
        (folder / _READY).touch()
        return python


def _installed(folder: Path, kind: Kind, wanted: list[str], code: Path, say: Say) -> str:
    began = time.monotonic()
    python = overlay(folder)
    command = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-color"]
    own_build = not (code / "pyproject.toml").exists() and importlib.util.find_spec("setuptools")
    if kind is Kind.PACKAGE and own_build:
        command.append("--no-build-isolation")
    command += wanted
    say(f"Installing dependencies in an environment of their own: {quoted(command)}")
    code_of_pip = subprocess.run(command, cwd=code, check=False).returncode
    if code_of_pip:
        name = "InstallModuleError" if kind is Kind.PACKAGE else "InstallRequirementsError"
        raise ProcessFailed(name, command=command, code=code_of_pip)
    say(f"Requirements: installed in {time.monotonic() - began:.1f} s")
    return python


def _key(kind: Kind, code: Path) -> str:
    """A name for what is required of which Python."""
    seen = hashlib.sha256(f"{sys.executable}\0{sys.version}\0{kind}".encode())
    for path in _packages_below():
        names = sorted(p.name for p in Path(path).glob("*.dist-info"))
        seen.update("\0".join([path, *names]).encode())
    requirements = code / REQUIREMENTS
    text = requirements.read_bytes() if requirements.exists() else b""
    seen.update(text)
    if kind is Kind.PACKAGE or _NAMES_A_FILE.search(text.decode(errors="replace")):
        seen.update(str(code).encode())
        for file in sorted(p for p in code.rglob("*") if p.is_file()):
            seen.update(f"\0{file.relative_to(code)}\0".encode() + file.read_bytes())
    return seen.hexdigest()[:32]


def _packages_below() -> list[str]:
    return [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
