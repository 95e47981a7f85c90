"""Linear learner serving program: ``python -m ...linear_learner.serve``.

https://docs.aws.amazon.com/sagemaker/latest/dg/LL-in-formats.html
"""

from __future__ import annotations

from pathlib import Path

from sageloop.local_cloud.images import answers, http_server
from sageloop.local_cloud.images.formats import media
from sageloop.local_cloud.images.linear_learner import model

# AWS documents no CSV responses for the linear learner.
_ACCEPTS = (media.JSON, media.JSON_LINES, media.RECORDIO)


def load(directory: Path) -> http_server.Predict:
    """The predictor of the model in a directory."""
    trained = model.load(directory)
    return answers.predictor(trained.answers, columns=len(trained.weights), accepts=_ACCEPTS)


if __name__ == "__main__":
    http_server.main(load)
