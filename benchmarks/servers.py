"""The two servers that are compared: the local cloud and moto's."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import psutil
from botocore.config import Config

from sageloop.environment import local_environment
from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.access.signing import signed_headers
from sageloop.local_cloud.core.ports import free_port

# One pair for both servers: moto accepts any, the local cloud those of its start command.
_KEY, _SECRET = "LKIABENCHMARKSERVERS", "benchmark"


@dataclass(frozen=True)
class Running:
    """A running server, its start time in seconds, and its process."""

    endpoint_url: str
    seconds_to_answer: float
    process: psutil.Process

    def client(self, service: str) -> Any:
        """A boto3 client of the server."""
        return boto3.client(
            service, endpoint_url=self.endpoint_url, region_name="us-east-1",
            aws_access_key_id=_KEY, aws_secret_access_key=_SECRET,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def megabytes(self) -> float:
        """Resident memory of the server's process."""
        return float(self.process.memory_info().rss) / 1e6


@contextmanager
def started(command: Callable[[int], list[str]]) -> Iterator[Running]:
    """Start a server on a free port and wait until STS responds."""
    port = free_port()
    began = time.perf_counter()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        command(port), env=local_environment(url, region="us-east-1"), stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(url)
        yield Running(url, time.perf_counter() - began, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(30)


def local_cloud(port: int) -> list[str]:
    """The command of the local cloud."""
    return [
        sys.executable, "-m", "sageloop.local_cloud.server", "--port", str(port), "--test-key",
        f"{_KEY}:{_SECRET}",
    ]  # fmt: skip


def moto_server(port: int) -> list[str]:
    """The command of moto's server."""
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


def _wait_for(url: str) -> None:
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    access = CloudAccess(
        endpoint_url=url, region="us-east-1", access_key_id=_KEY, secret_access_key=_SECRET
    )
    headers = signed_headers(
        access, service="sts", url=f"{url}/", body=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310
            opener.open(request, timeout=5).read()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"no response from {url} within a minute")
