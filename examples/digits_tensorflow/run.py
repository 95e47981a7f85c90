"""Digits with TensorFlow: managed spot training, interrupted once, resumed from its checkpoint.

The metric is the accuracy on held-out digits, beside that of the same script without SageMaker
and without interruption.
"""

from __future__ import annotations

from sageloop.examples.datasets import digits_files
from sageloop.examples.figure import Figure
from sageloop.examples.outside import run_script
from sageloop.examples.stage import ExampleFailedError, Stage

NEEDS = {"tensorflow-cpu": "tensorflow"}
JOB = "digits-tensorflow"
DATA = "datasets/digits/files/"


def run(stage: Stage) -> None:
    """Deploy, upload, inject an interruption, start manually, and compare."""
    files = digits_files()
    bucket = stage.deploy()["Bucket"]
    stage.upload(bucket, {f"{DATA}{name}": body for name, body in files.items()})
    stage.cloud.interrupt_spot(f"{JOB}-*", when_logged="epoch 3 done")
    stage.start(JOB)
    job = stage.training_job(JOB)
    passed = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    if "Interrupted" not in passed:
        raise ExampleFailedError(f"the job was not interrupted: {' > '.join(passed)}")
    arguments = ["--epochs", "8", "--seed", "7"]
    reference = run_script(stage.folder / "source" / "train.py", arguments, {"digits": files})
    stage.figure(
        Figure(
            name="accuracy on held-out digits",
            value=stage.metric(job, "test:accuracy"),
            outside=reference.number("test:accuracy"),
            tolerance=0.005,
            noise="order of floating-point sums; seed 7",
        )
    )
    stage.note(
        statuses=passed,
        training_seconds=job["TrainingTimeInSeconds"],
        billable_seconds=job["BillableTimeInSeconds"],
    )
