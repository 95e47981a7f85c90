"""The cost of an endpoint beside a bare server, and of rollouts and kills for its callers."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import xgboost

from benchmarks.figures import Figure
from benchmarks.load import Load
from benchmarks.roles import execution_role
from sageloop.local_cloud.access.signing import signed_headers
from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.ports import free_port
from sageloop.waiting import until

_ROOT = Path(__file__).resolve().parents[1]
_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
_ROUNDS, _REQUESTS, _CONNECTIONS = 5, 4000, 64
_FEW = 16  # connections of measurements that count failures
_KILLED_REQUESTS, _KILLS = 10_000, 10
_HEADERS = {"Content-Type": "text/csv", "Accept": "text/csv"}
_HALF = {"Type": "CAPACITY_PERCENT", "Value": 50}
_POLICIES = {
    "canary": {"BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY", "WaitIntervalInSeconds": 60, "CanarySize": _HALF,
        },
    }},
    "linear": {"BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {
            "Type": "LINEAR", "WaitIntervalInSeconds": 60, "LinearStepSize": _HALF,
        },
    }},
    "rolling": {"RollingUpdatePolicy": {
        "MaximumBatchSize": _HALF, "WaitIntervalInSeconds": 60,
    }},
}  # fmt: skip


def measure() -> list[Figure]:
    """Throughput beside the bare server, then rollouts and kills under load."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud.start(warm=True) as cloud:
        model = Path(folder)
        rows = _train(model)
        endpoint = _Endpoint(cloud, model, rows)
        with _bare(model) as port:
            figures = endpoint.speed(port)
        endpoint.scale(2)
        figures += [endpoint.rollout(kind) for kind in _POLICIES]
        return [*figures, endpoint.scale_in(), endpoint.kills()]


def _train(folder: Path, number: int = 20_000) -> list[str]:
    """Train the flights model; returns rows for requests."""
    random = np.random.default_rng(2013)
    columns = ((0, 16), (0, 3), (0, 104), (80, 5000), (5, 24), (0, 7))
    table = np.column_stack([random.integers(low, high, number) for low, high in columns])
    minutes = 20 + table[:, 3] / 8 + random.normal(0, 8, number)
    data = xgboost.DMatrix(table.astype(np.float32), minutes)
    hyperparameters = {"max_depth": 7, "eta": 0.2, "objective": "reg:squarederror", "nthread": 2}
    booster = xgboost.train(hyperparameters, data, 120)
    (folder / "xgboost-model").write_bytes(booster.save_raw("ubj"))
    return [",".join(map(str, row)) for row in table[:200]]


@contextmanager
def _bare(model: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare_server", str(model), str(port)]
    process = subprocess.Popen(command, cwd=_ROOT)
    try:
        until("the bare server", lambda: _listens(port), seconds=30)
        yield port
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _send(load: Load) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"], input=json.dumps(asdict(load)), text=True,
        stdout=subprocess.PIPE, cwd=_ROOT, check=True,
    )  # fmt: skip
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


class _Endpoint:
    def __init__(self, cloud: LocalCloud, model: Path, rows: list[str]) -> None:
        self._cloud, self._rows = cloud, rows
        self._sagemaker = cloud.client("sagemaker")
        self._port = int(cloud.endpoint_url.rsplit(":", 1)[1])
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(model / "xgboost-model", "xgboost-model")
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="bench-serving")
        s3.put_object(Bucket="bench-serving", Key="m.tar.gz", Body=packed.getvalue())
        role = execution_role(cloud.client("iam"), "serve")
        self._sagemaker.create_model(
            ModelName="flights", ExecutionRoleArn=role,
            PrimaryContainer={"Image": _IMAGE, "ModelDataUrl": "s3://bench-serving/m.tar.gz"},
        )  # fmt: skip
        self._configs = 0
        self._sagemaker.create_endpoint(EndpointName="flights", EndpointConfigName=self._config(1))
        cloud.settle(120)

    def speed(self, bare_port: int) -> list[Figure]:
        """Throughput and latency, alternately with the bare server."""
        theirs = self._load(bare_port, "/invocations", _HEADERS)
        pairs = [(_send(theirs), _send(self._load())) for _ in range(_ROUNDS)]
        bare, ours = [a for a, _ in pairs], [b for _, b in pairs]
        if any(set(figures["statuses"]) != {"200"} for figures in (*bare, *ours)):
            raise RuntimeError(f"some requests have no response: {pairs[-1]}")
        rate, p50, p99 = (_medians(bare, ours, name) for name in ("rate", "p50", "p99"))
        named = f"InvokeEndpoint, {_CONNECTIONS} connections"
        return [
            Figure(name=named, value=rate[1], unit="requests/s", bound=">= 1000 requests/s",
                   holds=rate[1] >= 1000, yardstick=rate[0],
                   yardstick_name="the model behind a bare cheroot"),
            Figure(name=f"{named}: median latency", value=p50[1], unit="ms", bound="<= 1.3 x bare",
                   holds=p50[1] <= 1.3 * p50[0], yardstick=p50[0], yardstick_name="bare, ms"),
            Figure(name=f"{named}: p99 latency", value=p99[1], unit="ms", bound="<= 1.3 x bare",
                   holds=p99[1] <= 1.3 * p99[0], yardstick=p99[0], yardstick_name="bare, ms"),
        ]  # fmt: skip

    def rollout(self, kind: str) -> Figure:
        """The number of failed requests during the deployment of another configuration."""
        config = self._config(2)

        def deploy() -> None:
            self._sagemaker.update_endpoint(
                EndpointName="flights", EndpointConfigName=config,
                DeploymentConfig=_POLICIES[kind],
            )  # fmt: skip
            until("the rollout", self._baked, seconds=120)

        statuses = self._meanwhile(deploy)
        if self._described()["EndpointConfigName"] != config:
            raise RuntimeError(f"the {kind} rollout was rolled back: {self._described()}")
        return _failures(f"{kind} rollout under load", statuses)

    def scale_in(self) -> Figure:
        """The number of failed requests while an endpoint scales from 3 instances to 1 and back."""

        def scale() -> None:
            for count in (3, 1, 2):
                self.scale(count)

        return _failures("scale-out and scale-in under load", self._meanwhile(scale))

    def kills(self) -> Figure:
        """The number of lost requests when workers are killed: at most those in flight."""
        killed = 0
        load = self._load(connections=_FEW, requests=_KILLED_REQUESTS)
        ended = threading.Event()
        results: list[dict[str, Any]] = []

        def send() -> None:
            results.append(_send(load))
            ended.set()

        sender = threading.Thread(target=send)
        sender.start()
        while killed < _KILLS and not ended.wait(0.5):
            workers = self._workers()
            if len(workers) == 2:
                os.kill(workers[killed % 2], signal.SIGKILL)
                killed += 1
        sender.join()
        statuses = Counter(results[0]["statuses"])
        lost = _KILLED_REQUESTS - statuses["200"]
        held = killed * _FEW
        return Figure(
            name=f"{_KILLED_REQUESTS} invocations, {killed} workers killed: lost", value=lost,
            unit="requests", bound=f"<= held ({held}), ModelErrors",
            holds=killed > 0 and lost <= held and lost == statuses["424"],
        )  # fmt: skip

    def scale(self, count: int) -> None:
        """Set the number of instances and wait until it is reached."""
        change = {"VariantName": "AllTraffic", "DesiredInstanceCount": count}
        self._sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="flights", DesiredWeightsAndCapacities=[change]
        )
        until("the instances", self._rests, seconds=60)

    def _meanwhile(self, work: Callable[[], None]) -> Counter[str]:
        """Statuses of the requests that are sent while ``work`` runs."""
        statuses: Counter[str] = Counter()
        ended = threading.Event()

        def send() -> None:
            while not ended.is_set():
                statuses.update(_send(self._load(connections=_FEW, requests=1000))["statuses"])

        sender = threading.Thread(target=send)
        sender.start()
        try:
            time.sleep(0.5)  # the load must precede the change
            work()
        finally:
            ended.set()
            sender.join()
        return statuses

    def _baked(self) -> bool:
        if self._rests():
            return True
        if "Baking" in str(self._described().get("PendingDeploymentSummary")):
            self._cloud.advance(seconds=60)
        return False

    def _rests(self) -> bool:
        return bool(self._described()["EndpointStatus"] == "InService")

    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = self._sagemaker.describe_endpoint(EndpointName="flights")
        return described

    def _workers(self) -> list[int]:
        running = self._cloud.health()["processes"]
        return [int(pid) for pid, label in running.items() if label == "endpoint:flights"]

    def _config(self, count: int) -> str:
        self._configs += 1
        name = f"flights-{self._configs}"
        self._sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{
                "VariantName": "AllTraffic", "ModelName": "flights", "InstanceType": "ml.m5.large",
                "InitialInstanceCount": count,
            }],
        )  # fmt: skip
        return name

    def _load(
        self, port: int | None = None, path: str = "/endpoints/flights/invocations",
        headers: dict[str, str] | None = None, *, connections: int = _CONNECTIONS,
        requests: int = _REQUESTS,
    ) -> Load:  # fmt: skip
        return Load(
            port=self._port if port is None else port, path=path,
            headers=_HEADERS if headers is None else headers, bodies=self._rows,
            connections=connections, requests=requests, warm_up=400,
            body_headers=self._signatures(path) if headers is None else [],
        )  # fmt: skip

    def _signatures(self, path: str) -> list[dict[str, str]]:
        # New for each load: a signature is valid for 15 minutes.
        url = self._cloud.endpoint_url + path
        return [
            signed_headers(
                self._cloud.access, service="sagemaker", url=url, headers=_HEADERS,
                body=row.encode(),
            )
            for row in self._rows
        ]  # fmt: skip


def _medians(
    bare: list[dict[str, Any]], ours: list[dict[str, Any]], name: str
) -> tuple[float, float]:
    return median(figures[name] for figures in bare), median(figures[name] for figures in ours)


def _failures(name: str, statuses: Counter[str]) -> Figure:
    sent = statuses.total()
    failed = sent - statuses["200"]
    return Figure(name=f"{name}: failed of {sent}", value=failed, unit="requests", bound="0",
                  holds=failed == 0 and sent > 0)  # fmt: skip
