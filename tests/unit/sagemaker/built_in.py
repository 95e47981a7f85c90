"""Runs the programs of built-in algorithms as the platform does: files, hosts and requests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import forked

_PACKAGE = "sageloop.local_cloud.images"


@dataclass(frozen=True)
class FinishedRun:
    code: int
    log: str
    failure: str

    def metric(self, name: str) -> float:
        """The last value in the log line that has this text before its number."""
        line = [text for text in self.log.splitlines() if name in text][-1]
        return float(line.rpartition("=")[2])


def command(module: str) -> list[str]:
    return [sys.executable, "-I", "-m", f"{_PACKAGE}.{module}"]


def prepare(
    base: Path,
    parameters: Mapping[str, str],
    channels: Mapping[str, bytes],
    *,
    hosts: tuple[str, ...] = ("algo-1",),
    host: str = "algo-1",
    **described: str,
) -> None:
    config = base / "input" / "config"
    config.mkdir(parents=True)
    (base / "model").mkdir()
    channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"} | described
    _write(config, "hyperparameters", parameters)
    _write(config, "inputdataconfig", dict.fromkeys(channels, channel))
    _write(config, "resourceconfig", {"current_host": host, "hosts": list(hosts)})
    for name, content in channels.items():
        folder = base / "input" / "data" / name
        folder.mkdir(parents=True)
        if content:
            (folder / "part-0").write_bytes(content)


def train(
    module: str,
    base: Path,
    parameters: Mapping[str, str],
    channels: Mapping[str, bytes],
    **described: str,
) -> FinishedRun:
    prepare(base, parameters, channels, **described)
    return run(module, base)


def run(module: str, base: Path) -> FinishedRun:
    """Run a training program to its end, in a fork of a process that has loaded its libraries."""
    program = f"import runpy; runpy.run_module('{_PACKAGE}.{module}.train', run_name='__main__')"
    finished = forked.run("python", "-c", program, cwd=base, env={"SAGEMAKER_BASE_DIR": str(base)})
    return _finished_run(finished.returncode, base, finished.stdout + finished.stderr)


def train_together(
    module: str,
    base: Path,
    parameters: Mapping[str, str],
    shards: Mapping[str, Mapping[str, bytes]],
    **described: str,
) -> dict[str, FinishedRun]:
    """Train with one process for each host, each with its own shard of each channel."""
    hosts = tuple(sorted(shards))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    document = {
        "SAGELOOP_HOST_ADDRESSES": json.dumps(dict.fromkeys(hosts, "127.0.0.1")),
        "SAGELOOP_MASTER_PORT": str(port),
    }
    sharded = {"S3DistributionType": "ShardedByS3Key"} | described
    for host in hosts:
        prepare(base / host, parameters, shards[host], hosts=hosts, host=host, **sharded)
    children = [
        subprocess.Popen(
            command(f"{module}.train"),
            env={"SAGEMAKER_BASE_DIR": str(base / host), **document},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for host in hosts
    ]
    logs = [child.communicate(timeout=600)[0] for child in children]
    return {
        host: _finished_run(child.returncode, base / host, log)
        for host, child, log in zip(hosts, children, logs, strict=True)
    }


@contextmanager
def started(module: str, base: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(f"{module}.train"),
        env={"SAGEMAKER_BASE_DIR": str(base)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        yield child


@contextmanager
def served(module: str, base: Path, **environment: str) -> Iterator[str]:
    """The URL of a server of the model under ``base``."""
    env = {"SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_BIND_TO_PORT": "0", **environment}
    line = command(f"{module}.serve")
    with subprocess.Popen(line, env=env, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        place = child.stdout.readline().rsplit(" ", 1)[-1].strip()
        yield f"http://{place}"
        child.terminate()
        assert child.wait(180) == 0


def failed_server(module: str, base: Path, **environment: str) -> tuple[int, str]:
    """The exit code and the output of a server that does not start."""
    env = {"SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_BIND_TO_PORT": "0", **environment}
    finished = subprocess.run(
        command(f"{module}.serve"),
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    return finished.returncode, finished.stderr


def invoke(url: str, body: bytes, **headers: str) -> tuple[int, bytes, str]:
    request = urllib.request.Request(f"{url}/invocations", body)  # noqa: S310
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            return response.status, response.read(), response.headers.get("Content-Type", "")
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers.get("Content-Type", "")


def csv(rows: object) -> bytes:
    """The rows of a matrix as CSV."""
    lines = (",".join(map(repr, map(float, row))) for row in rows)  # type: ignore[attr-defined]
    return "".join(f"{line}\n" for line in lines).encode()


def _write(config: Path, name: str, content: object) -> None:
    (config / f"{name}.json").write_text(json.dumps(content))


def _finished_run(code: int, base: Path, log: str) -> FinishedRun:
    failure = base / "output" / "failure"
    return FinishedRun(code, log, failure.read_text() if failure.is_file() else "")
