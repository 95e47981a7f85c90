"""Requests and roles of batch transform jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template

from constructs_lib import ConfigurationError, DataProcessing
from sageloop.local_cloud.sagemaker.validation import check

from .conftest import Ground, ground_of
from .jobs import literal, transform


@pytest.mark.feature("batch transform: splitting, joining and assembling")
def test_request_splits_joins_and_assembles(anew: Ground) -> None:
    job = transform(
        anew, split="Line", assemble="Line", strategy="MultiRecord", max_payload_mb=6,
        max_concurrent=4, timeout_seconds=60, max_retries=1, environment={"A": "b"},
        processing=DataProcessing(input_filter="$[1:]", join=True, output_filter="$[0,-1]"),
    )  # fmt: skip

    request = job.request()

    assert request["TransformInput"]["SplitType"] == "Line"
    assert request["TransformOutput"]["AssembleWith"] == "Line"
    assert request["TransformOutput"]["Accept"] == "text/csv"
    assert request["DataProcessing"] == {
        "JoinSource": "Input", "InputFilter": "$[1:]", "OutputFilter": "$[0,-1]",
    }  # fmt: skip
    check("CreateTransformJob", {"TransformJobName": "score-1", **literal(job, request)})


def test_default_request_omits_container_settings(anew: Ground) -> None:
    assert set(transform(anew).request()) == {
        "ModelName", "TransformInput", "TransformOutput", "TransformResources",
    }  # fmt: skip


@pytest.mark.feature("batch transform: volume key left out on local disks")
def test_request_has_no_volume_key_where_disks_are_local(anew: Ground) -> None:
    resources = transform(anew, instance_type="ml.g5.xlarge").request()["TransformResources"]

    assert "VolumeKmsKeyId" not in resources


@pytest.mark.feature("batch transform: role reads exactly its input and writes exactly its output")
def test_the_models_role_reads_input_and_writes_output(anew: Ground) -> None:
    role = transform(anew).specification.role
    assert role is not None
    assert role.policy is not None

    text = json.dumps(anew.stack.resolve(role.policy.document))

    assert "/to-score/*" in text
    assert "/scored/*" in text


@pytest.mark.feature("batch transform: lifecycle of the resource")
def test_resource_has_document(document: Callable[[Template, str], str]) -> None:
    ground = ground_of(Stack(App(), "Test"))
    transform(ground)

    result = json.loads(document(ground.template(), "Custom::TransformJob").replace("<token>", "x"))

    assert (result["kind"], result["job"], result.get("data")) == ("transform", "score", None)


def test_start_passes_no_role(anew: Ground) -> None:
    actions = [action for each in transform(anew).start_statements() for action in each.actions]

    assert actions[0] == "sagemaker:CreateTransformJob"
    assert "iam:PassRole" not in actions


JOIN = DataProcessing(join=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "MultiRecord"}, "strategy MultiRecord needs split: one of Line"),
        ({"strategy": "SingleRecord"}, "strategy SingleRecord needs split"),
        ({"strategy": "Many", "split": "Line"}, "strategy must be one of MultiRecord"),
        ({"max_payload_mb": 101}, "max_payload_mb must be between 0 and 100, got 101"),
        ({"max_payload_mb": 26, "max_concurrent": 4}, "at most 100 MB, got 26 x 4"),
        ({"max_concurrent": 17}, "at most 100 MB, got 6 x 17"),
        ({"processing": DataProcessing(input_filter="$" + "x" * 63)}, "at most 63 characters"),
        ({"processing": DataProcessing(output_filter="[1:]")}, r"output_filter must match"),
        ({"processing": JOIN, "accept": "application/json"}, "one type for records and answers"),
        ({"processing": JOIN, "split": "Line"}, "assemble to be what split is"),
        ({"processing": JOIN, "content_type": "image/png"}, "content_type with processing"),
        ({"output_prefix": "to-score/out/"}, "output_prefix must lie outside input_prefix"),
        ({"split": "Word"}, "split must be one of Line, None, RecordIO, TFRecord"),
        ({"timeout_seconds": 3601}, "timeout_seconds must be between 1 and 3600"),
        ({"max_retries": 4}, "max_retries must be between 0 and 3"),
        ({"environment": {f"V{n}": "x" for n in range(17)}}, "at most 16 variables, got 17"),
        ({"model_name": "x" * 64}, "model_name must have at most 63 characters, got 64"),
        ({"instance_type": "ml.x9.huge"}, "TransformResources.InstanceType"),
    ],
)
def test_job_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        transform(anew, **changes)


def test_streaming_has_no_product_to_limit(anew: Ground) -> None:
    request = transform(anew, max_payload_mb=0, max_concurrent=64).request()

    assert (request["MaxPayloadInMB"], request["MaxConcurrentTransforms"]) == (0, 64)
