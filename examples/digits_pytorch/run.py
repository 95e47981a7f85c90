"""Digits with PyTorch: one network, trained by DistributedDataParallel on two hosts.

The metric is the accuracy on held-out digits, beside that of the same script in one process. The
hosts' gradients are averaged, so both runs train the same network except for rounding.
"""

from __future__ import annotations

import json

from sageloop.examples.datasets import digits_files
from sageloop.examples.figure import Figure
from sageloop.examples.outside import run_script
from sageloop.examples.stage import ExampleFailedError, Stage

NEEDS = {"torch": "torch"}
JOB = "digits-pytorch"
DATA = "datasets/digits/files/"


def run(stage: Stage) -> None:
    """Deploy, upload, start manually, and compare; both hosts must have participated."""
    files = digits_files()
    bucket = stage.deploy()["Bucket"]
    stage.upload(bucket, {f"{DATA}{name}": body for name, body in files.items()})
    name = stage.start(JOB)
    job = stage.training_job(JOB)
    if job["ResourceConfig"]["InstanceCount"] != len(streams := stage.log_streams(name)):
        raise ExampleFailedError(f"expected logs of two hosts, got {streams}")
    arguments = ["--epochs", "20", "--learning-rate", "0.05", "--seed", "7"]
    reference = run_script(stage.folder / "source" / "train.py", arguments, {"digits": files})
    stage.figure(
        Figure(
            name="accuracy on held-out digits",
            value=stage.metric(job, "test:accuracy"),
            outside=reference.number("test:accuracy"),
            tolerance=0.005,
            noise="order of floating-point sums between hosts; seed 7",
        )
    )
    stage.note(hosts=streams, settings=json.dumps(job["HyperParameters"], sort_keys=True))
