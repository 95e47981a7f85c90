"""K-means serving program: ``python -m ...kmeans.serve`` under the inference contract.

https://docs.aws.amazon.com/sagemaker/latest/dg/km-in-formats.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sageloop.local_cloud.images import answers, archive, http_server, kmeans
from sageloop.local_cloud.images.formats import media, rows
from sageloop.local_cloud.images.formats.matrix import Matrix
from sageloop.local_cloud.images.kmeans import clustering

_ACCEPTS = (media.JSON, media.JSON_LINES, media.RECORDIO, media.CSV)


def load(directory: Path) -> http_server.Predict:
    """The predictor of the model in a directory."""
    arrays = archive.load(directory / kmeans.MODEL_FILE, kmeans.MODEL_FORMAT)
    centers: Matrix = arrays["centers"]

    def answer(features: Matrix) -> Sequence[rows.Answer]:
        nearest, distance = clustering.distances(features, centers)
        return [
            {"closest_cluster": float(cluster), "distance_to_cluster": float(far)}
            for cluster, far in zip(nearest, distance, strict=True)
        ]

    return answers.predictor(answer, columns=centers.shape[1], accepts=_ACCEPTS)


if __name__ == "__main__":
    http_server.main(load)
