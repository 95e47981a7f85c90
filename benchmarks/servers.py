"""The two servers that are compared: the local cloud and moto's own."""

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

from sageloop.environment import ACCESS_KEY, local_environment
from sageloop.local_cloud.core.ports import free_port


@dataclass(frozen=True)
class Running:
    """A server that answers, the seconds it needed, and its process."""

    endpoint_url: str
    seconds_to_answer: float
    process: psutil.Process

    def client(self, service: str) -> Any:
        """A boto3 client of it."""
        return boto3.client(
            service, endpoint_url=self.endpoint_url, region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY, aws_secret_access_key="local",  # noqa: S106
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )  # fmt: skip

    def megabytes(self) -> float:
        """Resident memory of the server's process."""
        return float(self.process.memory_info().rss) / 1e6


@contextmanager
def started(command: Callable[[int], list[str]]) -> Iterator[Running]:
    """Start a server on a free port and wait until STS answers."""
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
    return [sys.executable, "-m", "sageloop.local_cloud.server", "--port", str(port)]


def moto_server(port: int) -> list[str]:
    """The command of moto's own server."""
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


def _wait_for(url: str) -> None:
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": "AWS4-HMAC-SHA256 Credential=LKIALOCALCLOUDUSER00/20260101/us-east-1/sts/"
        "aws4_request, SignedHeaders=host, Signature=0",
    }
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
    raise TimeoutError(f"no answer from {url} within a minute")
