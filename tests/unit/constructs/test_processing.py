"""Requests and roles of processing jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from constructs_lib import (
    AlgorithmImage,
    ConfigurationError,
    ProcessingInput,
    ProcessingOutput,
    SourceCode,
)
from sageloop.local_cloud.sagemaker.validation import check

from .conftest import Ground, ground_of
from .jobs import literal, processing


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder of code."""
    (tmp_path / "prepare.py").write_text("print('ready')\n")
    return tmp_path


@pytest.mark.feature("processing: isolated by default")
def test_request_is_isolated_encrypted_and_private(anew: Ground) -> None:
    request = processing(anew).request()

    network = request["NetworkConfig"]
    assert network["EnableNetworkIsolation"]
    assert network["EnableInterContainerTrafficEncryption"]
    assert len(network["VpcConfig"]["Subnets"]) == 2
    assert "VolumeKmsKeyId" in request["ProcessingResources"]["ClusterConfig"]
    assert "KmsKeyId" in request["ProcessingOutputConfig"]


@pytest.mark.feature("processing: inputs and outputs")
def test_inputs_and_outputs_have_paths(anew: Ground) -> None:
    request = processing(
        anew, inputs=[ProcessingInput(name="raw", prefix="raw/", distribution="ShardedByS3Key")],
        outputs=[ProcessingOutput(name="set", prefix="sets/", upload="Continuous")],
    ).request()  # fmt: skip

    (source,) = request["ProcessingInputs"]
    (output,) = request["ProcessingOutputConfig"]["Outputs"]
    assert source["S3Input"]["LocalPath"] == "/opt/ml/processing/input/raw"
    assert source["S3Input"]["S3DataDistributionType"] == "ShardedByS3Key"
    assert output["S3Output"]["LocalPath"] == "/opt/ml/processing/output/set"
    assert output["S3Output"]["S3UploadMode"] == "Continuous"


@pytest.mark.feature("processing: custom code on an image of AWS")
def test_code_is_input_and_entry_point(anew: Ground, code: Path) -> None:
    job = processing(
        anew, image=AlgorithmImage.find(anew.stack, "sklearn", "1.2-1"),
        code=SourceCode(folder=code, entry_point="prepare.py"), arguments=["--days", "7"],
    )  # fmt: skip

    request = job.request()
    program = request["AppSpecification"]
    assert program["ContainerEntrypoint"][:2] == ["/bin/bash", "-c"]
    assert 'exec python3 prepare.py "$@"' in program["ContainerEntrypoint"][2]
    assert program["ContainerArguments"] == ["--days", "7"]
    assert request["ProcessingInputs"][-1]["InputName"] == "code"
    check("CreateProcessingJob", {"ProcessingJobName": "prepare-1", **literal(job, request)})


def test_requirements_are_installed_without_isolation(anew: Ground, code: Path) -> None:
    (code / "requirements.txt").write_text("numpy\n")
    job = processing(anew, code=SourceCode(folder=code, entry_point="prepare.py"), isolated=False)

    command = job.request()["AppSpecification"]["ContainerEntrypoint"][2]
    assert "python3 -m pip install -q -r requirements.txt && exec" in command


@pytest.mark.feature("processing: role reads exactly its inputs and writes exactly its outputs")
def test_role_reads_inputs_and_writes_outputs(anew: Ground) -> None:
    job = processing(anew)

    policy = job.specification.role.policy
    assert policy is not None
    text = json.dumps(anew.stack.resolve(policy.document))
    assert "/raw/*" in text
    assert "/datasets/train/*" in text
    assert "s3:DeleteObject" not in text


def test_role_can_pull_the_image(anew: Ground) -> None:
    image = AlgorithmImage.find(anew.stack, "sklearn", "1.4-2")

    role = processing(anew, image=image).specification.role

    assert role.policy is not None
    text = json.dumps(anew.stack.resolve(role.policy.document))
    assert json.dumps(anew.stack.resolve(image.repository_arn)) in text
    assert "ecr:GetAuthorizationToken" in text


@pytest.mark.feature("processing: lifecycle of the resource")
def test_resource_has_document(document: Callable[[Template, str], str]) -> None:
    ground = ground_of(Stack(App(), "Test"))
    processing(ground)

    result = json.loads(
        document(ground.template(), "Custom::ProcessingJob").replace("<token>", "x")
    )

    assert (result["kind"], result["job"], result.get("data")) == ("processing", "prepare", None)


def test_start_permission_requires_isolation_of_request(anew: Ground) -> None:
    create = processing(anew).start_statements()[0]

    assert create.actions == ["sagemaker:CreateProcessingJob"]
    assert create.conditions["Bool"]["sagemaker:NetworkIsolation"] == "true"


@pytest.mark.feature("bad input: entry point missing")
def test_a_missing_entry_point_is_refused(anew: Ground, code: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no entry_point 'main.py'"):
        processing(anew, code=SourceCode(folder=code, entry_point="main.py"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": [ProcessingInput(name="a", prefix="a/", local_path="/data")]}, "must match"),
        ({"inputs": [ProcessingInput(name="a", prefix="a")]}, "ending in '/', got 'a'"),
        ({"inputs": [ProcessingInput(name=f"i{n}", prefix="a/") for n in range(11)]},
         "at most 10 with the code, got 11"),
        ({"inputs": [ProcessingInput(name="a", prefix="a/")] * 2}, "inputs: name must be unique"),
        ({"outputs": [ProcessingOutput(name="a", prefix="a/", upload="Late")]}, "upload must be"),
        ({"outputs": [ProcessingOutput(name="a", prefix="raw/")]}, "must not be written to"),
        ({"max_runtime_seconds": 777_601}, "max_runtime_seconds must be between 1 and 777600"),
        ({"instance_type": "m5.large"}, "must be an ML instance type"),
        ({"arguments": ["x" * 257]}, "at most 256 characters"),
        ({"environment": {"A B": "x"}}, "Environment"),
        ({"job": "x" * 41}, "job must have at most 40 characters, got 41"),
    ],
)  # fmt: skip
def test_job_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        processing(anew, **changes)


def test_entrypoint_with_code_is_refused(anew: Ground, code: Path) -> None:
    with pytest.raises(ConfigurationError, match="entrypoint does not go with code"):
        processing(anew, entrypoint=["python3"],
                   code=SourceCode(folder=code, entry_point="prepare.py"))  # fmt: skip


@pytest.mark.feature("bad input: requirements under isolation")
def test_requirements_under_isolation_are_refused(anew: Ground, code: Path) -> None:
    (code / "requirements.txt").write_text("numpy\n")

    with pytest.raises(ConfigurationError, match=r"cannot install requirements.txt"):
        processing(anew, code=SourceCode(folder=code, entry_point="prepare.py"))
