"""The fork server: a process with boto3 loaded, from which each worker is forked.

Loading boto3 and the models of the common services takes about a second; a fork takes
milliseconds. It runs without site-packages, so that a function can import the standard library,
boto3, its own package and its layers, but no other installed package.

Each message on the control socket carries two descriptors: the worker's socket and the write end
of its log. The fork server sends back the exit status of workers: ``{"pid", "status"}``.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
# The clients that functions of a machine-learning stack create.
_WARMED = ("s3", "dynamodb", "sagemaker", "cloudwatch", "events", "sns", "sqs", "sts", "ec2")


def main() -> None:
    """Load, then fork on request until the control socket, which is the standard input, closes."""
    control = _control()
    sys.path.append(sys.argv[1])
    worker = _load("_sageloop_worker", _FOLDER / "worker.py")
    tree = _load("_sageloop_tree", _FOLDER.parents[1] / "core" / "supervision" / "tree.py")
    workers: set[int] = set()
    _warm()
    gc.collect()
    gc.freeze()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([control.fileno(), wake_read], [], [])
        if wake_read in ready:
            _report_ended(control, wake_read, workers)
            # A living worker adopts its own orphans, so any other child was left by an ended
            # worker.
            tree.kill_children(apart_from=workers)
        if control.fileno() in ready:
            message, fds, _, _ = socket.recv_fds(control, 16, 2)
            if not message:
                return
            workers.add(_fork(worker, tree, control, fds, (wake_read, wake_write)))


def _control() -> socket.socket:
    # The control socket is the standard input, which a worker does not inherit.
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return control


def _load(name: str, path: Path) -> Any:
    # Loaded by path under a private name: a function may have a module "worker".
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _warm() -> None:
    import boto3
    import botocore.loaders
    import botocore.session

    made = botocore.loaders.create_loader
    loader = made()
    # Sessions in a worker use the models that are parsed here.
    botocore.session.create_loader = lambda path=None: loader if path is None else made(path)
    session = boto3.Session(
        aws_access_key_id="warm", aws_secret_access_key="warm",  # noqa: S106 - of no account
        region_name="us-east-1",
    )  # fmt: skip
    for service in _WARMED:
        session.client(service, endpoint_url="http://127.0.0.1:1")


def _fork(
    worker: Any, tree: Any, control: socket.socket, fds: list[int], wake: tuple[int, int]
) -> int:
    pid = os.fork()
    if pid:
        for fd in fds:
            os.close(fd)
        return pid
    try:
        os.setsid()
        tree.become_subreaper()
        tree.die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        control.close()
        for fd in wake:
            os.close(fd)
        channel, log = fds
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        code = worker.serve(socket.socket(fileno=channel))
    except BaseException:
        code = 1
    os._exit(code)


def _report_ended(control: socket.socket, wake_read: int, workers: set[int]) -> None:
    with suppress(BlockingIOError):
        os.read(wake_read, 4096)
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if pid not in workers:
            continue
        workers.discard(pid)
        report = {"pid": pid, "status": os.waitstatus_to_exitcode(status)}
        with suppress(BrokenPipeError, ConnectionResetError):
            control.send(json.dumps(report).encode())


if __name__ == "__main__":
    main()
