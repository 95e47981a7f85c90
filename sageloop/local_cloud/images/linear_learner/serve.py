"""Serves: ``python -m ...linear_learner.serve`` under the inference container contract.

https://docs.aws.amazon.com/sagemaker/latest/dg/LL-in-formats.html
"""

from __future__ import annotations

from pathlib import Path

from sageloop.local_cloud.images import answers, http_server
from sageloop.local_cloud.images.formats import media
from sageloop.local_cloud.images.linear_learner import model

# CSV is not among the answers that AWS documents for the linear learner.
_ACCEPTS = (media.JSON, media.JSON_LINES, media.RECORDIO)


def load(directory: Path) -> http_server.Predict:
    """A predictor of the model in a directory."""
    found = model.load(directory)
    return answers.predictor(found.answers, columns=len(found.weights), accepts=_ACCEPTS)


if __name__ == "__main__":
    http_server.main(load)
