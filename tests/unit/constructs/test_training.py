from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk.assertions import Template

from constructs_lib import AlgorithmImage, ConfigurationError, DailyData, XGBoost

from .conftest import Ground, ground_of


def test_xgboost_renders_texts_in_order() -> None:
    algorithm = XGBoost(hyperparameters={"num_round": 10, "eta": 0.25, "eval_metric": "mae"})

    assert algorithm.rendered() == {"eta": "0.25", "eval_metric": "mae", "num_round": "10"}
    assert list(algorithm.rendered()) == ["eta", "eval_metric", "num_round"]


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({}, "num_round is required"),
        ({"num_round": 0}, "num_round must be between 1 and 100000, got 0"),
        ({"num_round": 1.5}, "num_round must be a whole number, got 1.5"),
        ({"num_round": "ten"}, "num_round must be a whole number, got 'ten'"),
        ({"num_round": 1, "eta": 2}, "eta must be between 0 and 1, got 2"),
        ({"num_round": 1, "depth": 2}, "'depth' is unknown; allowed are alpha"),
        ({"num_round": 1, "booster": "tree"}, "booster must be one of dart, gblinear, gbtree"),
        ({"num_round": 1, "objective": "guess"}, "objective must match"),
        ({"num_round": 1, "objective": "multi:softmax"}, "num_class is required"),
    ],
)
def test_xgboost_refuses(hyperparameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        XGBoost(hyperparameters=hyperparameters)


def test_image_of_a_fixed_region_is_literal() -> None:
    stack = Stack(App(), "Test", env=Environment(region="eu-west-1"))

    image = AlgorithmImage.xgboost(stack, "3.0-5")

    assert image.uri.startswith("141502667606.dkr.ecr.eu-west-1.")
    assert image.uri.endswith("/sagemaker-xgboost:3.0-5")


def test_image_of_any_region_is_looked_up_once(stack: Stack) -> None:
    AlgorithmImage.xgboost(stack, "3.0-5")
    AlgorithmImage.xgboost(stack, "1.7-1")

    mappings = Template.from_stack(stack).to_json()["Mappings"]
    (table,) = mappings.values()
    assert table["us-east-1"] == {"account": "683313688378"}
    assert len(table) == 37


def test_image_refuses_a_version_there_is_not(stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match=r"version must be one of .*got '9.9-9'"):
        AlgorithmImage.xgboost(stack, "9.9-9")


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
    job = anew.job(instance_type="ml.g5.xlarge")

    assert "VolumeKmsKeyId" not in job.specification.request(job)["ResourceConfig"]


def test_document_stands_in_the_resource(
    template: Template, document: Callable[[Template, str], str]
) -> None:
    text = document(template, "Custom::TrainingJob")

    assert text.startswith('{"job":"demo","request":{')
    assert '"manifest_key":"datasets/demo/manifest.json"' in text
    assert '"start_on_deploy":false' in text


def test_resource_is_outlived_by_policies_and_endpoints(template: Template) -> None:
    (resource,) = template.find_resources("Custom::TrainingJob").values()
    assert set(template.find_resources("AWS::EC2::VPCEndpoint")) <= set(resource["DependsOn"])
    assert any(name.startswith("JobFunctionDuty") for name in resource["DependsOn"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"job": "x" * 41}, "job must have at most 40 characters, got 41"),
        ({"job": "under_score"}, "job must match"),
        ({"instance_type": "m5.large"}, "must be an ML instance type .*got 'm5.large'"),
        ({"instance_count": 0}, "instance_count must be between 1 and 100, got 0"),
        ({"data": DailyData(prefix="d")}, "must be a relative S3 prefix ending in '/', got 'd'"),
        (
            {"data": DailyData(prefix="d/", validation_days=9, window_days=9)},
            "validation_days must be fewer than data.window_days, got 9 of 9",
        ),
    ],
)
def test_job_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        anew.job(**changes)
