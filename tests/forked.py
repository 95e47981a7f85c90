"""Python programs in forks of one process that has loaded what they import.

A command of ``sageloop`` spends half a second of CPU on imports, and a program that calls AWS a
whole one. A fork has the same arguments, environment, folder, streams and end as a program of its
own, and may become another program; what it lacks is the start of the interpreter. So for each
command at least one test starts the real program.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.forked_client import MESSAGE, STREAMS, request_fork

_CLIENT = Path(__file__).with_name("forked_client.py").resolve()
# What the commands import first or last, and what the programs of algorithms import.
_LOADED = ("boto3", "psutil", "pydantic.type_adapter", "pydantic.main", "sageloop.cli.application",
           "sageloop.local_cloud.client", "sageloop.local_cloud.images.xgboost.callbacks",
           "sageloop.local_cloud.images.linear_learner.fitting",
           "sageloop.local_cloud.images.kmeans.clustering")  # fmt: skip
_PROGRAM = "from tests.forked import main; main({!r})"


@dataclass
class _Server:
    """The process that is forked, and the folder of its socket."""

    folder: str
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"{self.folder}/socket"


_running: list[_Server] = []


def run(
    program: str, *arguments: str, cwd: Path, env: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a program to its end in a fork, and return what it wrote.

    Args:
        program: ``sageloop``, or ``python``, whose first argument is ``-c``.
        arguments: Its words.
        cwd: The folder that it runs in.
        env: Its whole environment. Variables that the interpreter reads when it starts, those of
            ``PYTHON``, have no effect.
        stdin: A descriptor, or ``subprocess.DEVNULL``.

    """
    address = _server().address
    with (
        tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err,
        Path(os.devnull).open() as null,
    ):  # fmt: skip
        source = null.fileno() if stdin == subprocess.DEVNULL else stdin
        streams = [source, out.fileno(), err.fileno()]
        words = [program, *arguments]
        code = request_fork(address, words, cwd=str(cwd), env=dict(env), streams=streams)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read(), err.read())


def launchers() -> Path:
    """A folder with ``sageloop`` and ``python`` for the ``PATH`` of a shell: they run in forks."""
    server = _server()
    folder = Path(server.folder) / "bin"
    folder.mkdir(exist_ok=True)
    for program in ("sageloop", "python"):
        words = f"{sys.executable} -I -S {_CLIENT} {server.address} {program}"
        (folder / program).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (folder / program).chmod(0o755)
    return folder


def stop() -> None:
    """End the process that is forked, if one runs; the next use starts another."""
    while _running:
        server = _running.pop()
        server.process.communicate()  # closes its standard input
        shutil.rmtree(server.folder)


def _server() -> _Server:
    if not _running:
        server = _Server(folder := tempfile.mkdtemp(prefix="sageloop-forked-"), subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(f"{folder}/socket")], cwd=_CLIENT.parents[1],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ))  # fmt: skip
        _running.append(server)
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == b"ready\n"
    return _running[0]


def main(address: str) -> None:
    """Answer requests until the owner ends, or closes this process's standard input."""
    for name in _LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection would copy, in each fork, what is shared
    sys.path[:] = [each for each in sys.path if each]
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            link, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(link)
            link.close()


def _reap(*_: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _answer(link: socket.socket) -> NoReturn:
    """Fork once more: this process waits for the program, and reports its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, streams, _, _ = socket.recv_fds(link, MESSAGE, STREAMS)
    program = os.fork()
    if program != 0:
        _, status = os.waitpid(program, 0)
        link.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    link.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    request = json.loads(message)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    os._exit(_exit_code(_program(*request["words"])))


def _exit_code(program: Callable[[], object]) -> int:
    """Run a program as the interpreter does, whose end itself would cost more than the program."""
    code: object = 0
    try:
        program()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int | None):
        sys.stderr.write(f"{code}\n")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return (code or 0) & 0xFF


def _program(name: str, *arguments: str) -> Callable[[], object]:
    sys.argv = [name, *arguments]
    if name == "sageloop":
        from sageloop.cli.main import main as command

        return command
    assert name == "python"
    assert arguments[0] == "-c", f"a program as text (-c) is run, got {arguments}"
    code, sys.argv = arguments[1], ["-c", *arguments[2:]]
    sys.path.insert(0, "")
    return lambda: exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
