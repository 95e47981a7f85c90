"""Requests as SageMaker would get them, tokens filled in, held against its model."""

from __future__ import annotations

import re
from typing import Any

from constructs_lib import TrainingJob
from constructs_lib._private.api_model import violations
from sageloop.local_cloud.sagemaker.validation import check

_ROLE = "arn:aws:iam::111122223333:role/training"
_TOKEN = re.compile(r"\$\{Token\[[^\]]*\]\}")


def request_of(job: TrainingJob) -> dict[str, Any]:
    """A job's request, named, checked by the library and by the local cloud."""
    filled = {"TrainingJobName": "demo-0123456789ab", **_filled(job.request())}
    filled["RoleArn"] = _ROLE
    assert violations("CreateTrainingJob", filled) == []
    check("CreateTrainingJob", filled)
    return filled


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return _TOKEN.sub("token", value) if isinstance(value, str) else value
