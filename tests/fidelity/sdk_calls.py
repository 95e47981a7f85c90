"""Run by the Python of the SageMaker SDK v3: one case by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Endpoint, TrainingJob


def bucket(*, folder: str, role: str) -> Any:
    """The caller, the default bucket, made by the SDK, and what is uploaded to it."""
    session = Session()
    uri = session.upload_data(str(Path(folder) / "numbers.txt"), key_prefix="data")
    account = session.boto_session.client("sts").get_caller_identity()["Account"]
    return {
        "account": account, "region": session.boto_region_name, "role": session.expand_role(role),
        "bucket": session.default_bucket(), "uri": uri,
        "listed": session.list_s3_files(session.default_bucket(), "data"),
        "read": session.read_s3_file(session.default_bucket(), "data/numbers.txt"),
    }  # fmt: skip


def invoke(*, endpoint: str) -> Any:
    """The answer of an endpoint that is in service, and the lists of endpoints and of jobs."""
    answer = Endpoint.get(endpoint).invoke(body="x", content_type="text/csv")
    return {
        "answer": answer.body.read().decode(),
        "names": [found.endpoint_name for found in Endpoint.get_all()],
        "jobs": [found.training_job_name for found in TrainingJob.get_all()],
    }


CASES: dict[str, Callable[..., Any]] = {"bucket": bucket, "invoke": invoke}

if __name__ == "__main__":
    result = CASES[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\nRESULT {json.dumps(result)}\n")
