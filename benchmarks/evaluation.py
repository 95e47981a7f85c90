"""The memory of ``evaluate`` on 10 GB of captured data, which is generated while it is read."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.captured_data import START, GeneratedFiles
from benchmarks.figures import Figure

_LAYER = Path(__file__).parents[1] / "lambda" / "layer" / "python"
_GIGABYTES = 10
_HOURS = 24
_BYTES_OF_LINE = 1_000
_TIMEOUT, _MEMORY_MB = 900.0, 1024


def measure() -> list[Figure]:
    """Peak memory, duration and longest invocation of one evaluation, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.evaluation"]
    completed = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(completed.stdout.splitlines()[-1])
    name = f"evaluation of {result['gigabytes']:.1f} GB of captured data"
    return [
        Figure(name=f"{name}: peak memory", value=result["megabytes"], unit="MB",
               bound=f"<= {_MEMORY_MB // 2} MB of {_MEMORY_MB}",
               holds=result["megabytes"] <= _MEMORY_MB // 2),
        Figure(name=f"{name}: longest invocation", value=result["longest"], unit="s",
               bound=f"< {_TIMEOUT:.0f} s", holds=result["longest"] < _TIMEOUT),
        Figure(name=f"{name}: {result['passes']} invocations", value=result["seconds"], unit="s",
               bound="none", holds=result["exact"]),
    ]  # fmt: skip


def main() -> None:
    """Evaluate and print the result as one line of JSON."""
    sys.path.insert(0, str(_LAYER))
    lines = int(_GIGABYTES * 1e9 / _HOURS / _BYTES_OF_LINE)
    files = GeneratedFiles(lines=lines, hours=_HOURS)
    started = time.perf_counter()
    longest, passes, answer = _evaluate(files)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    exact = abs(answer["error"] - files.error) < 1e-6
    print(json.dumps({
        "gigabytes": files.captured_bytes / 1e9, "megabytes": peak, "longest": longest,
        "passes": passes, "seconds": time.perf_counter() - started,
        "exact": exact and answer["predictions"] == 2 * files.responses,
    }))  # fmt: skip


def _evaluate(files: GeneratedFiles) -> tuple[float, int, dict[str, Any]]:
    """Invoke the function until it publishes; the longest invocation, their number, the answer."""
    files_of = import_module("sageloop_runtime.monitoring.files").HourlyFiles
    event: dict[str, Any] = {"time": (START + timedelta(hours=_HOURS, minutes=30)).isoformat()}
    longest, passes = 0.0, 0
    while True:
        started = time.perf_counter()
        invoked = _Invoked()
        answer = _evaluator(files_of(files), invoked, started + _TIMEOUT).handle(event)
        longest, passes = max(longest, time.perf_counter() - started), passes + 1
        if "continues" not in answer:
            return longest, passes, answer
        event = invoked.event


class _Invoked:
    """A Lambda client that keeps the event of an invocation."""

    event: dict[str, Any]

    def invoke(self, *, Payload: bytes, **_: Any) -> None:
        self.event = json.loads(Payload)


class _Quiet:
    """State table and metrics of an endpoint that serves one configuration."""

    def get(self, row_id: str) -> dict[str, Any]:
        document = {
            "endpoint_name": "e", "model": {"ExecutionRoleArn": "role"},
            "config": {"ProductionVariants": [{"VariantName": "AllTraffic"}]},
        }  # fmt: skip
        return {"live_config": "config", "live_since": 0.0, "document": json.dumps(document)}

    def put_all(self, *_: Any, **__: Any) -> None:
        """Publish nothing."""


def _evaluator(files: Any, invoked: _Invoked, deadline: float) -> Any:
    config = import_module("sageloop_runtime.config").EvaluateConfig(
        state_table="t", endpoint_name="e", capture_uri="s3://capture/data",
        ground_truth_uri="s3://ground-truth/labels", window_minutes=60 * (_HOURS + 1),
        ground_truth_delay_minutes=0, metric_namespace="n", metric_name="MeanAbsoluteError",
    )  # fmt: skip
    quiet: Any = _Quiet()
    evaluation = import_module("sageloop_runtime.monitoring.evaluation")
    return evaluation.ModelQualityEvaluator(
        config, table=quiet, files=files, metrics=quiet, functions=invoked, function_arn="f",
        remaining=lambda: deadline - time.perf_counter(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
