from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from constructs_lib import ConfigurationError, DatePartitionedDataset, ResourceConfig

from .conftest import Ground, ground_of


@pytest.fixture(scope="module")
def template() -> Template:
    """A stack with a training job, to read."""
    ground = ground_of(Stack(App(), "Test"))
    ground.job()
    return ground.template()


def test_request_is_isolated_encrypted_and_private(anew: Ground) -> None:
    job = anew.job()

    request = job.specification.request(job)

    assert request["EnableNetworkIsolation"]
    assert request["EnableInterContainerTrafficEncryption"]
    assert len(request["VpcConfig"]["Subnets"]) == 2
    assert "KmsKeyId" in request["OutputDataConfig"]
    assert "VolumeKmsKeyId" in request["ResourceConfig"]
    assert "TrainingJobName" not in request


def test_request_has_no_volume_key_where_disks_are_local(anew: Ground) -> None:
    job = anew.job(compute=ResourceConfig(instance_type="ml.g5.xlarge"))

    assert "VolumeKmsKeyId" not in job.specification.request(job)["ResourceConfig"]


def test_resource_has_document(
    template: Template, document: Callable[[Template, str], str]
) -> None:
    text = document(template, "Custom::TrainingJob")

    assert text.startswith('{"job":"demo","request":{')
    assert '"manifest_key":"datasets/demo/manifest.json"' in text
    assert '"start_on_deploy":false' in text


def test_resource_is_deleted_before_policies_and_endpoints(template: Template) -> None:
    (resource,) = template.find_resources("Custom::TrainingJob").values()
    assert set(template.find_resources("AWS::EC2::VPCEndpoint")) <= set(resource["DependsOn"])
    assert any("FunctionDuty" in name for name in resource["DependsOn"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"job": "x" * 41}, "job must have at most 40 characters, got 41"),
        ({"job": "under_score"}, "job must match"),
        (
            {"compute": ResourceConfig(instance_type="m5.large")},
            "must be an ML instance type .*'m5.large'",
        ),
        (
            {"compute": ResourceConfig(instance_count=0)},
            "instance_count must be between 1 and 100, got 0",
        ),
        (
            {"data": DatePartitionedDataset(prefix="d")},
            "must be a relative S3 prefix ending in '/', got 'd'",
        ),
        (
            {"data": DatePartitionedDataset(prefix="d/", validation_days=9, window_days=9)},
            "validation_days must be fewer than data.window_days, got 9 of 9",
        ),
    ],
)
def test_job_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        anew.job(**changes)


@pytest.mark.feature("bad input: 64-character names")
def test_a_job_with_64_characters_is_refused(anew: Ground) -> None:
    with pytest.raises(ConfigurationError) as refused:
        anew.job(job="j" * 64)

    reported = f"job must have at most 40 characters, got 64 ('{'j' * 64}')"
    assert str(refused.value) == f"[{anew.stack.node.id}/Job] NameTooLong: {reported}"
