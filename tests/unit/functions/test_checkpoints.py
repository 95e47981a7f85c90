from __future__ import annotations

from typing import Any

import pytest
from sageloop_runtime.jobs.job_request import job_request

_PLACE = {"S3Uri": "s3://b/checkpoints/", "LocalPath": "/opt/ml/state"}


@pytest.mark.parametrize(
    ("kind", "request_", "read"),
    [
        ("training", {"CheckpointConfig": _PLACE}, lambda made: made),
        (
            "tuning",
            {"TrainingJobDefinition": {"CheckpointConfig": _PLACE}},
            lambda made: made["TrainingJobDefinition"],
        ),
    ],
)
def test_each_job_keeps_checkpoints_of_its_own(
    kind: str, request_: dict[str, Any], read: Any
) -> None:
    document = {"job": "demo", "kind": kind, "request": request_, "data": None}

    made = read(job_request(document, "demo-0123"))

    assert made["CheckpointConfig"] == {**_PLACE, "S3Uri": "s3://b/checkpoints/demo-0123"}
    assert _PLACE["S3Uri"] == "s3://b/checkpoints/"
