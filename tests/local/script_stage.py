"""Source code in the form that script mode receives, and images that run it."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from cheroot.wsgi import Server
from roles import delete_role, job_role
from training_stage import BUCKET, request, start_cloud

ACCOUNT = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
PYTORCH = f"{ACCOUNT}/pytorch-training:2.8.0-cpu-py312"
TENSORFLOW = f"{ACCOUNT}/tensorflow-training:2.19.0-cpu-py312"
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
CODE = f"s3://{BUCKET}/code/sourcedir.tar.gz"


@pytest.fixture(scope="module")
def world() -> Iterator[SimpleNamespace]:
    """A cloud served on loopback, from which a script's code is fetched."""
    made = start_cloud()
    server = Server(("127.0.0.1", 0), made.cloud.front, numthreads=8)
    server.prepare()
    made.cloud.port = server.bind_addr[1]
    threading.Thread(target=server.serve, daemon=True).start()
    job_role(made.iam, "training-tests")
    yield made
    delete_role(made.iam, "training-tests")
    made.cloud.stop()
    server.stop()


def sourcedir(files: Mapping[str, str | bytes]) -> bytes:
    """An archive of source files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def script_job(
    aws: SimpleNamespace, name: str, files: Mapping[str, str | bytes], *, image: str = SKLEARN,
    hyperparameters: Mapping[str, Any] | None = None, hosts: int = 1, **members: Any,
) -> dict[str, Any]:  # fmt: skip
    """A request whose code is in S3 and whose program is the first file."""
    aws.s3.put_object(Bucket=BUCKET, Key="code/sourcedir.tar.gz", Body=sourcedir(files))
    all_parameters = {"sagemaker_program": next(iter(files)), "sagemaker_submit_directory": CODE}
    all_parameters |= {} if hyperparameters is None else dict(hyperparameters)
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 1}
    return request(
        name, image, HyperParameters={k: json.dumps(v) for k, v in all_parameters.items()},
        ResourceConfig=resources, **members,
    )  # fmt: skip
