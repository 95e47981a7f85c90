"""The cost of a job beside the user's program: start-up, trials, channels."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure, seconds
from benchmarks.roles import execution_role
from sageloop.local_cloud import images
from sageloop.local_cloud.client import LocalCloud
from sageloop.local_cloud.core.cloud import CloudConfig
from sageloop.local_cloud.server import LocalCloudServer

_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
_OWN = "bench/second:1"
_BUCKET = "bench-training"
_TRIALS, _PARALLEL = 32, 2
_GIGABYTE = 1 << 30
_OBJECTS = 8
_BRIEF = 'print("loss=1.0", flush=True)\n'
_SECOND = """\
import time
time.sleep(max(0.0, 1.0 - {bare}))
print("loss=1.0", flush=True)
"""
_READ = """\
import os, time
from pathlib import Path
began = time.perf_counter()
folder = Path(os.environ["SM_CHANNEL_TRAIN"])
first, size = None, 0
for path in sorted(p for p in folder.rglob("*") if p.is_file()):
    with path.open("rb", buffering=0) as file:
        while part := file.read(1 << 22):
            first = time.perf_counter() - began if first is None else first
            size += len(part)
print(f"first={first:.6f}", f"read={time.perf_counter() - began:.6f}", f"size={size}", flush=True)
"""


def measure() -> list[Figure]:
    """Each figure beside its value without the local cloud."""
    with tempfile.TemporaryDirectory() as folder:
        with LocalCloud.start(warm=True) as cloud:
            bench = _Bench(cloud, Path(folder))
            figures = [bench.overhead(), bench.tuning("isolated scripts"), *bench.channels()]
        return [*figures, _own_image(Path(folder))]


def _own_image(folder: Path) -> Figure:
    """The trials with a custom image: the cost of tuning without the toolkit."""
    server = LocalCloudServer(CloudConfig())
    server.start()
    try:
        bench = _Bench(LocalCloud.from_access(server.cloud.access), folder)
        program = folder / "second.py"
        program.write_text(_SECOND.format(bare=bench.bare))
        images.register(_OWN, training=[sys.executable, str(program)])
        return bench.tuning("a custom image", image=_OWN)
    finally:
        images.unregister(_OWN)
        server.stop()


class _Bench:
    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self._cloud, self._folder = cloud, folder
        self._sagemaker, self._s3 = cloud.client("sagemaker"), cloud.client("s3")
        self._s3.create_bucket(Bucket=_BUCKET)
        self._role = execution_role(cloud.client("iam"), "bench")
        self.bare = self._bare_seconds()

    def overhead(self, rounds: int = 7) -> Figure:
        """A job's wall time minus its script's, after all imports are cached."""
        self._source("brief", _BRIEF)
        self._job("brief", "warm-up")
        jobs = [seconds(lambda n=n: self._job("brief", f"job-{n}")) for n in range(rounds)]  # type: ignore[misc]
        over = median(jobs) - self.bare
        return Figure(name="training job over its bare script", value=over, unit="s",
                      bound="<= 0.5 s", holds=over <= 0.5, yardstick=self.bare,
                      yardstick_name="the script only, s")  # fmt: skip

    def tuning(self, what: str, *, image: str = _IMAGE) -> Figure:
        """32 trials of a second, two in parallel; the bound is for tuning without a toolkit."""
        self._source("second", _SECOND.format(bare=self.bare))
        definition = self._request("second", "")
        definition["AlgorithmSpecification"]["TrainingImage"] = image
        if image == _OWN:  # no code to fetch and no network namespace to create
            del definition["InputDataConfig"], definition["EnableNetworkIsolation"]
        del definition["TrainingJobName"]
        static = definition.pop("HyperParameters")
        definition["AlgorithmSpecification"]["MetricDefinitions"] = [
            {"Name": "loss", "Regex": "loss=([0-9.]+)"}
        ]
        ranges = [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
        request = {
            "HyperParameterTuningJobName": "bench-tuning",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random", "RandomSeed": 1,
                "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": _TRIALS,
                                   "MaxParallelTrainingJobs": _PARALLEL},
                "ParameterRanges": {"ContinuousParameterRanges": ranges},
            },
            "TrainingJobDefinition": {**definition, "StaticHyperParameters": static},
        }  # fmt: skip
        began = time.perf_counter()
        self._sagemaker.create_hyper_parameter_tuning_job(**request)
        self._cloud.settle(120)
        took = time.perf_counter() - began
        described = self._sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="bench-tuning"
        )
        completed = described["TrainingJobStatusCounters"]["Completed"]
        ideal = _TRIALS / _PARALLEL
        bound = 1.15 if image == _OWN else 1.5
        return Figure(name=f"{completed} trials of 1 s, {_PARALLEL} at a time: {what}", value=took,
                      unit="s", bound=f"<= {bound} x ideal", yardstick=ideal,
                      holds=completed == _TRIALS and took <= bound * ideal,
                      yardstick_name="ideal, s")  # fmt: skip

    def channels(self) -> list[Figure]:
        """A gigabyte in File mode (download and read) and FastFile mode (first byte, then all)."""
        self._source("read", _READ)
        part = bytes(_GIGABYTE // _OBJECTS)
        for number in range(_OBJECTS):
            self._s3.put_object(Bucket=_BUCKET, Key=f"data/{number}.bin", Body=part)
        file, fast = self._channel("File"), self._channel("FastFile")
        megabytes = _GIGABYTE / 1e6
        rate = megabytes / file["Downloading"]
        first = fast["Downloading"] + fast["first"]
        whole = megabytes / (fast["Downloading"] + fast["read"])
        return [
            Figure(name="1 GB channel, File: download", value=rate, unit="MB/s",
                   bound=">= 300 MB/s", holds=rate >= 300),
            Figure(name="1 GB channel, FastFile: to the first byte", value=first, unit="s",
                   bound="<= 1 GB at 300 MB/s", holds=megabytes / first >= 300,
                   yardstick=file["Downloading"] + file["first"], yardstick_name="File, s"),
            Figure(name="1 GB channel, FastFile: all of it", value=whole, unit="MB/s",
                   bound=">= 300 MB/s", holds=whole >= 300),
        ]  # fmt: skip

    def _channel(self, mode: str) -> dict[str, float]:
        data = [_channel("code", "read"), _channel("train", "data") | {"InputMode": mode}]
        name = f"channel-{mode.lower()}"
        metrics = [{"Name": n, "Regex": f"{n}=([0-9.]+)"} for n in ("first", "read", "size")]
        described = self._job("read", name, InputDataConfig=data, metrics=metrics)
        values = {m["MetricName"]: float(m["Value"]) for m in described["FinalMetricDataList"]}
        if values["size"] != _GIGABYTE:
            raise RuntimeError(f"{name} read {values['size']} of {_GIGABYTE} bytes")
        steps = {s["Status"]: s for s in described["SecondaryStatusTransitions"]}
        down = steps["Downloading"]
        return values | {"Downloading": (down["EndTime"] - down["StartTime"]).total_seconds()}

    def _job(
        self, source: str, name: str, *, metrics: list[dict[str, str]] | None = None, **more: Any
    ) -> dict[str, Any]:
        request = self._request(source, name) | more
        if metrics is not None:
            request["AlgorithmSpecification"]["MetricDefinitions"] = metrics
        self._sagemaker.create_training_job(**request)
        self._cloud.settle(120)
        described: dict[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=name)
        if described["TrainingJobStatus"] != "Completed":
            raise RuntimeError(f"{name}: {described.get('FailureReason')}")
        return described

    def _request(self, source: str, name: str) -> dict[str, Any]:
        return {
            "TrainingJobName": name,
            "RoleArn": self._role,
            "AlgorithmSpecification": {"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
            "HyperParameters": {
                "sagemaker_program": '"train.py"',
                "sagemaker_submit_directory": '"/opt/ml/input/data/code/sourcedir.tar.gz"',
            },
            "InputDataConfig": [_channel("code", source)],
            "EnableNetworkIsolation": True,
            "OutputDataConfig": {"S3OutputPath": f"s3://{_BUCKET}/output"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        }  # fmt: skip

    def _source(self, name: str, script: str) -> None:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w:gz") as archive:
            entry = tarfile.TarInfo("train.py")
            entry.size = len(script)
            archive.addfile(entry, io.BytesIO(script.encode()))
        key = f"{name}/sourcedir.tar.gz"
        self._s3.put_object(Bucket=_BUCKET, Key=key, Body=made.getvalue())

    def _bare_seconds(self, rounds: int = 7) -> float:
        script = self._folder / "brief.py"
        script.write_text(_BRIEF)

        def run_script() -> None:
            subprocess.run([sys.executable, str(script)], check=True, capture_output=True)

        run_script()
        return median(seconds(run_script) for _ in range(rounds))


def _channel(name: str, prefix: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{_BUCKET}/{prefix}/"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
