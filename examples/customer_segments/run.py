"""Customer segments: the built-in K-means algorithm on the orders of 23,570 customers.

The metric is the mean squared distance of a customer to the centre of its cluster, beside that of
scikit-learn's K-means on the same rows.
"""

from __future__ import annotations

import numpy as np

from sageloop.examples.datasets import as_csv, customers
from sageloop.examples.figure import Figure
from sageloop.examples.stage import Stage

JOB = "customer-segments"
DATA = "datasets/customers/"


def features() -> np.ndarray:
    """Recency, frequency and money of each customer, standardized."""
    table = np.array(customers())
    table[:, 1:] = np.log1p(table[:, 1:])
    return np.asarray((table - table.mean(0)) / table.std(0))


def run(stage: Stage) -> None:
    """Deploy, upload, wait for the job that the upload starts, and compare."""
    rows = features()
    bucket = stage.deploy()["Bucket"]
    stage.upload(
        bucket, {f"{DATA}files/customers.csv": as_csv(rows.tolist()), f"{DATA}ready": b"complete"}
    )
    job = stage.training_job(JOB)
    from sklearn.cluster import KMeans

    outside = KMeans(n_clusters=5, n_init=10, random_state=7).fit(rows)
    best = float(outside.inertia_) / len(rows)
    stage.figure(
        Figure(
            name="mean squared distance to the centre",
            value=stage.metric(job, "train:msd"),
            outside=best,
            tolerance=0.1 * best,
            noise="starting points and mini-batches, at most a tenth; scikit-learn with seed 7",
        )
    )
    sizes = np.bincount(outside.labels_).tolist()
    stage.note(customers=len(rows), sizes_outside=sorted(sizes))
