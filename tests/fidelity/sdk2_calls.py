"""Run by the Python of the SageMaker SDK v2: one case by name, as the SDK's guides show it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sagemaker
from sagemaker.deserializers import CSVDeserializer
from sagemaker.predictor import Predictor
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn, SKLearnModel

VERSION = "1.4-2"


def identity(*, role: str) -> Any:
    """The caller's account, and a role by name."""
    session = sagemaker.Session()
    account = session.boto_session.client("sts").get_caller_identity()["Account"]
    return {"account": account, "region": session.boto_region_name,
            "role": session.expand_role(role)}  # fmt: skip


def bucket(*, folder: str) -> Any:
    """The default bucket, made by the SDK, and what is uploaded to it."""
    session = sagemaker.Session()
    uri = session.upload_data(str(Path(folder) / "numbers.txt"), key_prefix="data")
    S3Uploader.upload(folder, f"s3://{session.default_bucket()}/folder", sagemaker_session=session)
    listed = S3Downloader.list(f"s3://{session.default_bucket()}/folder", sagemaker_session=session)
    return {"bucket": session.default_bucket(), "uri": uri, "listed": sorted(listed),
            "read": S3Downloader.read_file(uri, sagemaker_session=session)}  # fmt: skip


def predict(*, endpoint: str) -> Any:
    """The answer of an endpoint that is in service."""
    predictor = Predictor(endpoint, serializer=CSVSerializer(), deserializer=CSVDeserializer())
    return {"answer": predictor.predict("x"), "names": [
        found["EndpointName"]
        for found in predictor.sagemaker_session.sagemaker_client.list_endpoints()["Endpoints"]
    ]}  # fmt: skip


def train(*, role: str, script: str, data: str) -> Any:
    """An estimator that fits a script of one's own, and the job described."""
    estimator = SKLearn(
        entry_point=script, role=role, framework_version=VERSION, instance_type="ml.m5.large",
        instance_count=1, hyperparameters={"epochs": 2}, base_job_name="fitted",
        disable_profiler=True, debugger_hook_config=False,
    )  # fmt: skip
    estimator.fit({"train": data}, wait=True)
    session = estimator.sagemaker_session
    job = session.describe_training_job(estimator.latest_training_job.name)
    return {"status": job["TrainingJobStatus"], "model": estimator.model_data}


def deploy(*, role: str, model: str, script: str) -> Any:
    """A model deployed with code of one's own, invoked and deleted."""
    made = SKLearnModel(model, role=role, entry_point=script, framework_version=VERSION)
    predictor = made.deploy(
        initial_instance_count=1, instance_type="ml.m5.large", serializer=CSVSerializer(),
        deserializer=CSVDeserializer(),
    )  # fmt: skip
    answer = predictor.predict("1,2\n3,4")
    predictor.delete_model()
    predictor.delete_endpoint()
    return {"answer": answer, "endpoint": predictor.endpoint_name}


CASES: dict[str, Callable[..., Any]] = {
    "identity": identity, "bucket": bucket, "predict": predict, "train": train, "deploy": deploy,
}  # fmt: skip

if __name__ == "__main__":
    result = CASES[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\nRESULT {json.dumps(result)}\n")
