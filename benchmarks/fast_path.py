"""The CPU time that the fast path of InvokeEndpoint saves: ``python -m benchmarks.fast_path``.

Prints the CPU time of the cloud's process per invocation: as it is, without connections that read
a request in one piece (``core/invocation_connection.py``), and without the parameter table
(``core/fast_path.py``) as well. Decision 7 keeps both for these figures.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from cheroot.server import HTTPConnection

from benchmarks.roles import execution_role
from sageloop.local_cloud import images
from sageloop.local_cloud.access.caller import account_user
from sageloop.local_cloud.access.cloud_access import CloudAccess
from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.cloud import CloudConfig
from sageloop.local_cloud.sagemaker.service import SageMakerService
from sageloop.local_cloud.server import LocalCloudServer

_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/echo:1"
_SERVER = Path(__file__).resolve().parents[1] / "tests" / "local" / "hosting_server.py"
_WAYS = ("both", "table only", "neither")
_WARM, _COUNTED = 100, 1000


def main() -> None:
    """Measure every variant and print a line for each."""
    parser = argparse.ArgumentParser(prog="benchmarks.fast_path", description=__doc__)
    parser.add_argument("--serve", choices=_WAYS, help=argparse.SUPPRESS)
    way = parser.parse_args().serve
    if way is not None:
        _serve(way)
        return
    for name in _WAYS:
        print(f"{name:12s} {_milliseconds(name):.3f} ms of CPU time per invocation")


def _milliseconds(way: str) -> float:
    with _cloud(way) as (process, runtime):
        body = {"EndpointName": "e", "ContentType": "text/csv", "Body": b"1,2,3"}
        for _ in range(_WARM):
            runtime.invoke_endpoint(**body)
        before = sum(process.cpu_times()[:2])
        for _ in range(_COUNTED):
            runtime.invoke_endpoint(**body)
        return float(sum(process.cpu_times()[:2]) - before) / _COUNTED * 1000


@contextmanager
def _cloud(way: str) -> Iterator[tuple[psutil.Process, Any]]:
    command = [sys.executable, "-m", "benchmarks.fast_path", "--serve", way]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = child.stdout.readline() if child.stdout else ""
        cloud = LocalCloud.from_access(CloudAccess.from_json(line))
        yield psutil.Process(child.pid), cloud.client("sagemaker-runtime")
    finally:
        if child.stdin:
            child.stdin.close()
        child.wait(30)


def _serve(way: str) -> None:
    images.register(_IMAGE, serving=[sys.executable, "-IS", str(_SERVER)])
    server = LocalCloudServer(CloudConfig())
    if way != "both":
        server._server.ConnectionClass = HTTPConnection
    if way == "neither":
        server.cloud.front._invoked = _regular_path  # type: ignore[method-assign]
    server.start()
    _make_endpoint(server)
    print(server.cloud.access.to_json(), flush=True)
    sys.stdin.read()
    server.stop()


def _regular_path(environ: dict[str, Any]) -> None:
    """Replace the fast path of the front end: it accepts no request."""
    del environ


def _make_endpoint(server: LocalCloudServer) -> None:
    cloud = server.cloud
    user = account_user(cloud.account_id).arn
    sagemaker = cloud.client("sagemaker", principal=user)
    role = execution_role(cloud.client("iam", principal=user), "serving")
    sagemaker.create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer={"Image": _IMAGE})
    variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1,
               "InstanceType": "ml.m5.large"}  # fmt: skip
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    cloud.services.instance(SageMakerService).hosting.wait_endpoint("e")


if __name__ == "__main__":
    main()
