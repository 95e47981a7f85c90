"""What a model is made of, and what it refuses."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from constructs_lib import (
    AlgorithmImage,
    ConfigurationError,
    CustomImage,
    HostingRole,
    InferenceCode,
    ModelArtifact,
    ModelBase,
    ModelContainer,
)

from .conftest import Ground, ground_of
from .jobs import transform
from .serving import IMAGE, checked, container, many, model, open_model, role


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"weights")
    (folder / "deep" / "vocabulary.txt").write_text("a b", encoding="utf-8")
    return folder


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "inference.py").write_text("def model_fn(d): ...", encoding="utf-8")
    return folder


def request_of(made: Any) -> dict[str, Any]:
    return checked(made, "CreateModel", made.request, ModelName="demo-1")


def policy_of(made: Any) -> str:
    assert made.role.policy is not None
    return json.dumps(made.role.policy.document.to_json(), default=str)


@pytest.mark.feature("serving constructs: network isolation and VPC")
def test_model_from_store_is_isolated_and_in_the_network(anew: Ground) -> None:
    made = model(anew, environment={"A": "b"})

    request = request_of(made)

    assert request["EnableNetworkIsolation"] is True
    assert set(request["VpcConfig"]) == {"SecurityGroupIds", "Subnets"}
    assert request["PrimaryContainer"]["Image"] == IMAGE
    assert request["PrimaryContainer"]["Environment"] == {"A": "b"}
    assert "models/1/m.tar.gz*" in policy_of(made)


@pytest.mark.feature("serving constructs: the role's policy exists before the model")
def test_model_waits_for_its_roles_policy_and_the_network() -> None:
    ground = ground_of(Stack(App(), "Test"))
    made = model(ground)
    assert made.role is not None
    assert made.role.policy is not None

    template = ground.template()

    (resource,) = template.find_resources("AWS::SageMaker::Model").values()
    policy = ground.stack.get_logical_id(made.role.policy.node.default_child)  # type: ignore[arg-type]
    assert policy in resource["DependsOn"]
    assert any("Network" in name for name in resource["DependsOn"])


@pytest.mark.feature("serving constructs: model from a bucket")
def test_model_from_existing_bucket(anew: Ground) -> None:
    bucket = s3.Bucket.from_bucket_name(anew.stack, "Mine", "mine")

    made = model(anew, artifact=ModelArtifact.from_bucket(bucket, "m/v2/model.tar.gz"))

    assert made.request["PrimaryContainer"]["ModelDataUrl"] == "s3://mine/m/v2/model.tar.gz"
    assert "mine/m/v2/model.tar.gz*" in policy_of(made)


@pytest.mark.parametrize("key", [
    "models/m.tar.gz", "models/flights/model.tar.gz", "plain/", "m5/model.tar.gz", "cafebabe/m",
])  # fmt: skip
def test_model_at_a_key_without_version_is_refused(anew: Ground, key: str) -> None:
    bucket = s3.Bucket.from_bucket_name(anew.stack, "Mine", "mine")

    with pytest.raises(ConfigurationError, match=r"ModelKeyMutable: the model's key must have a"):
        model(anew, artifact=ModelArtifact.from_bucket(bucket, key))


@pytest.mark.parametrize("key", [
    "models/3/m.tar.gz", "v1.2/m.tar.gz", "2026-01-31/m.tar.gz", "m-0123456789ab.tar.gz",
    "runs/flights-20260131123000/output/model.tar.gz", "1a2b3c4d/",
])  # fmt: skip
def test_model_at_a_key_with_version_is_accepted(anew: Ground, key: str) -> None:
    assert model(anew, artifact=ModelArtifact.from_store(anew.store, key))


def test_mutable_key_is_accepted_if_requested(anew: Ground) -> None:
    artifact = ModelArtifact.from_store(anew.store, "models/m.tar.gz", mutable=True)

    assert model(anew, artifact=artifact)


@pytest.mark.feature("serving constructs: model from files that are not packed")
def test_prefix_artifact_is_uncompressed(anew: Ground) -> None:
    artifact = ModelArtifact.from_store(anew.store, "models/plain/1/")

    definition = request_of(model(anew, artifact=artifact))["PrimaryContainer"]

    source = definition["ModelDataSource"]["S3DataSource"]
    assert (source["S3DataType"], source["CompressionType"]) == ("S3Prefix", "None")


@pytest.mark.feature("serving constructs: model from a training job")
def test_model_from_training_job(anew: Ground) -> None:
    job = anew.job()

    made = model(anew, artifact=ModelArtifact.from_job(job, "demo-0123456789ab"))

    address = made.request["PrimaryContainer"]["ModelDataUrl"]
    assert address.endswith("/demo-0123456789ab/output/model.tar.gz")


def test_model_from_job_refuses_name_of_other_job(anew: Ground) -> None:
    job = anew.job()

    with pytest.raises(ConfigurationError, match="name must be a run of demo"):
        ModelArtifact.from_job(job, "other-0123456789ab")


@pytest.mark.feature("serving constructs: model from a registry package")
def test_model_package_has_its_image(anew: Ground) -> None:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/demo/3"
    made = model(anew, image=None, artifact=ModelArtifact.from_package(arn))

    assert request_of(made)["PrimaryContainer"] == {"ModelPackageName": arn}


@pytest.mark.feature("serving constructs: model from a local folder")
def test_folder_archive_is_independent_of_path(anew: Ground, weights: Path, tmp_path: Path) -> None:
    made = model(anew, artifact=ModelArtifact.from_folder(weights))
    copy = tmp_path / "copy"
    weights.rename(copy)
    again = model(anew, "Again", artifact=ModelArtifact.from_folder(copy))

    first, second = (each.request["PrimaryContainer"]["ModelDataUrl"] for each in (made, again))
    assert anew.stack.resolve(first) == anew.stack.resolve(second)


@pytest.mark.feature("serving constructs: script-mode inference code")
def test_code_is_packed_with_the_folder_of_an_isolated_model(
    weights: Path, code: Path, tmp_path: Path
) -> None:
    app = App(outdir=str(tmp_path / "out"))
    ground = ground_of(Stack(app, "Test"))
    image = AlgorithmImage.find(ground.stack, "pytorch-inference", "2.6")

    made = model(
        ground, image=image, artifact=ModelArtifact.from_folder(weights),
        code=InferenceCode(folder=code),
    )  # fmt: skip

    environment = made.request["PrimaryContainer"]["Environment"]
    assert environment["SAGEMAKER_PROGRAM"] == "inference.py"
    assert environment["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code"
    app.synth()
    archives = [path for path in (tmp_path / "out").glob("asset.*.gz") if path.is_file()]
    names = [set(tarfile.open(path).getnames()) for path in archives]  # noqa: SIM115
    assert {"model.pt", "deep/vocabulary.txt", "code/inference.py"} in names


def test_code_is_downloaded_with_network_access(anew: Ground, code: Path) -> None:
    made = open_model(anew, code=InferenceCode(folder=code))

    environment = made.request["PrimaryContainer"]["Environment"]
    assert environment["SAGEMAKER_SUBMIT_DIRECTORY"].startswith("s3://")
    assert "EnableNetworkIsolation" not in made.request


@pytest.mark.feature("bad input: code that cannot reach an isolated model")
def test_code_is_refused_for_an_isolated_archive(anew: Ground, code: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"use ModelArtifact\.from_folder"):
        model(anew, code=InferenceCode(folder=code))


def test_requirements_are_refused_without_a_network(
    anew: Ground, weights: Path, code: Path
) -> None:
    (code / "requirements.txt").write_text("numpy", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="without a network"):
        model(anew, artifact=ModelArtifact.from_folder(weights), code=InferenceCode(folder=code))


@pytest.mark.feature("serving constructs: several containers as a pipeline")
def test_serial_containers_are_rendered(anew: Ground) -> None:
    made = model(anew, containers=[container(anew), container(anew)])

    request = request_of(made)

    assert len(request["Containers"]) == 2
    assert request["InferenceExecutionConfig"] == {"Mode": "Serial"}
    assert "PrimaryContainer" not in request


@pytest.mark.feature("serving constructs: direct invocation of several containers")
def test_direct_containers_are_rendered(anew: Ground) -> None:
    containers = [container(anew, hostname=name) for name in ("one", "two")]

    request = request_of(model(anew, containers=containers, invocation="Direct"))

    assert request["InferenceExecutionConfig"] == {"Mode": "Direct"}
    assert [each["ContainerHostname"] for each in request["Containers"]] == ["one", "two"]


@pytest.mark.feature("serving constructs: multi-model container")
def test_a_multi_model_container_names_a_prefix(anew: Ground) -> None:
    made = many(anew)

    definition = request_of(made)["PrimaryContainer"]

    assert definition["Mode"] == "MultiModel"
    assert made.request["PrimaryContainer"]["ModelDataUrl"].endswith("/digits/")
    assert "ModelDataSource" not in definition


@pytest.mark.feature("serving constructs: framework and custom images")
def test_role_can_pull_image(anew: Ground) -> None:
    arn = "arn:aws:ecr:eu-west-1:123456789012:repository/mine"

    made = model(anew, image=CustomImage(uri=IMAGE, repository_arn=arn))

    assert arn in policy_of(made)


def test_imported_model_has_name(anew: Ground) -> None:
    made = ModelBase.from_model_name(anew.stack, "Mine", model_name="mine", role=role(anew))

    assert (made.model_name, made.is_multi_model, made.is_pipeline) == ("mine", False, False)


def test_model_depends_on_grants_of_role() -> None:
    ground = ground_of(Stack(App(), "Test"))
    own = iam.Role(ground.stack, "Own", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))

    model(ground, role=HostingRole.from_role(ground.stack, "Hosting", own))

    (resource,) = ground.template().find_resources("AWS::SageMaker::Model").values()
    assert any("DefaultPolicy" in name for name in resource["DependsOn"])


@pytest.mark.feature("batch transform: a model of this library, or of a package")
def test_transform_job_uses_model_and_role(anew: Ground) -> None:
    made = model(anew)

    job = transform(anew, model=made, model_name="", role=None)

    assert job.request()["ModelName"] == made.model_name
    assert job.specification.role is made.role


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"containers": []}, "containers must have at least one entry"),
        ({"invocation": "Direct"}, "invocation Direct needs several containers"),
        ({"invocation": "Often"}, "invocation must be one of Direct, Serial"),
        ({"image": None}, "a container needs an image"),
        ({"image": "x" * 256}, "at most 255 characters"),
        ({"environment": {f"V{n}": "x" for n in range(101)}}, "at most 100 variables, got 101"),
        ({"environment": {"A": "x" * 1025}}, "at most 1024 characters"),
        ({"environment": {"1A": "x"}}, "container.environment must match"),
        ({"multi_model": True}, "must be a prefix ending in '/'"),
        ({"cache": True}, "container.cache is for multi_model=True"),
        ({"artifact": ModelArtifact.from_package("demo")}, "a model package brings its image"),
    ],
)
def test_model_refuses(anew: Ground, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        model(anew, **changes)


def test_pipelines_refuse_too_many_containers(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="containers must be 15 at most, got 16"):
        model(anew, containers=[ModelContainer(image=IMAGE)] * 16)


def test_direct_containers_need_hostnames(anew: Ground) -> None:
    with pytest.raises(ConfigurationError, match="needs a hostname for each container"):
        model(anew, containers=[ModelContainer(image=IMAGE)] * 2, invocation="Direct")


def test_folders_refuse_links_that_leave_them(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s", encoding="utf-8")
    (weights / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(ConfigurationError, match="'link' is a link that leaves the folder"):
        ModelArtifact.from_folder(weights)


def test_a_link_to_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model").write_text("x")
    (tmp_path / "again").symlink_to("weights")

    with pytest.raises(ConfigurationError, match="'again' is a link to a folder; copy it"):
        ModelArtifact.from_folder(tmp_path)


def test_folders_refuse_to_be_missing_or_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder"):
        ModelArtifact.from_folder(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="has no files"):
        ModelArtifact.from_folder(tmp_path)
