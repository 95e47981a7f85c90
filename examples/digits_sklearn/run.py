"""Digits with scikit-learn: a training script that new data starts.

The metric is the accuracy on held-out digits, beside that of the same classifier without SageMaker.
"""

from __future__ import annotations

from sageloop.examples.datasets import digits, digits_files
from sageloop.examples.figure import Figure
from sageloop.examples.stage import Stage

JOB = "digits-sklearn"
DATA = "datasets/digits/"


def run(stage: Stage) -> None:
    """Deploy, upload, wait for the job that the upload starts, and compare."""
    split = digits()
    bucket = stage.deploy()["Bucket"]
    files = digits_files()
    stage.upload(
        bucket,
        {
            f"{DATA}train/digits.csv": files["train.csv"],
            f"{DATA}test/digits.csv": files["test.csv"],
            f"{DATA}ready": b"complete",
        },
    )
    job = stage.training_job(JOB)
    from sklearn.svm import SVC

    outside = SVC(C=10.0, gamma=0.2).fit(split.train_rows, split.train_labels)
    stage.figure(
        Figure(
            name="accuracy on held-out digits",
            value=stage.metric(job, "test:accuracy"),
            outside=float(outside.score(split.test_rows, split.test_labels)),
            tolerance=1e-6,
            noise="none: the solver is deterministic; split by seed 0",
        )
    )
    stage.note(model=sorted(stage.artifact(job)))
