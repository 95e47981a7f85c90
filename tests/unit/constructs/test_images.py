from __future__ import annotations

import json
from importlib.metadata import version

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk.assertions import Template

from constructs_lib import AlgorithmImage, ConfigurationError
from constructs_lib.training.facts import images, instances
from constructs_lib.training.images import versions
from scripts import refresh_images, refresh_instances


def _stack(region: str) -> Stack:
    return Stack(App(), "Test", env=Environment(region=region))


@pytest.mark.feature("training: image for every region")
@pytest.mark.parametrize("name", sorted(images()["images"]))
def test_each_image_resolves_in_each_region_of_its_table(name: str) -> None:
    newest = versions(name)[-1]
    entry = images()["images"][name]["versions"][newest]
    accounts = images()["registries"][entry["registry"]]

    for region in ("eu-west-1", "us-east-1", "cn-north-1", "af-south-1"):
        image = AlgorithmImage.find(_stack(region), name, newest)
        assert image.uri.startswith(f"{accounts[region]}.dkr.ecr.{region}.")
        assert f":{accounts[region]}:repository/" in image.repository_arn


def test_image_of_a_fixed_region_is_literal() -> None:
    image = AlgorithmImage.xgboost(_stack("eu-west-1"), "3.0-5")

    assert image.uri.startswith("141502667606.dkr.ecr.eu-west-1.")
    assert image.uri.endswith("/sagemaker-xgboost:3.0-5")


def test_image_without_region_uses_one_mapping(stack: Stack) -> None:
    AlgorithmImage.xgboost(stack, "3.0-5")
    AlgorithmImage.xgboost(stack, "1.7-1")
    AlgorithmImage.find(stack, "sklearn", "1.4-2")

    mappings = Template.from_stack(stack).to_json()["Mappings"]
    (table,) = mappings.values()
    assert table["us-east-1"] == {"account": "683313688378"}
    assert len(table) == 37


@pytest.mark.feature("training: GPU and CPU images of frameworks")
@pytest.mark.parametrize(
    ("instance_type", "tag"),
    [("ml.g5.xlarge", "2.6.0-gpu-py312"), ("ml.p4d.24xlarge", "2.6.0-gpu-py312"),
     ("ml.m5.xlarge", "2.6.0-cpu-py312"), (None, "2.6.0-cpu-py312")],
)  # fmt: skip
def test_instance_type_selects_image(instance_type: str | None, tag: str) -> None:
    image = AlgorithmImage.find(
        _stack("eu-west-1"), "pytorch-training", "2.6", instance_type=instance_type
    )

    assert image.uri.endswith(f"/pytorch-training:{tag}")


def test_cpu_only_image_is_refused_on_gpus() -> None:
    with pytest.raises(ConfigurationError, match=r"ImageMissing: instance_type must have no acc"):
        AlgorithmImage.find(_stack("eu-west-1"), "sklearn", "1.4-2", instance_type="ml.g5.xlarge")


@pytest.mark.feature("training: unknown version lists the known ones")
def test_image_refuses_unknown_version(stack: Stack) -> None:
    with pytest.raises(
        ConfigurationError, match=r"version must be one of 0.90-1, .*3.2-0 for xgboost, got '9.9-9'"
    ):
        AlgorithmImage.xgboost(stack, "9.9-9")


@pytest.mark.feature("training: unknown region lists the known ones")
def test_image_refuses_unknown_region() -> None:
    with pytest.raises(
        ConfigurationError, match=r"region must be one of af-south-1, .* for kmeans, got 'moon-1'"
    ):
        AlgorithmImage.find(_stack("moon-1"), "kmeans", "1")


def test_image_refuses_unknown_name(stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match=r"name must be one of kmeans, .* got 'mxnet'"):
        AlgorithmImage.find(stack, "mxnet", "1")


@pytest.mark.feature("training: the table has its release")
def test_tables_have_release() -> None:
    assert images()["source"]["project"] == "sagemaker-core"
    assert images()["source"]["release"][0].isdigit()
    assert instances()["source"]["project"] == "cfn-lint"


def test_table_of_instances_is_up_to_date() -> None:
    if version("cfn-lint") != instances()["source"]["release"]:
        pytest.skip("another release of cfn-lint is installed than the table was made from")

    assert refresh_instances.table() == instances()


def test_the_script_reads_images_with_accounts_once_and_tags_by_processor() -> None:
    entry = {"repository": "pytorch-training", "registries": {"eu-west-1": "1"},
             "py_versions": ["py310"]}  # fmt: skip
    framework = {"processors": ["cpu", "gpu"], "version_aliases": {"2.0": "2.0.1"},
                 "versions": {"2.0.1": entry}}  # fmt: skip
    plain = {"versions": {"1": {"repository": "kmeans", "registries": {"eu-west-1": "1"}},
                          "0": {"repository": "elsewhere", "registries": {}}}}  # fmt: skip
    files = {"pytorch.json": {"training": framework, "inference": framework},
             "tensorflow.json": {"training": plain, "inference": plain},
             "sklearn.json": {"training": plain}, "xgboost.json": {"training": plain},
             "kmeans.json": plain, "linear-learner.json": plain}  # fmt: skip

    table = refresh_images.table("9.9", lambda name: json.dumps(files[name]))

    assert table["registries"] == [{"eu-west-1": "1"}]
    assert table["images"]["pytorch-training"] == {
        "aliases": {"2.0": "2.0.1"},
        "versions": {"2.0.1": {"repository": "pytorch-training", "registry": 0,
                               "tags": {"cpu": "2.0.1-cpu-py310", "gpu": "2.0.1-gpu-py310"}}},
    }  # fmt: skip
    assert table["images"]["kmeans"]["versions"]["1"]["tags"] == {"any": "1"}
    assert "0" not in table["images"]["kmeans"]["versions"]
