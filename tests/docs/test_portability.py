"""Constructs, stacks and the command line import on macOS and Windows; the local cloud refuses."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sageloop.local_cloud.linux import UnsupportedPlatformError, require_linux

ROOT = Path(__file__).resolve().parents[2]
# Modules that import on every platform, with everything that they import.
STARTS = ("app", "constructs_lib", "stacks", "sageloop.cli", "sageloop.local_cloud.client",
          "sageloop.pytest_plugin")  # fmt: skip
POSIX_MODULES = {
    "crypt", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd", "readline", "resource",
    "spwd", "syslog", "termios", "tty",
}  # fmt: skip
POSIX_NAMES = {
    "os": {"fork", "forkpty", "getuid", "geteuid", "getgid", "getpgid", "killpg", "mkfifo",
           "setsid", "setpgid", "sched_getaffinity", "statvfs", "sysconf", "uname", "wait3",
           "wait4", "WNOHANG", "O_NOFOLLOW", "O_CLOEXEC", "O_DIRECTORY", "chown", "chroot"},
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGSTOP",
               "SIGCONT", "SIGQUIT", "SIGPIPE", "alarm", "setitimer", "pthread_sigmask"},
    "socket": {"AF_UNIX", "AF_NETLINK"},
    "time": {"clock_gettime", "CLOCK_MONOTONIC"},
}  # fmt: skip
LINUX_ONLY = "sageloop.local_cloud.core"


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run at a module's import, without function bodies and imports for types."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            defaults = [*child.args.defaults, *filter(None, child.args.kw_defaults)]
            for node in [*defaults, *getattr(child, "decorator_list", [])]:
                yield from ast.walk(node)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for node in child.orelse:
                yield from at_import(node)
        else:
            yield child
            yield from at_import(child)


def faults(tree: ast.AST) -> list[str]:
    """The names that Windows or macOS lack and a module uses at its import."""
    found = []
    for node in at_import(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in POSIX_NAMES.get(node.value.id, ()):
                found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in POSIX_NAMES:
            found += [f"{node.module}.{a.name}" for a in node.names
                      if a.name in POSIX_NAMES[node.module]]  # fmt: skip
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [name for name in imported(node, "") if name in POSIX_MODULES]
    return found


def imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
    """Modules that a statement may import; an imported name is a module if its file exists."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    parts = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
    base = ".".join([*parts, *([node.module] if node.module else [])])
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names)


def place(module: str) -> Path | None:
    """The file of a module of this project."""
    path = ROOT / module.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((c for c in candidates if c.is_file()), None)


def reached() -> dict[str, ast.Module]:
    """Every module of this project that is imported with one of the entry modules."""
    waiting = [
        name
        for start in STARTS
        for path in [ROOT / start.replace(".", "/")]
        for name in [start, *(f"{start}.{p.stem}" for p in path.glob("*.py"))]
    ]
    found: dict[str, ast.Module] = {}
    while waiting:
        name = waiting.pop()
        path = place(name)
        if path is None or name in found:
            continue
        tree = found[name] = ast.parse(path.read_text())
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        waiting += [".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)]
        for node in at_import(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                waiting += imported(node, package)
    return found


def test_modules_for_every_platform_use_nothing_of_posix_at_import() -> None:
    assert {name: names for name, tree in reached().items() if (names := faults(tree))} == {}


def test_modules_for_every_platform_do_not_import_the_running_cloud() -> None:
    modules = reached()

    assert {"sageloop.cli.train", "constructs_lib.data.store", "sageloop.environment"} <= set(
        modules
    )
    assert [name for name in modules if f"{name}.".startswith(f"{LINUX_ONLY}.")] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import fcntl", ["fcntl"]),
        ("from resource import getrlimit", ["resource"]),
        ("import os\nHERE = os.getuid()", ["os.getuid"]),
        ("import signal\ndef end(by=signal.SIGKILL): ...", ["signal.SIGKILL"]),
        ("from signal import SIGKILL", ["signal.SIGKILL"]),
        ("class A:\n    import pwd", ["pwd"]),
        ("def later():\n    import fcntl", []),
        ("import os\ndef later(): os.fork()", []),
        ("if TYPE_CHECKING:\n    import fcntl", []),
    ],
)
def test_names_used_at_import_are_reported(text: str, found: list[str]) -> None:
    assert faults(ast.parse(text)) == found


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
def test_local_cloud_refuses_other_platforms_in_one_line(platform: str) -> None:
    with pytest.raises(UnsupportedPlatformError) as caught:
        require_linux(platform)

    assert str(caught.value).startswith(f"the local cloud runs on Linux only, this is {platform};")
    assert "\n" not in str(caught.value)


def test_import_of_the_local_cloud_checks_the_platform() -> None:
    code = "import sys; sys.platform = 'darwin'; import sageloop.local_cloud.core.cloud"

    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(
        "sageloop.local_cloud.linux.UnsupportedPlatformError: the local cloud runs on Linux only"
    )
