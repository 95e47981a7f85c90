"""Installs the requirements of a script in an overlay environment.

AWS installs requirements into the container's Python, which is deleted with the job. Locally the
Python is the user's and stays unchanged: an overlay environment receives the requirements. The
overlay sees all packages of the Python below, so that only missing ones are installed, and it is
cached for later jobs with equal requirements.
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
# A line that names a file: the content of the file is part of the requirements.
_NAMES_A_FILE = re.compile(r"^\s*(-|\.|/|file:)|[ /]\.{0,2}/|@\s*file:", re.MULTILINE)
_READY = ".ready"


@contextmanager
def python_for(
    kind: Kind, code: Path, environment: Mapping[str, str], say: Say
) -> Iterator[str]:  # fmt: skip
    """The interpreter that runs a program, with the program's requirements installed.

    Raises :class:`ProcessFailed`, as AWS's toolkit does, if the installation fails.
    """
    requirements = _requirements(kind, code)
    if not requirements:
        yield sys.executable
        return
    cache = environment.get("SAGELOOP_CACHE_DIR")
    # On AWS a job without network could not install packages that an earlier job cached.
    if cache is None or "AWS_ENDPOINT_URL" not in environment:
        with tempfile.TemporaryDirectory(prefix="sageloop-environment-") as once:
            yield _installed(Path(once), kind, requirements, code, say)
        return
    folder = Path(cache) / "environments" / _key(kind, code)
    yield _cached(folder, kind, requirements, code, say)


def overlay(folder: Path) -> str:
    """Create an overlay environment of this Python; returns its interpreter."""
    venv.EnvBuilder(symlinks=True, with_pip=importlib.util.find_spec("pip") is None).create(folder)
    tag = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = folder / "lib" / tag / "site-packages"
    # This Python may be a virtual environment itself, for which system-site-packages is not enough;
    # addsitedir because packages installed as editable have .pth files.
    lines = [f"import site; site.addsitedir({path!r})\n" for path in _packages_below()]
    (own / "below.pth").write_text("".join(lines))
    return str(folder / "bin" / "python")


def _requirements(kind: Kind, code: Path) -> list[str]:
    """The requirement arguments of pip install."""
    required = ["-r", REQUIREMENTS] if (code / REQUIREMENTS).exists() else []
    if kind is Kind.PACKAGE:
        return [".", *required]
    return required if kind is Kind.SCRIPT else []


def _cached(folder: Path, kind: Kind, requirements: list[str], code: Path, say: Say) -> str:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the system when this process ends
        if (folder / _READY).exists():
            say(f"Requirements: the environment {folder.name} is cached, nothing is installed")
            return str(folder / "bin" / "python")
        shutil.rmtree(folder, ignore_errors=True)
        python = _installed(folder, kind, requirements, code, say)
        (folder / _READY).touch()
        return python


def _installed(folder: Path, kind: Kind, requirements: list[str], code: Path, say: Say) -> str:
    began = time.monotonic()
    python = overlay(folder)
    command = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-color"]
    own_build = not (code / "pyproject.toml").exists() and importlib.util.find_spec("setuptools")
    if kind is Kind.PACKAGE and own_build:
        command.append("--no-build-isolation")
    command += requirements
    say(f"Installing dependencies in an overlay environment: {quoted(command)}")
    code_of_pip = subprocess.run(command, cwd=code, check=False).returncode
    if code_of_pip:
        name = "InstallModuleError" if kind is Kind.PACKAGE else "InstallRequirementsError"
        raise ProcessFailed(name, command=command, code=code_of_pip)
    say(f"Requirements: installed in {time.monotonic() - began:.1f} s")
    return python


def _key(kind: Kind, code: Path) -> str:
    """The cache key of the requirements and this Python."""
    digest = hashlib.sha256(f"{sys.executable}\0{sys.version}\0{kind}".encode())
    for path in _packages_below():
        names = sorted(p.name for p in Path(path).glob("*.dist-info"))
        digest.update("\0".join([path, *names]).encode())
    requirements = code / REQUIREMENTS
    text = requirements.read_bytes() if requirements.exists() else b""
    digest.update(text)
    if kind is Kind.PACKAGE or _NAMES_A_FILE.search(text.decode(errors="replace")):
        digest.update(str(code).encode())
        for file in sorted(p for p in code.rglob("*") if p.is_file()):
            digest.update(f"\0{file.relative_to(code)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:32]


def _packages_below() -> list[str]:
    return [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
